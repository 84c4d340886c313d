"""What must hold of the database when the queue is empty, whatever happened before. Each check returns violations."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import inspect, text

from submissions.storage.database import Database
from submissions.storage.states import Reason, State
from tests.chaos.traffic import Sent

TOLERANCE = 0.05  # of a value: torch adds float32; the values of two submissions differ by 1 at least
ENDED = (State.SCORED, State.FAILED, State.BROKEN)

_SUBMISSIONS = """
    SELECT s.id, s.name, u.name AS person, s.state, s.reason, s.detail, s.score, s.spends_quota
    FROM submissions s JOIN users u ON u.id = s.user_id ORDER BY s.id
"""
_EVALUATIONS = """
    SELECT e.id, e.submission_id, e.purpose, e.state, e.networks, count(v.network_id) AS measured,
           count(DISTINCT v.network_id) AS networks_measured
    FROM evaluations e JOIN submissions s ON s.id = e.submission_id AND s.attempt = e.attempt
    LEFT JOIN measure_values v ON v.evaluation_id = e.id
    GROUP BY e.id, e.submission_id, e.purpose, e.state, e.networks ORDER BY e.id
"""
_VALUES = """
    SELECT e.submission_id, v.network_id, v.value FROM measure_values v JOIN evaluations e ON e.id = v.evaluation_id
"""
_NOTICES = """
    SELECT s.id, count(n.id) AS notices FROM submissions s LEFT JOIN notifications n ON n.submission_id = s.id
    WHERE s.state IN ('scored', 'failed', 'broken') GROUP BY s.id
