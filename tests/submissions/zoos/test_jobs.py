"""The queue of long work on zoos: each job once, leases, late reports, three tries."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from model_zoo.store import ZooStore
from submissions.storage.database import Database
from submissions.storage.records import JobKind, JobState, ZooJobRecord, ZooRecord, ZooState, utc_now
from submissions.zoos import jobs
from submissions.zoos.jobs import Job, enqueue
from submissions.zoos.registry import add_zoo

pytestmark = pytest.mark.both_databases

LEASE_S = 60.0


def folder_job(db: Database, name: str = "a") -> int:
    return enqueue(db, JobKind.FOLDER, {"folder": f"/zoos/{name}"}, None)


def claimed(db: Database, owner: str = "w") -> Job:
    job = jobs.claim(db, owner, LEASE_S)
    assert job is not None
    return job


def record(db: Database, job_id: int) -> ZooJobRecord:
    with db.read() as session:
        found = jobs.find_job(session, job_id)
    assert found is not None
    return found


def test_jobs_are_claimed_once_each_the_oldest_first(any_db: Database) -> None:
    job_ids = [folder_job(any_db, name) for name in "abc"]
    assert jobs.waiting(any_db) == 3
    first = claimed(any_db)
    assert (first.id, first.kind, first.arguments, first.tries) == (
        job_ids[0],
        JobKind.FOLDER,
        {"folder": "/zoos/a"},
        1,
    )
    assert [claimed(any_db, "v").id, claimed(any_db).id] == job_ids[1:]
    assert jobs.claim(any_db, "w", LEASE_S) is None
    assert jobs.owners(any_db) == {"v", "w"}


def test_workers_that_claim_at_once_get_different_jobs(any_db: Database) -> None:
    job_ids = {folder_job(any_db, str(index)) for index in range(8)}
    with ThreadPoolExecutor(4) as executor:
        got = list(executor.map(lambda index: jobs.claim(any_db, f"w{index}", LEASE_S), range(12)))
    taken = Counter(job.id for job in got if job is not None)
    while (job := jobs.claim(any_db, "last", LEASE_S)) is not None:
        taken[job.id] += 1
    assert taken == Counter(job_ids)


def test_progress_and_the_end_are_on_record(any_db: Database) -> None:
    job_id = folder_job(any_db)
    job = claimed(any_db)
    assert jobs.progress(any_db, job.id, "w", 3 * 2**32, 5 * 2**32, "training: 3 of 5")
    now = record(any_db, job_id)
    assert (now.state, now.done, now.total, now.text) == (JobState.RUNNING, 3 * 2**32, 5 * 2**32, "training: 3 of 5")
    assert jobs.finish(any_db, job.id, "w", None)
    ended = record(any_db, job_id)
    assert (ended.state, ended.message, ended.lease_owner) == (JobState.DONE, None, None)
    assert ended.finished_at is not None
    assert not jobs.fail(any_db, job.id, "w", "too late")
    assert record(any_db, job_id).state is JobState.DONE


def test_a_failed_job_says_why(any_db: Database) -> None:
    job_id = folder_job(any_db)
    assert jobs.fail(any_db, claimed(any_db).id, "w", "There is no such folder. " + "x" * 5000)
    failed = record(any_db, job_id)
    assert failed.state is JobState.FAILED
    assert (failed.message or "").startswith("There is no such folder.")
    assert len(failed.message or "") == 2000


def test_reports_of_a_worker_that_lost_the_job_change_nothing(any_db: Database) -> None:
    job_id = folder_job(any_db)
    claimed(any_db, "late")
    assert jobs.sweep(any_db, utc_now() + timedelta(seconds=LEASE_S + 1)) == 1
    assert claimed(any_db, "new").tries == 2
    before = record(any_db, job_id)
    assert not jobs.heartbeat(any_db, job_id, "late", LEASE_S)
    assert not jobs.progress(any_db, job_id, "late", 1, 1, "late")
    assert not jobs.finish(any_db, job_id, "late", None)
    assert not jobs.fail(any_db, job_id, "late", "late")
    assert not jobs.release(any_db, job_id, "late")
    after = record(any_db, job_id)
    assert (after.state, after.text, after.lease_until) == (before.state, before.text, before.lease_until)


def test_a_heartbeat_keeps_the_job(any_db: Database) -> None:
    job_id = folder_job(any_db)
    claimed(any_db)
    later = utc_now() + timedelta(seconds=LEASE_S - 1)
    assert jobs.heartbeat(any_db, job_id, "w", LEASE_S, later)
    assert jobs.sweep(any_db, later + timedelta(seconds=2)) == 0
    assert record(any_db, job_id).state is JobState.RUNNING


@pytest.mark.parametrize("dead", [False, True])
def test_a_job_whose_worker_ends_is_tried_three_times(any_db: Database, dead: bool) -> None:
    job_id = folder_job(any_db)
    for tries in (1, 2, 3):
        assert claimed(any_db, f"w{tries}").tries == tries
        if dead:
            assert jobs.return_jobs_of(any_db, [f"w{tries}", "stranger"]) == 1
        else:
            jobs.sweep(any_db, utc_now() + timedelta(seconds=LEASE_S + 1))
    lost = record(any_db, job_id)
    assert (lost.state, lost.lease_owner) == (JobState.FAILED, None)
    assert "(3 tries)" in (lost.message or "")
    assert lost.finished_at is not None
    assert jobs.waiting(any_db) == 0


@pytest.mark.parametrize("was_ready", [False, True])
def test_a_zoo_whose_check_was_lost_three_times_is_left_as_failed_unless_it_was_ready(
    any_db: Database, zoos: ZooStore, tiny_zoo: Path, was_ready: bool
) -> None:
    state = ZooState.READY if was_ready else ZooState.CHECKING
    zoo_id = add_zoo(any_db, zoos, tiny_zoo, source="folder", user_id=None, state=state)
    job_id = enqueue(any_db, JobKind.RECHECK, {}, None, zoo_id=zoo_id)
    for _ in range(3):
        assert claimed(any_db).zoo_id == zoo_id
        jobs.return_jobs_of(any_db, ["w"])
    assert record(any_db, job_id).state is JobState.FAILED
    with any_db.read() as session:
        assert session.get_one(ZooRecord, zoo_id).state is (ZooState.READY if was_ready else ZooState.FAILED)


def test_a_worker_that_stops_in_good_order_costs_no_try(any_db: Database) -> None:
    job_id = folder_job(any_db)
    for _ in range(5):
        assert claimed(any_db).tries == 1
        assert jobs.release(any_db, job_id, "w")
    assert record(any_db, job_id).state is JobState.QUEUED


def test_open_jobs_are_listed_before_those_that_ended(any_db: Database) -> None:
    job_ids = [folder_job(any_db, name) for name in "abc"]
    jobs.fail(any_db, claimed(any_db).id, "w", "no")
    claimed(any_db)
    jobs.fail(any_db, claimed(any_db).id, "w", "no")
    with any_db.read() as session:
        assert [job.id for job in jobs.recent_jobs(session)] == [job_ids[1], job_ids[2], job_ids[0]]
        assert [job.id for job in jobs.recent_jobs(session, limit=1)] == [job_ids[1]]
