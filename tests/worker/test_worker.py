"""Real worker processes on the queue: both brokers, without one, several, stopped, on record."""

import importlib.metadata
import os
import re
import signal
from pathlib import Path

import psutil
import pytest

from submissions.evaluation import queue
from submissions.settings import Settings
from submissions.storage.installation import installation_id
from submissions.storage.states import Reason, State
from tests.services import START_S, redis_process, redis_server, wait_until
from tests.worker.worker_processes import SLEEPS, SLOW, changed, has_ended, on_record, prepared, worker
from worker.celery_app import make_celery
from worker.hints import send_hint


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


@pytest.mark.thorough
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


@pytest.mark.thorough
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
