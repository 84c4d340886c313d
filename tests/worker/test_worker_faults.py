"""What workers do when they are killed, when files are missing, and when a layer of their sandbox is."""

import signal
from collections import Counter
from pathlib import Path

import psutil
import pytest

from model_zoo import open_zoo
from submissions.settings import Settings
from submissions.storage.states import State
from tests.services import wait_until
from tests.worker.worker_processes import SLOW, changed, has_ended, on_record, prepared, worker
from worker.hints import send_hint


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


@pytest.mark.thorough
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
