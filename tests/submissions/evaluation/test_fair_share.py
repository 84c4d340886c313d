"""Fair shares: who is served next, what a newcomer waits for, and counts that agree with what may be claimed."""

import random
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from submissions.evaluation import fair_share, outcomes, queue
from submissions.evaluation.attempts import RUNS_AT_ONCE
from submissions.evaluation.failure_disclosure import OurFault
from submissions.intake import submit
from submissions.intake.bundle_store import BundleStore
from submissions.storage.database import Database
from submissions.storage.queries import as_dict, count
from submissions.storage.records import (
    EvaluationRecord,
    Purpose,
    RunRecord,
    ShareRecord,
    SubmissionRecord,
    utc_now,
)
from submissions.storage.states import OPEN, State
from tests.factories import Competition, bundle_of, make_competition
from tests.submissions.evaluation.simulated_slots import BATCH, Simulation, enlarge, entrants

pytestmark = pytest.mark.parametrize("any_db", ["sqlite"], indirect=True)

NETWORKS = 600
MANY = 10_000


@pytest.fixture
def busy(any_db: Database, store: BundleStore, tiny_zoo: Path) -> Competition:
    """A phase over a zoo of so many networks that nothing ends, with smoke runs of 2 networks."""
    competition = make_competition(any_db, store, [tiny_zoo], daily_quota=1000)
    enlarge(any_db, NETWORKS)
    return competition


def submit_baseline(competition: Competition, user: int) -> int:
    return submit.submit(
        competition.db,
        competition.store,
        phase_id=competition.phase_id,
        user_id=user,
        name="baseline",
        bundle=bundle_of("def complexity(model, dataset):\n    return 1.0\n"),
        is_baseline=True,
    )


@pytest.mark.parametrize(
    ("people", "uploads", "slots"),
    [
        (1, 30, 2),
        (5, 2, 16),
        *(pytest.param(*case, marks=pytest.mark.thorough) for case in [(2, 5, 1), (50, 1, 1), (50, 1, 16)]),
    ],
)
def test_a_newcomers_smoke_run_starts_within_as_many_batches_as_entrants_and_slots(
    busy: Competition, people: int, uploads: int, slots: int
) -> None:
    """Whatever the others have in their backlog, smoke runs or scored ones, quick or slow."""
    known = entrants(busy, people, uploads)
    seconds = {submission: 0.1 * (1 + place % 7) for place, own in enumerate(known) for submission in own}
    simulation = Simulation(busy, slots, seconds)
    simulation.run(2 * people + slots + 5)
    newcomer = busy.submit(busy.user("newcomer"))
    before = len(simulation.begun)
    simulation.run(people + slots)
    assert (newcomer, Purpose.SMOKE) in simulation.begun[before:]


@pytest.mark.parametrize(("people", "slots"), [(3, 4), pytest.param(8, 3, marks=pytest.mark.thorough)])
def test_slots_work_as_long_for_each_entrant_however_long_a_network_takes(
    busy: Competition, people: int, slots: int
) -> None:
    """The first has a tenth of the seconds of the last, and three times the uploads."""
    known = entrants(busy, people, 1)
    known[0] += [busy.submit(busy.submission(known[0][0]).user_id) for _ in range(2)]
    seconds = {one: 0.2 + 1.8 * place / (people - 1) for place, own in enumerate(known) for one in own}
    simulation = Simulation(busy, slots, seconds)
    simulation.run(12 * people + 4 * slots)  # the first batches are paid by a guess
    start, began = dict(simulation.used), simulation.now
    simulation.run(15 * people)
    used = [sum(simulation.used[one] - start.get(one, 0.0) for one in own) for own in known]
    fair = (simulation.now - began) * slots / people
    batch_s = BATCH * (max(seconds.values()) + fair_share.OVERHEAD_S)
    assert all(abs(one - fair) <= 2 * batch_s for one in used), (used, fair)


def test_who_comes_back_from_a_pause_has_neither_earned_nor_lost_by_it(busy: Competition) -> None:
    (first,), (second,) = entrants(busy, 2)
    simulation = Simulation(busy, 1, {})
    outcomes.cancel(busy.db, second)
    simulation.run(20)
    assert {submission for submission, _ in simulation.begun} == {first}
    again = busy.submit(busy.submission(second).user_id)
    simulation.run(10)
    turns = Counter(submission for submission, _ in simulation.begun[20:])
    assert turns[again] in (5, 6)


def test_after_everything_was_idle_a_newcomer_and_an_old_entrant_take_turns(busy: Competition) -> None:
    ((first,),) = entrants(busy, 1)
    simulation = Simulation(busy, 1, {})
    simulation.run(20)
    outcomes.cancel(busy.db, first)
    assert queue.pending(busy.db) == 0
    newcomer = busy.submit(busy.user("newcomer"))
    old = busy.submit(busy.submission(first).user_id)
    before = len(simulation.begun)
    simulation.now, simulation._ends = 0.0, []
    simulation.run(10)
    turns = Counter(submission for submission, _ in simulation.begun[before:])
    assert sorted(turns) == sorted([newcomer, old])
    assert min(turns.values()) >= 4


def test_baselines_never_take_a_turn_of_participants_but_use_idle_slots(busy: Competition) -> None:
    user = busy.user()
    baseline = submit_baseline(busy, user)
    assert busy.claim("a", batch=1).submission_id == baseline  # type: ignore[union-attr]
    own = busy.submit(user)
    simulation = Simulation(busy, 2, {})
    simulation.run(8)
    order = [submission for submission, _ in simulation.begun]
    assert order[:3] == [own, own, baseline]  # while the second network of the smoke run is at work, nothing else waits
    assert set(order[3:]) == {own}


