"""The estimate for a waiting submission: its line chooses as the database does; simple queues have known answers."""

import random
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from submissions.evaluation import queue, workers
from submissions.evaluation.forecast import OVERHEAD_S, Forecasts, forecasts, waiting_stages
from submissions.evaluation.waiting import MOST_BATCHES, Estimate, Line, Stage, estimates
from submissions.storage.records import Purpose, SubmissionRecord
from submissions.storage.states import State
from tests.factories import SQUARED_NORM, Competition
from tests.records import START

pytestmark = pytest.mark.both_databases

ANN, BOB = 1, 2


def stage(number: int, user_id: int = ANN, *, pending: int = 4, run_s: float | None = 1.0, **fields: object) -> Stage:
    """The only stage of submission `number`, which is as old as its number is small."""
    made = Stage(
        evaluation_id=number,
        submission_id=number,
        user_id=user_id,
        purpose=Purpose.SCORE,
        priority=0,
        created_at=START + timedelta(seconds=number),
        position=0,
        pending=pending,
        run_s=run_s,
    )
    return replace(made, **fields)  # type: ignore[arg-type]


def test_alone_on_one_slot_it_takes_the_sum_of_its_networks() -> None:
    told = estimates([stage(1, pending=10)], slots=1, batch=4)[1]
    assert (told.place, told.begins_s, told.ends_s, told.is_more) == (1, 0.0, 10.0, False)


def test_two_slots_share_it() -> None:
    told = estimates([stage(1, pending=16)], slots=2, batch=4)[1]
    assert (told.begins_s, told.ends_s) == (0.0, 8.0)


def test_an_older_submission_of_the_same_person_goes_first() -> None:
    told = estimates([stage(1, pending=8), stage(2, pending=4)], slots=1, batch=4)[2]
    assert (told.place, told.begins_s, told.ends_s) == (2, 8.0, 12.0)


def test_people_take_turns() -> None:
    stages = [stage(1, ANN, pending=400), stage(2, BOB, pending=4)]
    told = estimates(stages, slots=2, batch=4)[2]
    assert (told.place, told.begins_s, told.ends_s) == (2, 0.0, 4.0)


def test_a_higher_priority_goes_before_an_older_submission() -> None:
    stages = [stage(1, ANN), stage(2, BOB, priority=1)]
    assert estimates(stages, slots=1, batch=4)[1].place == 2
    assert estimates(stages, slots=1, batch=4)[2].place == 1


def test_a_smoke_run_goes_first_and_keeps_its_own_submission_waiting() -> None:
    smoke = stage(10, BOB, purpose=Purpose.SMOKE, pending=2, submission_id=2)
    stages = [stage(1, ANN, pending=8), smoke, stage(2, BOB, waits_for=10)]
    told = estimates(stages, slots=1, batch=4)[2]
    assert (told.place, told.begins_s) == (1, 0.0)
    assert estimates(stages, slots=1, batch=4)[1].begins_s == 2.0
    assert told.ends_s == 2.0 + 8.0 + 4.0  # its smoke run, what is older, its own


def test_what_is_at_work_has_no_place_and_is_waited_for() -> None:
    working = stage(1, ANN, pending=0, held=(4,))
    assert estimates([working, stage(2, BOB)], slots=1, batch=4)[1].place is None
    told = estimates([working, stage(2, BOB)], slots=1, batch=4)[2]
    assert (told.place, told.begins_s, told.ends_s) == (1, 4.0, 8.0)


def test_a_submission_that_has_begun_is_no_longer_ahead_in_the_queue() -> None:
    stages = [stage(1, ANN, pending=8, has_begun=True), stage(2, ANN)]
    told = estimates(stages, slots=1, batch=4)[2]
    assert (told.place, told.begins_s) == (1, 8.0)


def test_times_are_unknown_without_workers_and_without_any_value() -> None:
    told = estimates([stage(1), stage(2)], slots=0, batch=4)[2]
    assert (told.place, told.begins_s, told.ends_s) == (2, None, None)
    told = estimates([stage(1, run_s=None), stage(2)], slots=1, batch=4)[2]
    assert (told.place, told.begins_s, told.ends_s) == (2, None, None)
    assert estimates([stage(1), stage(2, run_s=None)], slots=1, batch=4)[1].ends_s == 4.0


def test_a_very_long_queue_is_told_as_more_than() -> None:
    long, next_one, last = (stage(number, pending=4 * MOST_BATCHES) for number in (1, 2, 3))
    told = estimates([long, next_one, last], slots=1, batch=4)
    assert (told[1].ends_s, told[1].is_more) == (4.0 * MOST_BATCHES, False)
    assert (told[2].place, told[2].begins_s, told[2].is_more) == (2, 4.0 * MOST_BATCHES, True)
    assert (told[3].place, told[3].begins_s, told[3].is_more) == (3, 4.0 * MOST_BATCHES, True)


def test_repeats_are_not_waited_for() -> None:
    repeat = stage(1, purpose=Purpose.REPEAT)
    assert estimates([repeat], slots=1, batch=4) == {}
    assert estimates([repeat, stage(2)], slots=1, batch=4)[2].begins_s == 0.0


