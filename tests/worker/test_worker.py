"""Real worker processes on the queue: both brokers, killed in mid-evaluation, stopped, cancelled."""

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from model_zoo import open_zoo
from server.demo.processes import Child, environment_with, running
from submissions import lifecycle, queue
from submissions.database import Database
from submissions.migrations import migrate
from submissions.settings import Settings
from submissions.states import Reason, State
from submissions.store import BundleStore
from tests.factories import SQUARED_NORM, Competition, make_competition
from tests.services import wait_until
from worker.hints import send_hint

SLOW = b"""
import time


def complexity(model, dataset):
    time.sleep(0.3)
    return sum(float(p.detach().square().sum()) for p in model.parameters())
"""
SLEEPS = b"import time\n\n\ndef complexity(model, dataset):\n    time.sleep(1000)\n"


@contextmanager
def worker(settings: Settings) -> Iterator[Child]:
    """A worker process, ended in good order with the block."""
    child = Child("worker", ("worker",), environment_with(settings.model_dump()), settings.home / "worker.log")
    with running([child]):
        yield child


@contextmanager
def prepared(settings: Settings, *zoos: Path, **phase: object) -> Iterator[Competition]:
    settings.make_home()
    db = Database(settings.effective_database_url)
    migrate(db)
    try:
        yield make_competition(db, BundleStore(settings.store_folder), zoos, **phase)
    finally:
        db.close()


def has_ended(competition: Competition, submission_id: int) -> Callable[[], bool]:
    return lambda: competition.submission(submission_id).state.is_final


@pytest.mark.parametrize("broker", ["filesystem", "redis"])
def test_a_submission_is_scored_by_a_worker(
    settings: Settings, broker: str, request: pytest.FixtureRequest, tiny_zoo: Path, other_zoo: Path
) -> None:
    # A sweep would find the work in time: it is put off, so that only a hint can have brought the news.
    url = "filesystem://" if broker == "filesystem" else request.getfixturevalue("redis_url")
    settings = Settings(**(settings.model_dump() | {"broker_url": url, "sweep_s": 3600.0}))
    with prepared(settings, tiny_zoo, other_zoo) as competition, worker(settings):
        first = competition.submit(competition.user())
        send_hint(settings)
        wait_until(has_ended(competition, first), "the first submission")
        second = competition.submit(competition.user("bob"), "def complexity(model, dataset):\n    return None\n")
        send_hint(settings)
        wait_until(has_ended(competition, second), "the second submission")
        scored, failed = competition.submission(first), competition.submission(second)
        assert (scored.state, scored.reason) == (State.SCORED, None)
        assert [e.kendall_tau for e in competition.evaluations(first)] == [1.0, 1.0]  # the truth follows the norm
        assert all((e.layers or {})["no_network"] for e in competition.evaluations(first))
        assert (failed.state, failed.reason) == (State.FAILED, Reason.NOT_A_NUMBER)


def test_work_whose_hint_was_lost_is_found_by_a_sweep(settings: Settings, tiny_zoo: Path) -> None:
    with prepared(settings, tiny_zoo) as competition:
        submission_id = competition.submit(competition.user())
        with worker(settings):
            wait_until(has_ended(competition, submission_id), "the submission")
        assert competition.submission(submission_id).state is State.SCORED


def test_a_worker_killed_in_mid_evaluation_loses_no_value(settings: Settings, tiny_zoo: Path, other_zoo: Path) -> None:
    with prepared(settings, tiny_zoo, other_zoo) as competition:
        submission_id = competition.submit(competition.user(), SLOW)
        with worker(settings) as killed:
            wait_until(lambda: len(competition.values_recorded(submission_id)) >= 3, "three values")
            assert killed.process is not None
            below = psutil.Process(killed.process.pid).children(recursive=True)
            killed.process.send_signal(signal.SIGKILL)
            killed.process.wait()
            wait_until(lambda: not any(child.is_running() for child in below), "the end of its sandboxes")
        recorded = len(competition.values_recorded(submission_id))
        assert recorded < 20
        assert competition.submission(submission_id).state is State.RUNNING
        with worker(settings):
            wait_until(has_ended(competition, submission_id), "the submission")
        assert competition.submission(submission_id).state is State.SCORED
        network_ids = {len(zoo.networks): [n.id for n in zoo.networks] for zoo in map(open_zoo, (tiny_zoo, other_zoo))}
        expected = {
            (evaluation.id, network): 1
            for evaluation in competition.evaluations(submission_id)
            for network in network_ids[evaluation.networks]
        }
        assert competition.values_recorded(submission_id) == Counter(expected)


