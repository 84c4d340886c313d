"""Submissions in real workers: cancelled, failed, held to the limits of their phase, repeated."""

from pathlib import Path

import psutil
import pytest

from submissions.evaluation import outcomes, queue
from submissions.evaluation.submission_progress import RepeatProgress
from submissions.settings import Settings
from submissions.storage.records import Purpose, TimeRule
from submissions.storage.states import Reason, State
from tests.factories import SQUARED_NORM
from tests.services import wait_until
from tests.worker.worker_processes import SLEEPS, SPINS, changed, has_ended, on_record, prepared, worker
from worker.hints import send_hint

LASTS = b"""import time


def complexity(model, dataset):
    time.sleep(0.5)
    return float(next(model.parameters()).sum())
"""


def test_a_cancelled_submission_frees_its_worker(settings: Settings, tiny_zoo: Path) -> None:
    with prepared(settings, tiny_zoo, wall_s=1000.0) as competition, worker(settings):
        endless = competition.submit(competition.user(), SLEEPS)
        wait_until(lambda: len(queue.owners(competition.db)) == 2, "two slots at work")
        assert outcomes.cancel(competition.db, endless)
        normal = competition.submit(competition.user("bob"), SQUARED_NORM)
        wait_until(has_ended(competition, normal), "the next submission")
        assert competition.submission(normal).state is State.SCORED
        assert competition.submission(endless).state is State.CANCELLED


@pytest.mark.parametrize(
    "endless", [pytest.param(SPINS, id="spins"), pytest.param(SLEEPS, id="sleeps", marks=pytest.mark.thorough)]
)
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


@pytest.mark.parametrize(
    ("is_public", "shows_logs"),
    [
        (True, False),
        pytest.param(False, True, marks=pytest.mark.thorough),
        (False, False),
    ],
)
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
