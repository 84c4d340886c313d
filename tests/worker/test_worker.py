"""Real worker processes on the queue: both brokers, without one, killed in mid-evaluation, stopped, cancelled."""

import importlib.metadata
import os
import re
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from model_zoo import open_zoo
from server.demo.processes import Child, environment_with, running
from submissions.evaluation import outcomes, queue
from submissions.evaluation.submission_progress import RepeatProgress
from submissions.evaluation.workers import Worker, known_workers
from submissions.intake.bundle_store import BundleStore
from submissions.settings import Settings
from submissions.storage.database import Database
from submissions.storage.installation import installation_id
from submissions.storage.migrations import migrate
from submissions.storage.records import Purpose, TimeRule
from submissions.storage.states import Reason, State
from tests.factories import SQUARED_NORM, Competition, make_competition
from tests.services import START_S, redis_process, redis_server, wait_until
from worker.celery_app import make_celery
from worker.hints import send_hint

SLOW = b"""
import time


def complexity(model, dataset):
    time.sleep(0.3)
    return sum(float(p.detach().square().sum()) for p in model.parameters())
"""
LASTS = b"""import time


def complexity(model, dataset):
    time.sleep(0.5)
    return float(next(model.parameters()).sum())
"""
SPINS = b"def complexity(model, dataset):\n    while True:\n        pass\n"
SLEEPS = b"import time\n\n\ndef complexity(model, dataset):\n    time.sleep(1000)\n"


@contextmanager
def worker(settings: Settings) -> Iterator[Child]:
    """A worker process, ended in good order with the block."""
    child = Child("worker", ("worker",), environment_with(settings.model_dump()), settings.home / "worker.log")
    with running([child]):
        try:
            yield child
        except AssertionError as error:  # what the worker was doing says more than what did not come
            error.add_note(child.log.read_text()[-4000:])
            raise


def changed(settings: Settings, **values: object) -> Settings:
    return Settings(**(settings.model_dump() | values))


@contextmanager
def prepared(settings: Settings, *zoos: Path, **phase: object) -> Iterator[Competition]:
    settings.make_home()
    db = Database(settings.effective_database_url)
    migrate(db)
    try:
        yield make_competition(db, BundleStore(settings.store_folder), zoos, **({"smoke_networks": 0} | phase))
    finally:
        db.close()


def has_ended(competition: Competition, submission_id: int) -> Callable[[], bool]:
    return lambda: competition.submission(submission_id).state.is_final


@pytest.mark.parametrize("broker", ["filesystem", "redis"])
def test_a_submission_is_scored_by_a_worker(
    settings: Settings, broker: str, request: pytest.FixtureRequest, tiny_zoo: Path, other_zoo: Path
) -> None:
    # The worker would find the work by itself: it is kept from looking, so that only a hint can have brought the news.
    url = "filesystem://" if broker == "filesystem" else request.getfixturevalue("redis_url")
    settings = changed(settings, broker_url=url, look_s=3600.0, sweep_s=3600.0)
    with prepared(settings, tiny_zoo, other_zoo) as competition, worker(settings):
        wait_until(lambda: bool(on_record(competition)), "the worker on record")  # its first look is over
        first = competition.submit(competition.user())
        send_hint(settings, first)
        wait_until(has_ended(competition, first), "the first submission")
        second = competition.submit(competition.user("bob"), "def complexity(model, dataset):\n    return None\n")
        send_hint(settings, second)
        wait_until(has_ended(competition, second), "the second submission")
        scored, failed = competition.submission(first), competition.submission(second)
        assert (scored.state, scored.reason) == (State.SCORED, None)
        assert [e.kendall_tau for e in competition.evaluations(first)] == [1.0, 1.0]  # the truth follows the norm
        assert all((e.layers or {})["no_network"] for e in competition.evaluations(first))
        assert (failed.state, failed.reason) == (State.FAILED, Reason.NOT_A_NUMBER)


def test_work_whose_hint_was_lost_is_found(settings: Settings, tiny_zoo: Path) -> None:
    with prepared(settings, tiny_zoo) as competition:
        submission_id = competition.submit(competition.user())
        with worker(settings):
            wait_until(has_ended(competition, submission_id), "the submission")
        assert competition.submission(submission_id).state is State.SCORED


