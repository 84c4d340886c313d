"""Migration 0008: what waited or was at work in an older release goes on, and nothing is evaluated twice."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from submissions.evaluation import queue
from submissions.storage.database import Database
from submissions.storage.migrations import migrate
from submissions.storage.records import EvaluationRecord, FailureRecord, Purpose, RunRecord, ShareRecord

pytestmark = pytest.mark.both_databases

NOW = datetime(2026, 3, 1, tzinfo=UTC)
_PHASE = {"competition_id": 1, "slug": "p", "title": "P", "opens_at": NOW, "wall_s": 1.0, "memory_bytes": 1}
_PHASE |= {"scratch_bytes": 1, "log_bytes": 1, "processes": 1, "daily_quota": 1, "shows_logs": True, "hidden": False}
_SUBMISSION = {"phase_id": 1, "user_id": 1, "name": "m", "filename": "m.py", "bundle_sha256": "0", "attempt": 1}
_SUBMISSION |= {"priority": 0, "created_at": NOW, "is_hidden": False, "is_disqualified": False, "spends_quota": True}


def insert(session: Session, table: str, **row: object) -> None:
    names = ", ".join(row)
    session.execute(text(f"INSERT INTO {table} ({names}) VALUES (:{names.replace(', ', ', :')})"), row)


def submission(session: Session, number: int, state: str, entrant: str, *, is_baseline: bool = False) -> None:
    insert(session, "submissions", id=number, state=state, entrant=entrant, is_baseline=is_baseline, **_SUBMISSION)


def evaluation(session: Session, number: int, of: int, purpose: str, state: str, runs: str) -> None:
    """An evaluation with a run for each letter: (p)ending, (c)laimed, (d)one, dropped (x)."""
    place = {"submission_id": of, "zoo_id": 1, "attempt": 1, "position": 0}
    insert(session, "evaluations", id=number, networks=len(runs), purpose=purpose, state=state, **place)
    states = {"p": "pending", "c": "claimed", "d": "done", "x": "dropped"}
    for position, letter in enumerate(runs):
        lease = {"lease_owner": "w", "lease_until": NOW} if letter == "c" else {}
        run = {"network_id": f"n{position}", "position": position, "state": states[letter], "tries": 1}
        insert(session, "runs", evaluation_id=number, **run, **lease)
        if letter == "d":
            value = {"network_id": f"n{position}", "value": 0.5, "wall_s": 0.1, "recorded_at": NOW}
            insert(session, "measure_values", evaluation_id=number, **value)


@pytest.fixture
def old(empty_db: Database) -> Database:
    """The database of an older release, with work in every stage."""
    migrate(empty_db, "0007")
    with empty_db.write() as session:
        insert(session, "users", name="ada", name_key="ada", role="participant", created_at=NOW, wants_mail=True)
        zoo = {
            "name": "z",
            "title": "Z",
            "manifest_sha256": "0",
            "networks": 4,
            "truth_public": True,
        }
        lists = dict.fromkeys(("targets", "offers"), "[]") | {"weight_bytes": "{}"}
        insert(session, "zoos", **zoo, **lists, version=1, bytes=0, state="ready", source="", created_at=NOW)
        insert(session, "competitions", slug="c", title="C", text="", created_at=NOW)
        insert(session, "phases", **_PHASE)
        submission(session, 1, "running", "u1")  # in its smoke run
        evaluation(session, 1, 1, "smoke", "running", "cp")
        evaluation(session, 2, 1, "score", "queued", "pppp")
        submission(session, 2, "running", "u2")  # half way
        evaluation(session, 3, 2, "score", "running", "dcpp")
        submission(session, 3, "scored", "u2")  # with repeats
        evaluation(session, 4, 3, "score", "scored", "dddd")
        evaluation(session, 5, 3, "repeat", "queued", "p")
        submission(session, 4, "failed", "u1")
        evaluation(session, 6, 4, "score", "failed", "dxxx")
        failed = session.scalar(text("SELECT id FROM runs WHERE evaluation_id = 6 AND position = 0"))
        insert(session, "failures", run_id=failed, reason="raised", detail="ValueError", recorded_at=NOW)
        submission(session, 5, "queued", "b1", is_baseline=True)
        evaluation(session, 7, 5, "score", "queued", "pppp")
    migrate(empty_db)
    return empty_db


def test_counts_and_shares_are_those_of_what_waits(old: Database) -> None:
    with old.read() as session:
        waiting = select(EvaluationRecord.id, EvaluationRecord.waiting, EvaluationRecord.next_position)
        found = {number: (count, position) for number, count, position in session.execute(waiting)}
        assert found == {1: (1, 2), 2: (0, 4), 3: (2, 4), 4: (0, 4), 5: (1, 1), 6: (0, 4), 7: (4, 4)}
        shares = session.execute(select(ShareRecord.entrant, ShareRecord.tier, ShareRecord.waiting))
        assert sorted(map(tuple, shares)) == [("b1", 2, 4), ("u1", 0, 1), ("u2", 0, 2), ("u2", 1, 1)]
        states = session.execute(select(RunRecord.evaluation_id, RunRecord.state).order_by(RunRecord.id)).all()
        assert [state for number, state in states if number == 6] == ["failed"]
        assert {number for number, _ in states} == {1, 2, 3, 5, 6, 7}
        assert session.scalars(select(FailureRecord.detail)).all() == ["ValueError"]
    assert queue.pending(old) == 8


def test_what_waited_is_claimed_each_network_once_and_in_order(old: Database) -> None:
    claims = []
    while (claim := queue.claim(old, "w2", batch=9, lease_s=60.0)) is not None:
        claims.append((claim.submission_id, claim.purpose, [run.network_id for run in claim.runs]))
    assert claims == [
        (1, Purpose.SMOKE, ["n1"]),
        (2, Purpose.SCORE, ["n2", "n3"]),
        (3, Purpose.REPEAT, ["n0"]),
        (5, Purpose.SCORE, ["n0", "n1", "n2", "n3"]),
    ]
    queue.sweep(old, NOW + timedelta(seconds=1))
    assert queue.pending(old, NOW + timedelta(seconds=1)) == 2  # those that were claimed before
    again = [queue.claim(old, "w2", batch=9, lease_s=60.0) for _ in range(2)]
    assert sorted((claim.submission_id, claim.runs[0].network_id) for claim in again if claim) == [(1, "n0"), (2, "n1")]