def test_two_workers_share_one_submission(settings: Settings, tiny_zoo: Path, other_zoo: Path) -> None:
    with prepared(settings, tiny_zoo, other_zoo) as competition:
        submission_id = competition.submit(competition.user(), SLOW)
        with worker(settings), worker(settings):
            wait_until(has_ended(competition, submission_id), "the submission")
        assert competition.submission(submission_id).state is State.SCORED
        assert set(competition.values_recorded(submission_id).values()) == {1}
        assert len(competition.values_recorded(submission_id)) == 20


def test_a_worker_that_is_stopped_gives_its_runs_back(settings: Settings, tiny_zoo: Path) -> None:
    with prepared(settings, tiny_zoo, wall_s=1000.0) as competition:
        competition.submit(competition.user(), SLEEPS)
        with worker(settings) as stopped:
            wait_until(lambda: len(queue.owners(competition.db)) == 2, "two slots at work")
            assert stopped.process is not None
            below = psutil.Process(stopped.process.pid).children(recursive=True)
        log = stopped.log.read_text()
        assert stopped.process.returncode == 0, log
        assert queue.owners(competition.db) == set()
        assert queue.pending(competition.db) == 8
        wait_until(lambda: not any(child.is_running() for child in below), "the end of its sandboxes")


def test_a_cancelled_submission_frees_its_worker(settings: Settings, tiny_zoo: Path) -> None:
    with prepared(settings, tiny_zoo, wall_s=1000.0) as competition, worker(settings):
        endless = competition.submit(competition.user(), SLEEPS)
        wait_until(lambda: len(queue.owners(competition.db)) == 2, "two slots at work")
        assert lifecycle.cancel(competition.db, endless)
        normal = competition.submit(competition.user("bob"), SQUARED_NORM)
        wait_until(has_ended(competition, normal), "the next submission")
        assert competition.submission(normal).state is State.SCORED
        assert competition.submission(endless).state is State.CANCELLED


def test_limits_of_the_phase_reach_the_sandbox(settings: Settings, tiny_zoo: Path) -> None:
    with prepared(settings, tiny_zoo, wall_s=0.5, shows_logs=True) as competition, worker(settings):
        submission_id = competition.submit(competition.user(), SLEEPS)
        wait_until(has_ended(competition, submission_id), "the submission")
        submission = competition.submission(submission_id)
        assert (submission.state, submission.reason) == (State.FAILED, Reason.TIME_LIMIT)
        assert submission.detail == "longer than 0.5 s"


@pytest.mark.parametrize(("shows_logs", "expected"), [(True, True), (False, False)])
def test_messages_and_output_are_shown_only_where_the_phase_says_so(
    settings: Settings, tiny_zoo: Path, shows_logs: bool, expected: bool
) -> None:
    source = "def complexity(model, dataset):\n    print('printed')\n    raise ValueError('told')\n"
    with prepared(settings, tiny_zoo, shows_logs=shows_logs) as competition, worker(settings):
        submission_id = competition.submit(competition.user(), source)
        wait_until(has_ended(competition, submission_id), "the submission")
        detail = competition.submission(submission_id).detail
        assert detail is not None
        assert detail.startswith("ValueError at complexity.py line 3")
        assert ("told" in detail) is expected
        assert ("printed" in detail) is expected


def test_a_zoo_that_vanished_is_our_fault(settings: Settings, tiny_zoo: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    moved.symlink_to(tiny_zoo)
    with prepared(settings, moved) as competition:
        submission_id = competition.submit(competition.user())
        moved.unlink()
        with worker(settings):
            wait_until(has_ended(competition, submission_id), "the submission")
        submission = competition.submission(submission_id)
        assert (submission.state, submission.reason) == (State.BROKEN, None)
        assert submission.detail is not None
        assert "zoo.json" in submission.detail


def test_the_owner_of_a_lease_names_its_process(settings: Settings, tiny_zoo: Path) -> None:
    with prepared(settings, tiny_zoo, wall_s=1000.0) as competition, worker(settings) as child:
        competition.submit(competition.user(), SLEEPS)
        wait_until(lambda: bool(queue.owners(competition.db)), "a slot at work")
        assert child.process is not None
        host = os.uname().nodename
        assert {owner.rsplit("/", 1)[0] for owner in queue.owners(competition.db)} == {f"{host}/{child.process.pid}"}