def test_a_worker_goes_on_while_its_broker_is_frozen_and_when_it_is_gone(settings: Settings, tiny_zoo: Path) -> None:
    with redis_server() as url:
        process = redis_process(url)
        settings = changed(settings, broker_url=url)
        try:
            with prepared(settings, tiny_zoo) as competition, worker(settings) as child:
                wait_until(lambda: "Connected to redis" in child.log.read_text(), "its broker")
                for number, fate in enumerate((signal.SIGSTOP, signal.SIGKILL)):
                    process.send_signal(fate)
                    submission_id = competition.submit(competition.user(f"user{number}"))
                    send_hint(settings, submission_id)
                    wait_until(has_ended(competition, submission_id), "the submission")
                    assert competition.submission(submission_id).state is State.SCORED
                    seen_at = on_record(competition)[0].seen_at
                    wait_until(lambda seen_at=seen_at: on_record(competition)[0].seen_at > seen_at, "its heartbeat")  # type: ignore[misc]
        finally:
            process.resume() if process.is_running() else None
    assert child.process is not None
    assert child.process.returncode == 0


def test_celerys_remote_control_and_events_answer_over_redis(
    settings: Settings, redis_url: str, tiny_zoo: Path
) -> None:
    settings = changed(settings, broker_url=redis_url)
    with prepared(settings, tiny_zoo) as competition, worker(settings):
        app = make_celery(settings, installation_id(competition.db))
        ask = app.control.inspect(timeout=2)
        wait_until(lambda: bool(on_record(competition)) and bool(ask.ping()), "an answer, and the worker on record")
        (node,) = ask.ping()
        assert node.startswith(f"gengap-{on_record(competition)[0].id}@")
        assert set(ask.registered()[node]) == {"gengap.evaluate", "gengap.zoo", "gengap.mail"}
        assert {queue["name"] for queue in ask.active_queues()[node]} == {"evaluate", "zoo", "mail"}
        assert ask.active() == {node: []}
        app.control.enable_events(reply=True, timeout=2)
        seen: list[dict[str, object]] = []
        with app.connection_for_read() as connection:
            receiver = app.events.Receiver(connection)

            def note(event: dict[str, object]) -> None:
                seen.append(event)
                receiver.should_stop = True

            # A heartbeat comes every two seconds, and proves that this process hears of events.
            receiver.handlers = {"worker-heartbeat": lambda _: send_hint(settings, 17), "task-received": note}
            receiver.capture(timeout=START_S)
        assert (seen[0]["name"], seen[0]["kwargs"]) == ("gengap.evaluate", "{'submission_id': 17}")
        assert "gengap.evaluate" in ask.stats()[node]["total"]


def test_a_worker_killed_in_mid_evaluation_loses_no_value(settings: Settings, tiny_zoo: Path, other_zoo: Path) -> None:
    settings = changed(settings, lease_s=3600.0)  # no lease ends in time: its successor knows that it is dead
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
        lost = [run.losses for run in competition.runs()]
        assert sum(lost) <= settings.worker_slots, "one for each network in hand at most"
        assert not any(run.tries for run in competition.runs())


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
        assert not any(run.tries or run.losses for run in competition.runs())
        wait_until(lambda: not any(child.is_running() for child in below), "the end of its sandboxes")


def test_a_cancelled_submission_frees_its_worker(settings: Settings, tiny_zoo: Path) -> None:
    with prepared(settings, tiny_zoo, wall_s=1000.0) as competition, worker(settings):
        endless = competition.submit(competition.user(), SLEEPS)
        wait_until(lambda: len(queue.owners(competition.db)) == 2, "two slots at work")
        assert outcomes.cancel(competition.db, endless)
        normal = competition.submit(competition.user("bob"), SQUARED_NORM)
        wait_until(has_ended(competition, normal), "the next submission")
        assert competition.submission(normal).state is State.SCORED
        assert competition.submission(endless).state is State.CANCELLED


@pytest.mark.parametrize("endless", [SPINS, SLEEPS], ids=["spins", "sleeps"])
def test_cancelling_ends_a_measures_processes_long_before_its_limit(
    settings: Settings, tiny_zoo: Path, endless: bytes
) -> None:
    with prepared(settings, tiny_zoo, wall_s=1000.0) as competition, worker(settings) as child:
        warm = competition.submit(competition.user(), LASTS)
        wait_until(has_ended(competition, warm), "a first submission, which takes long enough to warm both sandboxes")
        assert child.process is not None
        process = psutil.Process(child.process.pid)
        idle = {below.pid for below in process.children(recursive=True)}

        def measures() -> list[psutil.Process]:
            return [below for below in process.children(recursive=True) if below.pid not in idle]

        submission_id = competition.submit(competition.user("bob"), endless)
        wait_until(lambda: len(queue.owners(competition.db)) == 2 and len(measures()) >= 2, "two networks in hand")
        assert outcomes.cancel(competition.db, submission_id)
        wait_until(lambda: not measures(), "the end of its processes")
        wait_until(lambda: queue.owners(competition.db) == set(), "free slots")
        assert competition.submission(submission_id).state is State.CANCELLED
        assert not competition.values_recorded(submission_id)
        assert process.is_running()


