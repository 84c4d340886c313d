"""Every endpoint that could show a result, asked twice over results that differ only where it must not show.

Between the two walks every number of every result changes, but for the scores as they are told: the values, their
statistics, the times, the memory, the order of exact scores, and how far a running submission is within a tenth of its
networks. Whoever may not be told these numbers must get the same
bytes, headers and ETags from every GET route of the site and the API. Whoever may must get others, or the test would
prove nothing.
"""

import io
import re
import zipfile
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Select, select
from werkzeug.routing import Rule

from server.auth.parameters import kinds_in
from server.http.page_cache import KeptPages
from submissions.evaluation import workers
from submissions.leaderboard import rank_intervals, standings
from submissions.people.tokens import create_token
from submissions.storage.records import (
    EvaluationRecord,
    PhaseRecord,
    Purpose,
    ShareRecord,
    ShowsScores,
    SubmissionRecord,
    Tells,
    ValueRecord,
)
from submissions.storage.states import State
from tests.records import START
from tests.results import score, the_gap
from tests.server.site import Browser, Site

READERS: Mapping[str, str | None] = {"visitor": None, "entrant": "ann", "other entrant": "bob", "organizer": "olga"}
FROZEN_AT = START + timedelta(hours=2)
PHASES: Mapping[str, dict[str, Any]] = {
    "secret": {},
    "secret, larger steps": {"score_step": 5.0},
    "secret with metrics": {"tells": Tells.METRICS},
    "secret with the Ladder": {"uses_ladder": True},
    "secret and frozen": {"freezes_at": FROZEN_AT},
    "secret and revealed": {"is_revealed": True},
    "secret, everything told": {"tells": Tells.EVERYTHING},
    "public": {"truth_public": True},
    "public, after the close": {
        "truth_public": True,
        "shows_scores": ShowsScores.AFTER_CLOSE,
        "closes_at": START + timedelta(days=36500),
    },
}
TOLD = frozenset({"secret and revealed", "secret, everything told", "public"})  # to whoever may see the phase
DONE = 6  # networks of the running submission; of its 12, 6 and 7 are the same in tenths
SORTS = ("score", "cmi.zoo", "tau.zoo", "psi.zoo", "name", "submitted")

# What differs between two visits although nothing has happened: tokens of forms, and the clock.
_NOISE = re.compile(
    r'(csrf_token" value="|name="once" value="|name="csrf-token" content="|data-now="|data-since="|"now": ?")[^"]*'
    r'|"seen_s_ago": ?[\d.]+|\d+ (s|min|h)\b( ago)?'
)


