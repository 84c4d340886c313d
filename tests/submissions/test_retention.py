"""What is deleted after a while, and what never is: a pass of the sweep, in bounded steps, on both databases."""

import os
import tempfile
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select

from submissions import retention
from submissions.intake.bundle_store import BundleStore, StoreError
from submissions.people import sessions
from submissions.retention import Retention, remove_left_files
from submissions.settings import Settings
from submissions.storage.records import (
    EvaluationRecord,
    FailureRecord,
    JobKind,
    JobState,
    NotificationRecord,
    Record,
    RunRecord,
    SessionRecord,
    SubmissionRecord,
    ValueRecord,
    ZooJobRecord,
    utc_now,
)
from submissions.storage.states import Reason, State
from tests.records import Records

pytestmark = pytest.mark.both_databases

DAY = timedelta(days=1)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", cache=tmp_path / "cache")


def _count(records: Records, table: type[Record]) -> int:
    with records.db.read() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def _pass(records: Records, settings: Settings, now: datetime | None = None) -> int:
    """Do a whole pass; return its number of steps."""
    sweep = Retention(records.db, settings)
    sweep.step(now)
    steps = 1
    while not sweep.is_idle:
        sweep.step(now)
        steps += 1
    return steps


def _notify(records: Records, ages: list[int]) -> None:
    rows = [{"user_id": records.ann, "text": "x", "at": utc_now() - age * DAY} for age in ages]
    with records.db.write() as session:
        session.execute(insert(NotificationRecord), rows)


def _replaced(records: Records) -> int:
    """A submission with an attempt that failed and one that is scored; its id."""
    made = records.submission(records.phase(), records.ann, reason=Reason.RAISED)
    with records.db.write() as session:
        submission = session.get_one(SubmissionRecord, made)
        submission.attempt, submission.state, submission.finished_at = 2, State.SCORED, utc_now()
        old = session.scalars(select(EvaluationRecord).where(EvaluationRecord.submission_id == made)).all()
        for one in old:
            new = EvaluationRecord(
                zoo_id=one.zoo_id, attempt=2, position=one.position, networks=1, submission=submission
            )
            session.add(new)
            session.flush()
            for evaluation in (one, new):
                run = RunRecord(evaluation_id=evaluation.id, network_id="n", position=99, state="failed")
                session.add_all([run, ValueRecord(evaluation_id=evaluation.id, network_id="n", value=1.0, wall_s=1.0)])
                session.flush()
                session.add(FailureRecord(run_id=run.id, reason=Reason.RAISED, detail="ValueError"))
    return made


@pytest.mark.parametrize(("days", "left"), [(365, 2), (30, 1), (0, 3)])
def test_notifications_are_kept_as_long_as_the_setting_says(
    records: Records, settings: Settings, days: int, left: int
) -> None:
    _notify(records, [400, 100, 1])
    _pass(records, settings.model_copy(update={"keep_notifications_days": days}))
    assert _count(records, NotificationRecord) == left


def test_a_long_list_is_deleted_in_bounded_steps(
    records: Records, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "CHUNK", 10)
    _notify(records, [400] * 95 + [1] * 5)
    sweep = Retention(records.db, settings)
    sweep.step()
    assert _count(records, NotificationRecord) == 90
    while not sweep.is_idle:
        sweep.step()
    assert _count(records, NotificationRecord) == 5


def test_a_pass_begins_once_an_hour(records: Records, settings: Settings) -> None:
    sweep = Retention(records.db, settings)
    sweep.step()
    while not sweep.is_idle:
        sweep.step()
    _notify(records, [400])
    sweep.step()
    assert _count(records, NotificationRecord) == 1


def test_of_replaced_attempts_runs_and_failures_go_and_values_only_if_that_is_set(
    records: Records, settings: Settings
) -> None:
    _replaced(records)
    runs, values = _count(records, RunRecord), _count(records, ValueRecord)
    assert _count(records, FailureRecord) > 0
    _pass(records, settings, utc_now() + 89 * DAY)
    assert (_count(records, RunRecord), _count(records, ValueRecord)) == (runs, values)
    _pass(records, settings, utc_now() + 91 * DAY)
    with records.db.read() as session:
        attempts = session.scalars(
            select(EvaluationRecord.attempt).join(RunRecord, RunRecord.evaluation_id == EvaluationRecord.id)
        ).all()
    assert set(attempts) == {2}
    assert _count(records, FailureRecord) == _count(records, RunRecord) == runs / 2
    assert _count(records, ValueRecord) == values
    _pass(records, settings.model_copy(update={"keep_old_values_days": 365}), utc_now() + 366 * DAY)
    assert 0 < _count(records, ValueRecord) < values