@pytest.mark.thorough
def test_cancelling_in_the_smoke_run_spends_no_quota(settings: Settings, tiny_zoo: Path, other_zoo: Path) -> None:
    phase = {"wall_s": 1000.0, "smoke_networks": 2}
    with prepared(settings, other_zoo, tiny_zoo, **phase) as competition, worker(settings):
        submission_id = competition.submit(competition.user(), SLEEPS)
        wait_until(lambda: bool(queue.owners(competition.db)), "the smoke run")
        assert outcomes.cancel(competition.db, submission_id)
        wait_until(lambda: queue.owners(competition.db) == set(), "free slots")
        submission = competition.submission(submission_id)
        assert (submission.state, submission.spends_quota) == (State.CANCELLED, False)


@pytest.mark.thorough
def test_limits_of_the_phase_reach_the_sandbox(settings: Settings, tiny_zoo: Path) -> None:
    with prepared(settings, tiny_zoo, wall_s=0.5, shows_logs=True) as competition, worker(settings):
        submission_id = competition.submit(competition.user(), SLEEPS)
        wait_until(has_ended(competition, submission_id), "the submission")
        submission = competition.submission(submission_id)
        assert (submission.state, submission.reason) == (State.FAILED, Reason.TIME_LIMIT)
        assert submission.detail == "longer than 0.5 s"


@pytest.mark.parametrize(("is_public", "shows_logs"), [(True, False), (False, True), (False, False)])
def test_how_a_measure_fails_is_told_on_public_zoos_and_where_logs_are_shown(
    settings: Settings, tiny_zoo: Path, other_zoo: Path, is_public: bool, shows_logs: bool
) -> None:
    source = "def complexity(model, dataset):\n    print('printed')\n    raise ValueError('told')\n"
    zoo = tiny_zoo if is_public else other_zoo
    with prepared(settings, zoo, shows_logs=shows_logs) as competition, worker(settings):
        submission_id = competition.submit(competition.user(), source)
        wait_until(has_ended(competition, submission_id), "the submission")
        told = competition.progress(submission_id)
        assert (told.state, told.reason) == (State.FAILED, Reason.RAISED)
        failure = told.failure
        assert failure is not None
        if is_public or shows_logs:
            assert failure.detail == "ValueError at complexity.py line 3"
            assert (failure.message, failure.log) == ("told", "printed")
        else:
            assert (failure.zoo_title, failure.ordinal, failure.networks) == (None, None, None)
            assert (failure.detail, failure.message, failure.log, told.done) == ("", None, None, 0)


@pytest.mark.parametrize("is_public", [True, False])
@pytest.mark.thorough
def test_the_shape_of_what_a_measure_returns_is_told_of_public_zoos_alone(
    settings: Settings, tiny_zoo: Path, other_zoo: Path, is_public: bool
) -> None:
    """It may be made of the weights."""
    words = "(int(abs(weight) * 10**6) for weight in next(model.parameters()).flatten()[:3])"
    source = f"import torch\n\n\ndef complexity(model, dataset):\n    return torch.empty(*{words}, 0)\n"
    with prepared(settings, tiny_zoo if is_public else other_zoo) as competition, worker(settings):
        submission_id = competition.submit(competition.user(), source)
        wait_until(has_ended(competition, submission_id), "the submission")
        told = competition.progress(submission_id)
        assert told.reason is Reason.NOT_A_NUMBER
        assert told.failure is not None
        detail = told.failure.detail
        assert detail == told.detail
        assert detail.startswith("returned a tensor of shape (") if is_public else detail == ""


@pytest.mark.thorough
def test_a_zoo_that_vanished_is_our_fault(settings: Settings, tiny_zoo: Path) -> None:
    with prepared(settings, tiny_zoo) as competition:
        submission_id = competition.submit(competition.user())
        zoo = open_zoo(tiny_zoo)
        competition.zoos.delete(zoo.manifest_sha256)
        with worker(settings) as child:
            wait_until(lambda: [bool(run.tries) for run in competition.runs()] == [True] * 8, "a try of every run")
            assert competition.submission(submission_id).state is State.RUNNING
            competition.let_faults_age()
            wait_until(has_ended(competition, submission_id), "the submission")
        submission = competition.submission(submission_id)
        assert (submission.state, submission.reason) == (State.BROKEN, None)
        assert submission.detail is not None
        assert submission.detail.startswith(f"A file of the zoo could not be read (sha256 {zoo.manifest_sha256})")
        assert "/" not in submission.detail
        assert f"zoos/{zoo.manifest_sha256}.json: not in the store" in child.log.read_text()


