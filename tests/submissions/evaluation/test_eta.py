"""The estimate for a submission that has not ended: its place, and times from what networks took lately."""

import pytest
from sqlalchemy import update

from submissions.evaluation import eta, workers
from submissions.evaluation.eta import OVERHEAD_S, Estimate, estimate, roughly
from submissions.storage.records import SubmissionRecord, ValueRecord
from tests.factories import SQUARED_NORM, Competition


def estimate_of(competition: Competition, submission_id: int) -> Estimate | None:
    with competition.db.read() as session:
        return estimate(session, session.get_one(SubmissionRecord, submission_id), sweep_s=5.0)


def known(competition: Competition, submission_id: int) -> Estimate:
    found = estimate_of(competition, submission_id)
    assert found is not None
    return found


def start_worker(competition: Competition, slots: int = 1, refusal: str | None = None) -> None:
    name = f"host/{slots}{refusal}"
    workers.enter(competition.db, name, slots=slots, backend="bubblewrap", layers={}, refusal=refusal)


def submit(competition: Competition, name: str = "ada", number: int = 0) -> int:
    return competition.submit(competition.user(name), SQUARED_NORM + b"#" * number)


def test_places_follow_acceptance_and_only_what_waits_has_one(competition: Competition) -> None:
    first, second, third = (submit(competition, name, at) for at, name in enumerate(("ada", "bob", "cyd")))
    assert [known(competition, one).place for one in (first, second, third)] == [1, 2, 3]
    assert competition.claim(batch=1) is not None
    assert [known(competition, one).place for one in (first, second, third)] == [None, 1, 2]


def test_a_higher_priority_goes_before_what_is_older(competition: Competition) -> None:
    older, urgent = submit(competition), submit(competition, "bob", 1)
    with competition.db.write() as session:
        session.get_one(SubmissionRecord, urgent).priority = 1
    assert [known(competition, one).place for one in (older, urgent)] == [2, 1]


def test_after_its_smoke_run_a_submission_still_waits_for_its_turn(smoked: Competition) -> None:
    first, second = submit(smoked), submit(smoked, "bob", 1)
    for _ in range(2):
        claim = smoked.claim()
        assert claim is not None
        for run in claim.runs:
            smoked.record(claim, run)
    assert [known(smoked, one).place for one in (first, second)] == [1, 2]
    assert smoked.claim(batch=1) is not None
    assert [known(smoked, one).place for one in (first, second)] == [None, 1]


def test_only_workers_that_are_up_and_able_count(competition: Competition) -> None:
    submission = submit(competition)
    start_worker(competition, 8, "Its sandbox lacks seccomp.")
    assert known(competition, submission) == Estimate(1, None, None, is_more=False, slots=0)
    start_worker(competition, 2)
    assert known(competition, submission) == Estimate(1, None, None, is_more=False, slots=2)  # nothing has run yet


def test_times_come_from_what_networks_took_lately_and_slots_share_them(competition: Competition) -> None:
    start_worker(competition)
    submit(competition)
    competition.work_through()  # 20 networks, 0.1 s each
    first, second = submit(competition, "bob", 1), submit(competition, "cyd", 2)
    each_s = 20 * (0.1 + OVERHEAD_S)
    for submission, begins_s in ((first, 0.0), (second, each_s)):
        told = known(competition, submission)
        assert told.begins_s == roughly(begins_s)
        assert told.ends_s == roughly(begins_s + each_s)
    start_worker(competition, 3)
    assert known(competition, second).ends_s == roughly(2 * each_s / 4)


def test_a_network_of_a_hidden_zoo_changes_no_estimate_within_its_tenth(competition: Competition) -> None:
    """Not of the submission itself and not of one behind it: of 12 networks, 6 and 7 are five tenths."""
    start_worker(competition)
    submit(competition)
    competition.work_through()
    with competition.db.write() as session:
        session.execute(update(ValueRecord).values(wall_s=60.0))  # so that one network more would show
    at_work, behind = submit(competition, "bob", 1), submit(competition, "cyd", 2)
    claim = competition.claim(batch=8)  # the zoo with public truth
    assert claim is not None
    for run in claim.runs:
        competition.record(claim, run, wall_s=60.0)
    claim = competition.claim(batch=12)
    while claim is not None and claim.submission_id != at_work:
        claim = competition.claim(batch=12)
    assert claim is not None
    told = []
    for number, run in enumerate(claim.runs, start=1):
        competition.record(claim, run, wall_s=10.0**number)
        told.append((known(competition, at_work), known(competition, behind)) if number in (6, 7) else None)
    assert told[5] == told[6]


def test_its_own_values_tell_more_than_those_of_others(competition: Competition) -> None:
    start_worker(competition)
    submit(competition)
    competition.work_through()
    slow = submit(competition, "bob", 1)
    claim = competition.claim(batch=4)
    assert claim is not None
    for run in claim.runs:
        competition.record(claim, run, float(run.id), wall_s=1.9)
    told = known(competition, slow)
    assert (told.place, told.begins_s) == (None, 0.0)
    assert told.ends_s == roughly(16 * (1.9 + OVERHEAD_S))


def test_one_at_work_takes_turns_with_the_others_at_work(competition: Competition) -> None:
    start_worker(competition)
    submit(competition)
    competition.work_through()
    first, second = submit(competition, "bob", 1), submit(competition, "cyd", 2)
    for _ in range(2):
        assert competition.claim(batch=4) is not None
    for submission in (first, second):
        assert known(competition, submission).ends_s == roughly(2 * 20 * (0.1 + OVERHEAD_S))


def test_behind_very_many_an_estimate_is_a_lower_bound(
    competition: Competition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eta, "MOST_COUNTED", 2)
    start_worker(competition)
    submit(competition)
    competition.work_through()
    last = [submit(competition, name, at) for at, name in enumerate(("bob", "cyd", "dan", "eve"), start=1)][-1]
    told = known(competition, last)
    assert (told.place, told.is_more) == (3, True)
    assert told.ends_s == roughly(3 * 20 * (0.1 + OVERHEAD_S))


def test_what_has_ended_has_no_estimate(competition: Competition) -> None:
    submission = submit(competition)
    competition.work_through()
    assert estimate_of(competition, submission) is None