@pytest.fixture(autouse=True)
def _still(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock changes nothing: the page asks for no new estimate each ten seconds, and the worker stays alive."""
    monkeypatch.setattr("server.pages.submission.submission.BEAT_S", 10**10)
    monkeypatch.setattr("submissions.evaluation.workers.GRACE_S", 10.0**5)


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[] if kind == "secret" else pytest.mark.thorough) for kind in PHASES]
)
def test_nobody_is_told_more_than_the_phase_says(site: Site, kind: str) -> None:
    doors = _Doors(site, **PHASES[kind])
    before = {reader: doors.walk(reader) for reader in READERS}
    doors.change()
    after = {reader: doors.walk(reader) for reader in READERS}
    for reader in READERS:
        assert before[reader].keys() == after[reader].keys()
        differing = sorted(door for door, answer in before[reader].items() if after[reader][door] != answer)
        if reader == "organizer" or kind in TOLD:
            assert differing, f"{reader} should see the change, or it is none"
        else:
            door = differing[0] if differing else ""
            assert not differing, f"{reader}, {kind}: {door}\n{_difference(before[reader][door], after[reader][door])}"


def _difference(before: object, after: object) -> str:
    one, other = repr(before), repr(after)
    at = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return f"{one[max(0, at - 150) : at + 80]}\n  and then\n{other[max(0, at - 150) : at + 80]}"


class _Doors:
    """A site with scored and running submissions of two people over one zoo, and browsers for all readers."""

    def __init__(self, site: Site, *, truth_public: bool = False, **fields: Any) -> None:
        self._site = site
        self._phase = site.phase(zoos=("zoo",), truth_public=truth_public, **fields)
        self._scored = [
            site.submission(self._phase, person, cmi=(0.2,), name=f"measure {number}", hours=hours)
            for number, (person, hours) in enumerate(((site.ann, 1), (site.bob, 1), (site.ann, 3)))
        ]
        self._baseline = site.submission(
            self._phase, site.system, cmi=(0.2,), is_baseline=True, name="Squared norm", hours=1
        )
        self._running = site.submission(self._phase, site.ann, done=DONE, name="running")
        self._slower = 1.3 if truth_public else 100.0  # the times on a public zoo are told as rough estimates
        self._queue_runs()
        workers.enter(site.db, "machine/1", slots=1, backend="bubblewrap", layers={}, refusal=None)
        open_phase = site.phase("open", competition="other", zoos=("open-zoo",))
        site.submission(open_phase, site.bob, cmi=(0.2,), hours=1)  # without it, no estimate would name a time
        for place, submission in enumerate([*self._scored, self._baseline]):
            score(site, submission, lambda network, index, place=place: the_gap(network, index * (place + 1)))  # type: ignore[misc]
        self._settle_scores(0.0)
        self._browsers = {reader: site.browser(name) for reader, name in READERS.items()}
        for browser in self._browsers.values():
            browser.token()  # so that the session, on which ETags depend, stays as it is
        self._token = {
            reader: create_token(
                site.db, getattr(site, name), "walk", ["read", "organize"] if name == "olga" else ["read"]
            )[1]
            for reader, name in READERS.items()
            if name is not None
        }
        with site.db.read() as session:
            self._version = session.get_one(PhaseRecord, self._phase).board_version
        self._recount()
        for reader in self._token:
            self._answer(reader, "/api/v1/account")  # the first use of a token is noted

    def change(self) -> None:
        """Change all that lies behind what is told."""
        self._settle_scores(0.0037)
        with self._site.db.write() as session:
            for value in session.scalars(select(ValueRecord).where(ValueRecord.evaluation_id.in_(self._evaluations()))):
                value.value, value.wall_s = value.value * 1.7 + 0.1, value.wall_s * self._slower + 0.011
                value.cpu_s, value.peak_bytes = 0.77, 123_456_789
            is_scored = EvaluationRecord.state == State.SCORED
            for evaluation in session.scalars(
                select(EvaluationRecord).where(is_scored, EvaluationRecord.id.in_(self._evaluations()))
            ):
                for name in ("kendall_tau", "granulated_kendall", "sign_error"):
                    old = getattr(evaluation, name)
                    setattr(evaluation, name, None if old is None else old * self._close(0.93))
                evaluation.report = _changed(evaluation.report, {"jackknife", "metrics"})
                evaluation.report = {
                    **evaluation.report,
                    "metrics": _changed(evaluation.report["metrics"], set(), self._close(0.93)),
                }
            of_phase = SubmissionRecord.phase_id == self._phase
            for submission in session.scalars(select(SubmissionRecord).where(of_phase)):
                if submission.finished_at is not None:
                    submission.finished_at += timedelta(seconds=7)
            session.scalars(select(ShareRecord)).one().waiting -= 1
        self._site.add_values(self._running, 1)
        self._recount()

    def _evaluations(self) -> Select[int]:
        of_phase = select(SubmissionRecord.id).where(SubmissionRecord.phase_id == self._phase)
        return select(EvaluationRecord.id).where(EvaluationRecord.submission_id.in_(of_phase))

    def _queue_runs(self) -> None:
        """Queue the networks of the running submission that have no value."""
        waiting = len(self._site.truth("zoo")) - DONE
        with self._site.db.write() as session:
            session.add(ShareRecord(phase_id=self._phase, entrant="u1", tier=0, waiting=waiting))

    def _close(self, factor: float) -> float:
        """Metrics that are told with three digits change behind these."""
        with self._site.db.read() as session:
            phase = session.get_one(PhaseRecord, self._phase)
        return 1.0 if phase.tells is Tells.METRICS else factor

    def _settle_scores(self, more: float) -> None:
        """Give the scored submissions scores of about 20, 40, 60 and 80 points, and `more` of the range."""
        with self._site.db.write() as session:
            for place, submission_id in enumerate([*self._scored, self._baseline]):
                submission = session.get_one(SubmissionRecord, submission_id)
                cmi = 0.2 * (place + 1) + (more if place % 2 else -more)
                submission.score, submission.standard_error = 100 * cmi, 3.21 + 100 * more
                evaluation = session.scalars(
                    select(EvaluationRecord).where(
                        EvaluationRecord.submission_id == submission_id, EvaluationRecord.purpose == Purpose.SCORE
                    )
                ).one()
                evaluation.cmi, evaluation.standard_error = cmi, 0.0321 + more

    def _recount(self) -> None:
        """Let standings and rank intervals follow, under the same version, and forget rendered pages."""
        with self._site.db.write() as session:
            phase = session.get_one(PhaseRecord, self._phase)
            phase.board_version, phase.intervals_version = self._version, 0
            session.flush()
            standings.rebuild(session, self._phase)
        rank_intervals.work_out(self._site.db, self._phase)
        for name, extension in self._site.app.extensions.items():
            if isinstance(extension, KeptPages):
                self._site.app.extensions[name] = KeptPages(100)

    def walk(self, reader: str) -> dict[str, tuple[Any, ...]]:
        """What each door answers: status, headers and content without what changes by itself."""
        return {path: self._answer(reader, path) for path in sorted(set(self._paths()))}

    def _answer(self, reader: str, path: str) -> tuple[Any, ...]:
        browser: Browser = self._browsers[reader]
        headers = (
            {"Authorization": f"Bearer {self._token[reader]}"}
            if path.startswith("/api/") and reader in self._token
            else {}
        )
        response = browser.client.get(path, headers=headers)
        content = response.get_data()
        if response.mimetype == "application/zip":
            content = b"\n".join(_members(content))
        told = _NOISE.sub("", content.decode(errors="replace"))
        named = {
            name: response.headers.get(name) for name in ("ETag", "Location", "Content-Disposition", "Last-Modified")
        }
        return response.status_code, tuple(named.items()), told

    def _paths(self) -> Iterator[str]:
        for rule in self._site.app.url_map.iter_rules():
            if "GET" not in (rule.methods or ()) or rule.endpoint.startswith(("static", "help")):
                continue
            for names in self._names(rule):
                yield _path(self._site.app, rule, names)
        board = "/competitions/demo/main/leaderboard"
        for sort in SORTS:
            for ending in ("", ".csv", ".json"):
                yield f"{board}{ending}?sort={sort}"
            yield f"/api/v1/competitions/demo/phases/main/leaderboard?sort={sort}"
        yield f"{board}?show=all"
        first, second, _ = self._scored
        yield f"/compare?a={first}&b={second}"

    def _names(self, rule: Rule) -> Iterator[dict[str, Any]]:
        kinds = kinds_in(rule.rule)
        values: dict[str, Any] = {
            "competition": "demo", "phase": "main", "competition_number": 1, "phase_number": self._phase,
            "zoo": 1, "zoo_name": "zoo", "measure": "squared-norm",
        }  # fmt: skip
        submissions = [*self._scored, self._baseline, self._running] if "submission" in kinds.values() else [0]
        pictures = ("cmi", "axes", "changes", "times", "values") if "picture" in kinds.values() else ("",)
        if rule.arguments - kinds.keys() or set(kinds.values()) - {*values, "submission", "picture"}:
            return
        for submission in submissions[:1] if len(pictures) > 1 else submissions:
            for picture in pictures:
                known = values | {"submission": submission, "picture": picture}
                yield {name: known[kind] for name, kind in kinds.items()}


def _path(app: Flask, rule: Rule, names: Mapping[str, Any]) -> str:
    with app.test_request_context():
        return str(app.url_for(rule.endpoint, **names))


def _members(content: bytes) -> Iterator[bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for name in sorted(archive.namelist()):
            yield name.encode() + b" " + archive.read(name)


def _changed(content: Any, kept: set[str], factor: float = 1.01) -> Any:
    """The same JSON with every number that is no count changed a little, but for what is under these names."""
    if isinstance(content, dict):
        return {name: one if name in kept else _changed(one, kept, factor) for name, one in content.items()}
    if isinstance(content, list):
        return [_changed(one, kept, factor) for one in content]
    return content * factor if isinstance(content, float) else content