def test_the_owner_of_a_lease_is_a_random_id_that_tells_nothing_of_its_process(
    settings: Settings, tiny_zoo: Path
) -> None:
    with prepared(settings, tiny_zoo, wall_s=1000.0) as competition, worker(settings), worker(settings):
        competition.submit(competition.user(), SLEEPS)
        wait_until(lambda: len(queue.owners(competition.db)) == 2, "slots at work")
        wait_until(lambda: len(on_record(competition)) == 2, "both workers on record")
        ids = {told.id for told in on_record(competition)}
        assert len(ids) == 2
        assert {owner.split("/")[0] for owner in queue.owners(competition.db)} <= ids
        assert all(re.fullmatch("[0-9a-f]{16}", one) for one in ids)


def test_a_worker_that_fails_on_one_submission_after_another_stops_until_it_is_well(
    settings: Settings, tiny_zoo: Path
) -> None:
    with prepared(settings, tiny_zoo) as competition:
        submissions = [competition.submit(competition.user(f"user{n}")) for n in range(5)]
        uploads, away = settings.store_folder, settings.home / "away"
        uploads.rename(away)
        with worker(settings):
            refused = "It cannot read the uploads. Its log says why."
            wait_until(lambda: any(told.refusal == refused for told in on_record(competition)), "its refusal")
            assert not any(competition.submission(one).state.is_final for one in submissions)
            uploads.rmdir() if uploads.is_dir() else None
            away.rename(uploads)
            wait_until(lambda: on_record(competition)[0].refusal is None, "its recovery")
            for one in submissions[3:]:
                wait_until(has_ended(competition, one), "the other submissions")
                assert competition.submission(one).state is State.SCORED


def test_a_measure_that_cannot_work_fails_in_its_smoke_run_and_reaches_no_other_network(
    settings: Settings, tiny_zoo: Path, other_zoo: Path
) -> None:
    with prepared(settings, other_zoo, tiny_zoo, smoke_networks=2) as competition, worker(settings):
        submission_id = competition.submit(
            competition.user(), "import torch.no_such_module\n\n\n" + SQUARED_NORM.decode()
        )
        send_hint(settings)
        wait_until(has_ended(competition, submission_id), "the submission")
        told = competition.progress(submission_id)
        assert (told.state, told.reason, told.spends_quota) == (State.FAILED, Reason.IMPORT_ERROR, False)
        assert told.failure is not None
        assert (told.failure.is_smoke, told.failure.ordinal, told.failure.zoo_title) == (True, 1, "The tiny zoo")
        assert told.failure.detail == "ModuleNotFoundError at complexity.py line 1"
        assert all(e.layers is None for e in competition.evaluations(submission_id) if e.purpose is not Purpose.SMOKE)


@pytest.mark.thorough
def test_after_its_smoke_run_a_submission_goes_on_without_a_further_hint(
    settings: Settings, tiny_zoo: Path, other_zoo: Path
) -> None:
    settings = changed(settings, look_s=3600.0, sweep_s=3600.0)
    with prepared(settings, other_zoo, tiny_zoo, smoke_networks=2) as competition, worker(settings):
        wait_until(lambda: bool(on_record(competition)), "the worker on record")
        submission_id = competition.submit(competition.user())
        send_hint(settings, submission_id)
        wait_until(has_ended(competition, submission_id), "the submission")
        told = competition.progress(submission_id)
        assert told.state is State.SCORED
        assert [(zoo.done, zoo.kendall_tau) for zoo in told.zoos] == [(12, 1.0), (8, 1.0)]
        assert told.smoke is not None
        assert (told.smoke.state, told.smoke.done) == (State.SCORED, 2)


@pytest.mark.thorough
def test_seeded_random_values_come_again_and_others_are_told(settings: Settings, tiny_zoo: Path) -> None:
    seeded = "import torch\n\n\ndef complexity(model, dataset):\n    return float(torch.rand(()))\n"
    unseeded = "import os\n\n\ndef complexity(model, dataset):\n    return int.from_bytes(os.urandom(6), 'big')\n"
    with prepared(settings, tiny_zoo, repeat_networks=3) as competition, worker(settings):
        submissions = [
            competition.submit(competition.user(name), code) for name, code in (("ada", seeded), ("bob", unseeded))
        ]

        def repeats(number: int) -> RepeatProgress | None:
            return competition.progress(submissions[number]).repeats

        wait_until(lambda: all((told := repeats(n)) and told.done == 3 for n in (0, 1)), "the repeats")
        assert repeats(0) == RepeatProgress(networks=3, done=3, differing=0)
        assert repeats(1) == RepeatProgress(networks=3, done=3, differing=3)
        assert [competition.submission(one).state for one in submissions] == [State.SCORED] * 2