"""


@dataclass(frozen=True)
class Violation:
    """A promise that did not hold, of one submission or (None) of the installation."""

    promise: str
    text: str
    submission_id: int | None = None


def violations(
    db: Database,
    sent: Sequence[Sent],
    norms: Mapping[str, float],
    excuses: Sequence[frozenset[int]] = (),
    quotas: Mapping[str, Mapping[str, int]] | None = None,
) -> list[Violation]:
    """Everything that is wrong with the submissions that were accepted.

    norms: squared norm of each network. excuses: as `Site.excuses`. quotas: what the API answers each participant.
    """
    submissions = _rows(db, _SUBMISSIONS)
    return [
        *_once(submissions, sent),
        *_ends(submissions, sent, excused_crashes(db, sent, excuses)),
        *_complete(_rows(db, _EVALUATIONS), {row["id"] for row in submissions if row["state"] == State.SCORED}),
        *_right_values(_rows(db, _VALUES), sent, norms),
        *_same_scores(submissions),
        *_spent(submissions, sent),
        *_told_quotas(submissions, quotas or {}),
        *_leases(db),
        *_notices(_rows(db, _NOTICES)),
    ]


def excused(failed: Sequence[int], excuses: Sequence[frozenset[int]]) -> set[int]:
    """Which of these the killed measures explain, each of them one at most."""
    left = list(failed)
    for candidates in excuses:
        match = next((one for one in left if one in candidates), None)
        if match is not None:
            left.remove(match)
    return set(failed) - set(left)


def _rows(db: Database, query: str) -> list[dict[str, Any]]:
    with db.read() as session:
        return [dict(row) for row in session.execute(text(query)).mappings()]


def _once(submissions: Sequence[Mapping[str, Any]], sent: Sequence[Sent]) -> Iterator[Violation]:
    there = {row["id"] for row in submissions}
    for one in sent:
        if one.id not in there:
            yield Violation("accepted means stored", f"{one.name} was accepted as {one.id} and is not there", one.id)
    names = Counter(row["name"] for row in submissions)
    for row in submissions:
        if names[row["name"]] > 1:
            said = f"{row['name']} was sent once, and again with its key; it is there {names[row['name']]} times"
            yield Violation("one submission for one request", said, row["id"])


def excused_crashes(db: Database, sent: Sequence[Sent], excuses: Sequence[frozenset[int]]) -> set[int]:
    """The submissions that ended as crashed although their measure never crashes, as far as killed measures explain."""
    expected = {one.name: one.measure.fails for one in sent}
    crashed = (row for row in _rows(db, _SUBMISSIONS) if row["reason"] == Reason.CRASHED)
    return excused([row["id"] for row in crashed if expected.get(row["name"]) is not Reason.CRASHED], excuses)


def _ends(submissions: Sequence[Mapping[str, Any]], sent: Sequence[Sent], are_excused: set[int]) -> Iterator[Violation]:
    expected = {one.name: one.measure for one in sent}
    for row in submissions:
        if row["name"] not in expected or row["id"] in are_excused:
            continue
        fails = expected[row["name"]].fails
        is_right = (row["state"], row["reason"]) == ((State.FAILED, fails) if fails else (State.SCORED, None))
        told = f"{row['name']} is {row['state']}, {row['reason'] or 'no reason'}: {row['detail'] or 'no detail'}"
        if row["state"] == State.BROKEN:
            yield Violation("none broken", told, row["id"])
        elif row["state"] not in ENDED:
            yield Violation("everything judged", told, row["id"])
        elif not is_right:
            yield Violation("rightly judged", told, row["id"])


def _complete(evaluations: Sequence[Mapping[str, Any]], scored: set[int]) -> Iterator[Violation]:
    for row in evaluations:
        told = f"{row['purpose']}: {row['measured']} values on {row['networks_measured']} of {row['networks']} networks"
        is_whole = row["networks_measured"] == row["networks"] and row["state"] == State.SCORED
        if row["submission_id"] in scored and not is_whole:
            yield Violation("scored by all values", told, row["submission_id"])
        if row["measured"] != row["networks_measured"]:
            yield Violation("each value once", told, row["submission_id"])


def _right_values(
    values: Sequence[Mapping[str, Any]], sent: Sequence[Sent], norms: Mapping[str, float]
) -> Iterator[Violation]:
    numbers = {one.id: one.number for one in sent}
    for row in values:
        if row["submission_id"] in numbers:
            expected = norms[row["network_id"]] + numbers[row["submission_id"]]
            if abs(row["value"] - expected) > TOLERANCE:
                told = f"{row['value']} in place of {expected} on {row['network_id']}"
                yield Violation("each value its own", told, row["submission_id"])


def _same_scores(submissions: Sequence[Mapping[str, Any]]) -> Iterator[Violation]:
    """All of the healthy measures order the networks alike."""
    scores = Counter(row["score"] for row in submissions if row["state"] == State.SCORED)
    for row in submissions:
        if row["state"] == State.SCORED and row["score"] != scores.most_common(1)[0][0]:
            yield Violation("equal measures, equal scores", f"{row['name']} has {row['score']}", row["id"])


def _spent(submissions: Sequence[Mapping[str, Any]], sent: Sequence[Sent]) -> Iterator[Violation]:
    """Whoever passes the smoke run spends; a measure that was killed in it may have ended before."""
    spends = {one.name: one.measure.spends_quota for one in sent}
    for row in submissions:
        must, may = row["state"] == State.SCORED, spends.get(row["name"], True)
        if (must and not row["spends_quota"]) or (row["spends_quota"] and not may):
            told = f"{row['name']}, {row['state']}, {'spends' if row['spends_quota'] else 'does not spend'} quota"
            yield Violation("quotas right", told, row["id"])


def _told_quotas(
    submissions: Sequence[Mapping[str, Any]], quotas: Mapping[str, Mapping[str, int]]
) -> Iterator[Violation]:
    for person, told in quotas.items():
        own = [row for row in submissions if row["person"] == person]
        spent = sum(bool(row["spends_quota"]) and row["state"] != State.BROKEN for row in own)
        held = sum(row["state"] not in ENDED and not row["spends_quota"] for row in own)
        if (told["spent"], told["held"]) != (spent, held):
            yield Violation("quotas right", f"{person} has {spent} spent and {held} held, and is told {dict(told)}")


def _leases(db: Database) -> Iterator[Violation]:
    """In whichever table has leases: nobody holds one."""
    schema = inspect(db.engine)
    for table in schema.get_table_names():
        for column in schema.get_columns(table):
            if column["name"] in ("lease_owner", "lease_until"):
                count = _rows(db, f"SELECT count(*) AS held FROM {table} WHERE {column['name']} IS NOT NULL")[0]["held"]
                if count:
                    yield Violation("no lease left", f"{count} rows of {table} have a {column['name']}")


def _notices(rows: Sequence[Mapping[str, Any]]) -> Iterator[Violation]:
    for row in rows:
        if row["notices"] != 1:
            yield Violation("one notice of each end", f"{row['notices']} notices", row["id"])
