"""Draws the pictures of results once they are scored, in a worker. `gengap worker` gives it to `worker.process`.

The converter runs in a child process (`server.charts.page_svg`) with a time limit. Where it fails, pages show the
picture as before it was drawn: the browser draws it.
"""

import json
import logging
import subprocess
import sys
from collections.abc import Mapping, Sequence

from sqlalchemy.orm import Session

from model_zoo import ZooError
from model_zoo.store import ZooStore
from server.charts.result_pictures import pictures, values_picture
from server.charts.specifications import Spec
from server.charts.stored import digest_of_picture, digest_of_values
from server.charts.theme import VERSION
from submissions.results.stored_pictures import DRAWN_FOR, Undrawn, store_pictures, undrawn
from submissions.results.submission_result import result
from submissions.results.values_and_targets import zoo_points, zoo_values
from submissions.storage.database import Database

AT_ONCE = 4  # evaluations whose pictures one child process draws
LIMIT_S = 120.0
MOST_CHARACTERS = 150_000  # of a picture: a larger one would weigh more than what draws it
_COMMAND = (sys.executable, "-P", "-m", "server.charts.page_svg")
_log = logging.getLogger(__name__)


class PictureMaker:
    """Draws what has not been drawn. One that failed is not tried again by this process."""

    def __init__(self, db: Database, zoos: ZooStore, command: Sequence[str] = _COMMAND) -> None:
        self._db = db
        self._zoos = zoos
        self._command = command
        self._given_up: set[int] = set()

    def step(self) -> int:
        """Draw the pictures of all evaluations that have none; return the number of evaluations."""
        drawn = 0
        while some := self._some():
            drawn += self._draw(some)
        return drawn

    def _some(self) -> list[Undrawn]:
        with self._db.read() as session:
            return undrawn(session, VERSION, AT_ONCE, self._given_up)

    def _draw(self, evaluations: Sequence[Undrawn]) -> int:
        with self._db.read() as session:
            wanted = {one.evaluation_id: self._specifications(session, one) for one in evaluations}
        self._given_up |= wanted.keys()  # but those that are stored below, which are not asked for again
        everything: dict[str, Spec] = {}
        for specs in wanted.values():
            everything |= specs
        try:
            drawn = self._converted(everything)
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            if len(wanted) > 1:  # perhaps only one of them is at fault
                return sum(self._draw([one]) for one in evaluations)
            told = getattr(error, "stderr", None) or b""
            _log.warning("pictures could not be drawn: %s %s", error, told.decode(errors="replace")[-500:])
            return 0
        for evaluation_id, specs in wanted.items():
            store_pictures(self._db, evaluation_id, VERSION, {digest: drawn.get(digest) for digest in specs})
        self._given_up -= wanted.keys()
        return len(wanted)

    def _specifications(self, session: Session, one: Undrawn) -> dict[str, Spec]:
        """Return the specifications of everything that some reader is shown once all is told, by digest."""
        found: dict[str, Spec] = {}
        for reader in DRAWN_FOR:
            told = result(session, one.submission_id, reader)
            zoo = told.zoo(one.zoo_name) if told is not None else None
            for picture in pictures(zoo) if zoo is not None else ():
                found[digest_of_picture(picture)] = picture.draw()
        values = zoo_values(session, one.submission_id, one.zoo_name)
        if values is not None:
            try:
                points = zoo_points(session, self._zoos, one.submission_id, one.zoo_name)
            except ZooError as error:
                _log.warning("the values of evaluation %d cannot be drawn: %s", one.evaluation_id, error)
            else:
                if points is not None and points.axes:
                    found[digest_of_values(values)] = values_picture(points).draw()
        return found

    def _converted(self, specs: Mapping[str, Spec]) -> dict[str, str | None]:
        requests = [{"spec": spec, "name": f"p{digest[:12]}"} for digest, spec in specs.items()]
        child = subprocess.run(
            self._command, input=json.dumps(requests).encode(), capture_output=True, timeout=LIMIT_S, check=True
        )
        drawn = dict(zip(specs, json.loads(child.stdout), strict=True))
        return {
            digest: markup if markup is not None and len(markup) <= MOST_CHARACTERS else None
            for digest, markup in drawn.items()
        }