@pytest.mark.thorough
def test_networks_that_pool_their_time_may_differ_in_it(settings: Settings, tiny_zoo: Path) -> None:
    uneven = """
import time


def complexity(model, dataset):
    norm = float(sum(p.detach().square().sum() for p in model.parameters()))
    time.sleep(1.5 if norm > 650 else 0)  # for the two of eight that are wide and have large weights
    return norm
"""
    with prepared(settings, tiny_zoo, wall_s=1.0, time_rule=TimeRule.POOLED) as competition, worker(settings):
        submission_id = competition.submit(competition.user(), uneven)
        wait_until(has_ended(competition, submission_id), "the submission")
        assert competition.submission(submission_id).state is State.SCORED
        assert (competition.progress(submission_id).zoos[0].longest_wall_s or 0) > 1.0


@pytest.mark.thorough
def test_a_pooled_time_limit_ends_a_submission_and_says_that_it_is_pooled(settings: Settings, tiny_zoo: Path) -> None:
    limits = {"wall_s": 0.2, "time_rule": TimeRule.POOLED}
    with prepared(settings, tiny_zoo, **limits) as competition, worker(settings):
        submission_id = competition.submit(competition.user(), SLEEPS)
        wait_until(has_ended(competition, submission_id), "the submission")
        submission = competition.submission(submission_id)
        assert (submission.state, submission.reason) == (State.FAILED, Reason.TIME_LIMIT)
        assert submission.detail == "longer than the 1.6 s that all networks of the zoo have together (pooled)"


@pytest.mark.thorough
def test_a_phases_processor_seconds_reach_the_sandbox(settings: Settings, tiny_zoo: Path) -> None:
    spins = "def complexity(model, dataset):\n    while True:\n        pass\n"
    with prepared(settings, tiny_zoo, cpu_s=0.3) as competition, worker(settings):
        submission_id = competition.submit(competition.user(), spins)
        wait_until(has_ended(competition, submission_id), "the submission")
        submission = competition.submission(submission_id)
        assert (submission.reason, submission.detail) == (Reason.TIME_LIMIT, "more processor time than 0.3 s")


def on_record(competition: Competition) -> tuple[Worker, ...]:
    with competition.db.read() as session:
        return known_workers(session, sweep_s=5.0)


def test_a_worker_puts_itself_on_record_and_takes_itself_off(settings: Settings, tiny_zoo: Path) -> None:
    with prepared(settings, tiny_zoo) as competition:
        with worker(settings) as child:
            wait_until(lambda: bool(on_record(competition)), "the worker on record")
            assert child.process is not None
            (told,) = on_record(competition)
            assert told.name == f"{os.uname().nodename}/{child.process.pid}"
            assert (told.host, told.pid) == (os.uname().nodename, child.process.pid)
            assert told.version == importlib.metadata.version("gengap")
            assert (told.slots, told.backend, told.refusal) == (2, "bubblewrap", None)
            assert {name for name in settings.sandbox_minimum if not told.layers[name]} == set()
            wait_until(lambda: on_record(competition)[0].seen_at > told.seen_at, "its sweep")
        assert on_record(competition) == ()


@pytest.mark.thorough
def test_a_worker_without_a_needed_layer_takes_no_work_and_says_why(settings: Settings, tiny_zoo: Path) -> None:
    settings = changed(settings, sandbox_minimum=("namespaces", "moat"))
    with prepared(settings, tiny_zoo) as competition:
        submission_id = competition.submit(competition.user())
        with worker(settings) as child:
            wait_until(lambda: bool(on_record(competition)), "the worker on record")
            (told,) = on_record(competition)
            assert told.refusal == "Its sandbox lacks moat."
            send_hint(settings)
            wait_until(lambda: on_record(competition)[0].seen_at > told.seen_at, "its heartbeat")
        assert child.process is not None
        assert child.process.returncode == 0
        assert child.log.read_text().count("Its sandbox lacks moat.") == 1
        assert competition.submission(submission_id).state is State.QUEUED
        assert on_record(competition) == ()
        able = changed(settings, sandbox_minimum=("namespaces",))
        with worker(able):
            wait_until(has_ended(competition, submission_id), "the submission")