@given(
    stages=st.lists(
        st.builds(
            stage,
            st.integers(1, 40),
            st.integers(1, 4),
            pending=st.integers(1, 9),
            priority=st.integers(0, 1),
            run_s=st.floats(0.01, 5),
        ),
        min_size=1,
        max_size=12,
        unique_by=lambda one: one.evaluation_id,
    ),
    slots=st.integers(1, 5),
    batch=st.integers(1, 5),
)
def test_an_estimate_lies_between_the_works_own_bounds(stages: list[Stage], slots: int, batch: int) -> None:
    work_s = sum(one.pending * (one.run_s or 0) for one in stages)
    everything = estimates(stages, slots=slots, batch=batch)
    assert sorted(everything[one.submission_id].place or 0 for one in stages) == list(range(1, len(stages) + 1))
    for one in stages:
        told = everything[one.submission_id]
        assert told.begins_s is not None
        assert told.ends_s is not None
        assert 0 <= told.begins_s <= told.ends_s <= work_s + 1e-6
        assert told.ends_s >= one.pending * (one.run_s or 0) / slots - 1e-6
        assert told.place is not None
        assert 1 <= told.place <= len(stages)


@pytest.mark.parametrize("seed", range(2))
def test_the_line_chooses_what_the_database_chooses(smoked: Competition, seed: int) -> None:
    """Submissions of several people, some urgent; workers claim, and are done with networks, in any order."""
    chance = random.Random(seed)
    people = [smoked.user(name) for name in ("ada", "bob", "cyd")]
    for number in range(5):
        submission_id = smoked.submit(chance.choice(people), f"# {number}\n{SQUARED_NORM.decode()}")
        with smoked.db.write() as session:
            session.get_one(SubmissionRecord, submission_id).priority = chance.choice((0, 0, 1))
    with smoked.db.read() as session:
        line = Line(waiting_stages(session))
    stages: dict[int, Stage] = {}
    in_hand: list[tuple[queue.Claim, queue.ClaimedRun]] = []
    while True:
        if in_hand and chance.random() < 0.7:
            claim, run = in_hand.pop(chance.randrange(len(in_hand)))
            assert smoked.record(claim, run, float(chance.random()))
            line.finish(stages[claim.evaluation_id])
            continue
        batch = chance.randint(1, 5)
        expected, claimed = line.next(), smoked.claim(f"w{chance.random()}", batch=batch)
        assert (expected and expected.evaluation_id) == (claimed and claimed.evaluation_id)
        if expected is None or claimed is None:
            if not in_hand:
                break
            continue
        stages[expected.evaluation_id] = expected
        assert line.take(expected, batch) == len(claimed.runs)
        in_hand += [(claimed, run) for run in claimed.runs]
    with smoked.db.read() as session:
        assert set(session.scalars(select(SubmissionRecord.state))) == {State.SCORED}
        assert waiting_stages(session) == []


def forecast_of(competition: Competition, submission_id: int) -> Estimate | None:
    with competition.db.read() as session:
        return forecasts(session, sweep_s=5.0).get(submission_id)


def test_a_forecast_counts_the_slots_of_workers_that_are_up_and_able(competition: Competition) -> None:
    submission = competition.submit(competition.user())
    assert forecast_of(competition, submission) == Estimate(1, None, None)
    for number, (slots, refusal) in enumerate(((2, None), (8, "Its sandbox lacks seccomp."))):
        workers.enter(competition.db, f"host/{number}", slots=slots, backend="bubblewrap", layers={}, refusal=refusal)
    assert forecast_of(competition, submission) == Estimate(1, 0.0, None, slots=2)  # nobody has run on these zoos
    claim = competition.claim(batch=4)
    assert claim is not None
    for run in claim.runs[:2]:
        competition.record(claim, run, wall_s=0.9)
    told = forecast_of(competition, submission)
    assert told is not None
    assert (told.place, told.begins_s, told.ends_s) == (None, 0.0, None)  # nothing is known of the second zoo


def test_networks_are_timed_by_the_smoke_run_then_by_themselves(smoked: Competition) -> None:
    workers.enter(smoked.db, "host/1", slots=1, backend="bubblewrap", layers={}, refusal=None)
    submission = smoked.submit(smoked.user())
    claim = smoked.claim()
    assert claim is not None
    for run in claim.runs:
        smoked.record(claim, run, wall_s=0.9)
    told = forecast_of(smoked, submission)
    assert told is not None
    assert told.place == 1
    assert told.ends_s == pytest.approx(20 * (0.9 + OVERHEAD_S))
    claim = smoked.claim(batch=12)
    assert claim is not None
    for run in claim.runs:
        smoked.record(claim, run, float(run.id), wall_s=1.9)
    told = forecast_of(smoked, submission)
    assert told is not None
    assert told.ends_s == pytest.approx(8 * (0.9 + OVERHEAD_S))


def test_another_persons_networks_are_timed_by_what_the_zoo_took_before(competition: Competition) -> None:
    workers.enter(competition.db, "host/1", slots=1, backend="bubblewrap", layers={}, refusal=None)
    competition.submit(competition.user())
    competition.work_through()  # 0.1 s each
    waiting = competition.submit(competition.user("bob"), SQUARED_NORM + b"#")
    told = forecast_of(competition, waiting)
    assert told is not None
    assert told.ends_s == pytest.approx(20 * (0.1 + OVERHEAD_S))


def test_what_has_ended_has_no_forecast(competition: Competition) -> None:
    submission = competition.submit(competition.user())
    competition.work_through()
    assert forecast_of(competition, submission) is None


def test_all_readers_share_one_answer_for_a_while(competition: Competition) -> None:
    first = competition.submit(competition.user())
    patient = Forecasts(competition.db, 5.0, share=1e-9)
    told = patient.of(first)
    assert told is not None
    later = competition.submit(competition.user("bob"), SQUARED_NORM + b"#")
    assert patient.of(later) is None
    assert patient.of(first) is told
    eager = Forecasts(competition.db, 5.0, share=1e9)
    assert eager.of(first) == told
    assert eager.of(later) == Estimate(2, None, None)