def test_repeats_of_participants_go_before_baselines_and_after_all_first_runs(
    any_db: Database, store: BundleStore, tiny_zoo: Path, other_zoo: Path
) -> None:
    competition = make_competition(any_db, store, [tiny_zoo], smoke_networks=0, repeat_networks=4)
    ada = competition.user()
    scored = competition.submit(ada)
    competition.work_through(Purpose.SCORE)
    queue.release(any_db, "w")
    baseline, other = submit_baseline(competition, ada), competition.submit(competition.user("bob"))
    turns = []
    while (claim := competition.claim(batch=8)) is not None:
        turns.append((claim.submission_id, claim.purpose))
    assert turns == [(other, Purpose.SCORE), (scored, Purpose.REPEAT), (baseline, Purpose.SCORE)]


def test_what_has_priority_goes_before_the_shares_of_all(busy: Competition) -> None:
    ((_, second),) = entrants(busy, 1, 2)
    other = busy.submit(busy.user("bob"))
    with busy.db.write() as session:
        session.get_one(SubmissionRecord, second).priority = 1
    claims = [busy.claim(f"w{number}", batch=1) for number in range(4)]
    assert [claim.submission_id for claim in claims if claim] == [second, second, other, other]


def test_an_upload_to_a_large_zoo_inserts_no_runs_and_a_claim_a_few(busy: Competition) -> None:
    enlarge(busy.db, MANY)
    busy.submit(busy.user())
    assert queue.pending(busy.db) == 2

    def rows() -> int:
        with busy.db.read() as session:
            return session.scalar(select(func.count()).select_from(RunRecord)) or 0

    assert rows() == 0
    claim = busy.claim()
    assert claim is not None
    assert all(busy.record(claim, run) for run in claim.runs)
    assert (rows(), queue.pending(busy.db)) == (0, MANY)
    assert busy.claim(batch=4) is not None
    assert (rows(), queue.pending(busy.db)) == (RUNS_AT_ONCE, MANY - 4)


def _may_be_claimed(db: Database) -> tuple[Mapping[int, int], Mapping[int, int]]:
    """What may be claimed of each evaluation and each share, found by looking at everything."""
    evaluations: Counter[int] = Counter()
    shares: Counter[int] = Counter()
    with db.read() as session:
        for submission in session.scalars(select(SubmissionRecord)):
            current = [one for one in submission.evaluations if one.attempt == submission.attempt]
            in_smoke = any(one.purpose is Purpose.SMOKE and one.state in OPEN for one in current)
            for one in current:
                if one.purpose is Purpose.REPEAT:
                    is_due = submission.state is State.SCORED
                else:
                    is_due = submission.state in OPEN and (one.purpose is Purpose.SMOKE or not in_smoke)
                if is_due and one.state in OPEN:
                    of_evaluation = RunRecord.evaluation_id == one.id, RunRecord.state == "pending"
                    pending = session.scalar(select(func.count()).select_from(RunRecord).where(*of_evaluation)) or 0
                    evaluations[one.id] += pending + one.networks - one.next_position
                    assert one.share_id is not None
                    shares[one.share_id] += pending + one.networks - one.next_position
    return +evaluations, +shares


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.thorough) for seed in range(2, 8))])
def test_counts_agree_with_what_may_be_claimed_whatever_happens(
    any_db: Database, store: BundleStore, tiny_zoo: Path, other_zoo: Path, seed: int
) -> None:
    rng = random.Random(seed)
    competition = make_competition(any_db, store, [other_zoo, tiny_zoo], daily_quota=1000, repeat_networks=2)
    users = [competition.user("ada"), competition.user("bob")]
    submissions = [competition.submit(rng.choice(users))]
    claims: list[queue.Claim] = []
    for step in range(60):
        act = rng.choice(["submit", "rerun", "cancel", "release", "broken", "fail", "sweep", *4 * ["claim", "record"]])
        held = rng.choice(claims) if claims else None
        if act == "submit":
            submissions.append(competition.submit(rng.choice(users)))
        elif act == "claim" and (claim := competition.claim(f"w{step}", batch=rng.choice([1, 4, 50]))) is not None:
            claims.append(claim)
        elif act == "cancel" and step % 3 == 0:
            outcomes.cancel(any_db, rng.choice(submissions))
        elif act == "rerun":
            outcomes.restart(any_db, rng.choice(submissions))
        elif act == "sweep":
            queue.sweep(any_db, utc_now() + timedelta(seconds=rng.choice([0, 100])))
        elif held is not None and act == "release":
            queue.release(any_db, held.owner)
        elif held is not None and act == "broken":
            queue.give_back_broken(any_db, rng.choice(held.runs).id, held.owner, OurFault.SANDBOX, "our fault")
        elif held is not None and act == "fail" and step % 3 == 0:
            competition.fail(held, rng.choice(held.runs))
        elif held is not None and act == "record":
            for run in held.runs:
                competition.record(held, run, float(run.id))
        _agrees(any_db, f"step {step}: {act}")
    assert competition.work_through() >= 0
    _agrees(any_db, "at the end")
    assert queue.pending(any_db) == 0


def _agrees(db: Database, when: str) -> None:
    evaluations, shares = _may_be_claimed(db)
    with db.read() as session:
        counted = select(EvaluationRecord.id, EvaluationRecord.waiting).where(EvaluationRecord.waiting > 0)
        assert as_dict(session, counted) == evaluations, when
        of_shares = select(ShareRecord.id, ShareRecord.waiting).where(ShareRecord.waiting > 0)
        assert as_dict(session, of_shares) == shares, when
        paused = count(session, RunRecord, RunRecord.state == "paused", RunRecord.failed_on.is_not(None))
    assert queue.pending(db) == sum(shares.values()) + paused
