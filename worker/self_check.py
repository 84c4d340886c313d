"""Decides whether this worker takes work: it tries its sandbox at the start, and itself after faults in a row.

A worker with a damaged sandbox or the wrong folders would otherwise spoil submission after submission. It takes no work
from then on, says so on record, and tries itself at growing intervals until it is well.
"""

import logging
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from model_zoo import ZooError
from model_zoo.store import ZooStore
from submissions.evaluation.workers import latest_objects
from submissions.intake.bundle_store import BundleStore, StoreError
from submissions.storage.database import Database
from worker.sandbox.layers.layer_check import throwaway_network
from worker.sandbox.layers.layer_table import missing
from worker.sandbox.pool import SandboxPool
from worker.sandbox.protocol import Code, Limits, SandboxError, Value

FAULTS_IN_A_ROW = 3  # on as many submissions
MOST_PAUSES = 60  # between two trials
_MEASURE = b"def complexity(model, dataset):\n    return float(sum(p.sum() for p in model.parameters()))\n"
_ITS_VALUE = 8.0  # of the network of `throwaway_network`
_STARTING = "It is trying its sandbox."
_log = logging.getLogger(__name__)

Report = Callable[[Mapping[str, bool], str | None], None]


class SelfCheck:
    """Whether this worker takes work, and why not. Used from any thread; `step` from one.

    Parameters
    ----------
    minimum : tuple of str
        The layers that its sandbox must have.
    report : callable
        Records the layers and the refusal, whenever it has changed. A refusal names no path of this machine.
    pause_s : float
        Seconds between the first trials; they double up to `MOST_PAUSES` times as much.
    """

    def __init__(
        self,
        pool: SandboxPool,
        db: Database,
        store: BundleStore,
        zoos: ZooStore,
        *,
        minimum: tuple[str, ...],
        report: Report,
        pause_s: float,
    ) -> None:
        self._pool = pool
        self._db = db
        self._store = store
        self._zoos = zoos
        self._minimum = minimum
        self._report = report
        self._least_pause_s = self._pause_s = pause_s
        self._guard = threading.Lock()
        self._faulty: set[int] = set()
        self._refusal: str | None = _STARTING
        self._reported: str | None = _STARTING
        self._layers: Mapping[str, bool] = {}
        self._try_at = 0.0

    @property
    def is_well(self) -> bool:
        """Whether this worker takes work."""
        return self._refusal is None

    def note_value(self) -> None:
        """A network got its value: the sandbox and the stores work."""
        with self._guard:
            self._faulty.clear()
            self._pause_s = self._least_pause_s

    def note_fault(self, submission_id: int) -> None:
        """A network got no verdict, by a fault of ours."""
        with self._guard:
            self._faulty.add(submission_id)
            if len(self._faulty) >= FAULTS_IN_A_ROW and self._refusal is None:
                self._refusal = f"It failed on {len(self._faulty)} submissions in a row and is testing itself."
                self._try_later()

    def step(self) -> None:
        """Try again if it is time, and report a change."""
        if self._refusal is not None and time.monotonic() >= self._try_at:
            fault = self._find_fault()
            with self._guard:
                self._refusal = fault
                if fault is None:
                    self._faulty.clear()
                else:
                    self._try_later()
        refusal = self._refusal
        if refusal != self._reported:
            if refusal is not None:
                _log.error("This worker takes no work. %s More: gengap doctor", refusal)
            elif self._reported != _STARTING:
                _log.warning("This worker is well and takes work again.")
            self._report(self._layers, refusal)
            self._reported = refusal

    def _find_fault(self) -> str | None:
        """Try the sandbox, and after faults the stores; return what is wrong. The log says more than what is shown."""
        try:
            self._layers = self._pool.layers(anew=self._refusal != _STARTING)
            if lacking := missing(self._layers, self._minimum):
                return f"Its sandbox lacks {', '.join(lacking)}."
            if not self._evaluates():
                return "In its sandbox, a measure of ours does not get the right value."
        except SandboxError as error:
            _log.error("the sandbox does not start: %s", error)
            return "Its sandbox does not start. Its log says why."
        return self._fault_of_stores() if self._faulty else None

    def _evaluates(self) -> bool:
        with tempfile.TemporaryDirectory(prefix="gengap-check-") as folder, self._pool.borrow() as sandbox:
            sandbox.start(Code({"complexity.py": _MEASURE}, "check"), Limits(wall_s=30))
            outcome = sandbox.evaluate(throwaway_network(Path(folder)), 0)
        if isinstance(outcome, Value) and outcome.value == _ITS_VALUE:
            return True
        _log.error("a measure of ours on a network of a few numbers: %s", outcome)
        return False

    def _fault_of_stores(self) -> str | None:
        with self._db.read() as session:
            uploads, zoos = latest_objects(session)
        if uploads and not any(self._can_read(self._store.get, digest) for digest in uploads):
            return "It cannot read the uploads. Its log says why."
        if zoos and not any(self._can_read(self._zoos.has, digest) for digest in zoos):
            return "It cannot read the zoos. Its log says why."
        return None

    def _can_read(self, read: Callable[[str], object], digest: str) -> bool:
        try:
            return bool(read(digest))
        except (StoreError, ZooError) as error:
            _log.error("this worker tests itself: %s", error)
            return False

    def _try_later(self) -> None:
        self._try_at = time.monotonic() + self._pause_s
        self._pause_s = min(2 * self._pause_s, MOST_PAUSES * self._least_pause_s)