def test_nothing_of_a_current_attempt_or_of_one_still_running_is_deleted(records: Records, settings: Settings) -> None:
    records.submission(records.phase("other"), records.bob, done=2)
    made = _replaced(records)
    with records.db.write() as session:
        session.get_one(SubmissionRecord, made).state = State.RUNNING
    before = [_count(records, table) for table in (RunRecord, FailureRecord, ValueRecord, EvaluationRecord)]
    eager = settings.model_copy(update={"keep_old_values_days": 1, "keep_old_runs_days": 1})
    _pass(records, eager, utc_now() + 1000 * DAY)
    assert [_count(records, table) for table in (RunRecord, FailureRecord, ValueRecord, EvaluationRecord)] == before


def test_sessions_that_are_over_and_old_jobs_are_deleted(records: Records, settings: Settings) -> None:
    sessions.begin(records.db, records.ann, "old", utc_now() - sessions.IDLE - DAY)
    sessions.begin(records.db, records.bob, "new")
    ages = ((JobState.DONE, 100), (JobState.FAILED, 100), (JobState.DONE, 10), (JobState.RUNNING, 100))
    with records.db.write() as session:
        for state, age in ages:
            ended = utc_now() - age * DAY if state.is_final else None
            session.add(ZooJobRecord(kind=JobKind.RECHECK, arguments={}, state=state, finished_at=ended))
    _pass(records, settings)
    assert _count(records, SessionRecord) == 1
    with records.db.read() as session:
        assert session.scalars(select(ZooJobRecord.state).order_by(ZooJobRecord.id)).all() == ["done", "running"]


def test_uploads_that_no_submission_uses_are_removed_when_they_are_old(records: Records, settings: Settings) -> None:
    store = BundleStore(settings.store_folder)
    used, unused, recent, again = (store.put(content) for content in (b"used", b"unused", b"recent", b"again"))
    made = records.submission(records.phase(), records.ann)
    with records.db.write() as session:
        session.get_one(SubmissionRecord, made).bundle_sha256 = used
    for digest in (used, unused, again):
        os.utime(settings.store_folder / digest[:2] / digest, (1, 1))
    assert store.put(b"again") == again  # by somebody who is about to submit it
    assert _pass(records, settings) == 256
    assert [store.get(digest) for digest in (used, recent, again)] == [b"used", b"recent", b"again"]
    with pytest.raises(StoreError):
        store.get(unused)


def test_an_upload_that_is_stored_once_more_while_it_is_removed_stays(settings: Settings) -> None:
    store = BundleStore(settings.store_folder)
    digest = store.put(b"content")
    os.utime(settings.store_folder / digest[:2] / digest, (1, 1))

    def used(_digests: object) -> set[str]:
        store.put(b"content")
        return set()

    store.remove_unused(int(digest[:2], 16), used, utc_now() - DAY)
    assert store.get(digest) == b"content"


LEFT: dict[str, Callable[[Path], None]] = {
    "home/.part-1": Path.touch,
    "home/.publish-1": Path.mkdir,
    "home/broker/messages/.part-1": Path.touch,
    "home/broker/messages/.taken-1": Path.touch,
    "home/store/ab/.part-1": Path.touch,
    "home/store/ab/.tmp1": Path.touch,
    "home/store/zoos/objects/ab/.unfinished-1": Path.touch,
    "home/kits/demo/.making-1": Path.mkdir,
    "home/zoo_jobs/77": Path.mkdir,
    "temporary/gengap-layers-1": Path.mkdir,
}
KEPT = ("home/secret_key", "home/store/ab/abcd", "home/broker/messages/1.gengap.msg", "home/store/zoos/objects/ab/abcd")


def test_what_killed_processes_have_left_is_removed_after_a_day_and_nothing_else(
    records: Records, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    with records.db.write() as session:
        running = ZooJobRecord(kind=JobKind.RECHECK, arguments={}, state=JobState.RUNNING)
        session.add(running)
    kept = dict.fromkeys(KEPT, Path.touch) | {f"home/zoo_jobs/{running.id}": Path.mkdir}
    for name, make in (LEFT | kept).items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        make(path)
    assert remove_left_files(records.db, settings) == 0
    for name in LEFT | kept:
        os.utime(tmp_path / name, (1, 1))
    assert remove_left_files(records.db, settings) == len(LEFT)
    assert all((tmp_path / name).exists() for name in kept)
