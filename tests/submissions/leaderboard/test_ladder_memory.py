"""What the Ladder has shown, everybody remembers who was there: whatever they leave, join or delete."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlalchemy import select

from scoring import Jackknife, Ladder
from scoring.decisions.ladder import RELEASE
from submissions.competitions.phases import change_phase, plan_of
from submissions.evaluation import outcomes
from submissions.leaderboard import standings
from submissions.leaderboard.entrants import acquaintances
from submissions.people import teams
from submissions.people.account_deletion import delete_account
from submissions.people.accounts import register
from submissions.storage.records import (
    PhaseRecord,
    ShowsScores,
    StandingRecord,
    SubmissionRecord,
    TeamRecord,
    utc_now,
)
from tests.overlap import overlap
from tests.records import PASSWORD, Records
from tests.scoring.jackknives import of_mean

Shown = list[tuple[float | None, bool]]


def _phase(records: Records) -> int:
    return records.phase(zoos=("digits-mlp",), uses_ladder=True)


def _competition(records: Records, phase: int) -> int:
    with records.db.read() as session:
        return session.get_one(PhaseRecord, phase).competition_id


def _submit(records: Records, phase: int, user: int, score: float, team: int | None = None) -> int:
    """A submission with a certain score, of the person's team if they have one."""
    entrant = None if team is None else f"t{team}"
    jackknives = [of_mean([score / 100] * 4)]
    return records.submission(phase, user, jackknives=jackknives, entrant=entrant, team_id=team)


def _wait(records: Records, phase: int, user: int) -> int:
    """A submission that is still being evaluated."""
    return records.submission(phase, user, done=1)


def _end(records: Records, submission: int, score: float) -> None:
    records.end(submission, jackknives=[of_mean([score / 100] * 4)])


def _invite(records: Records, team: int) -> str:
    with records.db.read() as session:
        return session.get_one(TeamRecord, team).invite_key


def _shown(records: Records, submissions: Sequence[int]) -> Shown:
    with records.db.read() as session:
        found = [session.get_one(SubmissionRecord, one) for one in submissions]
        return [(one.shown_score, one.is_released) for one in found]


def _standings(records: Records, phase: int) -> dict[str, float]:
    with records.db.read() as session:
        rows = session.scalars(select(StandingRecord).where(StandingRecord.phase_id == phase))
        return {row.entrant: row.shown_score for row in rows}


def _rebuilt(records: Records, phase: int) -> dict[str, float]:
    with records.db.write() as session:
        standings.rebuild(session, phase)
    return _standings(records, phase)


@pytest.mark.both_databases
def test_eight_teams_one_after_the_other_show_one_score(records: Records) -> None:
    phase = _phase(records)
    competition = _competition(records, phase)
    made = []
    for number, score in enumerate((15.0, 12.86, 12.0, 14.0, 9.0, 13.0, 14.9, 12.5)):
        team = teams.create_team(records.db, competition, records.ann, f"team {number}")
        made.append(_submit(records, phase, records.ann, score, team))
        teams.leave_team(records.db, competition, records.ann)
    made.append(_submit(records, phase, records.ann, 11.0))
    assert _shown(records, made) == [(15.0, True), *[(None, False)] * 8]
    assert _standings(records, phase) == _rebuilt(records, phase) == {"t1": 15.0}


def test_a_better_score_is_shown_wherever_the_person_is_now(records: Records) -> None:
    phase = _phase(records)
    competition = _competition(records, phase)
    team = teams.create_team(records.db, competition, records.ann, "gaps")
    _submit(records, phase, records.ann, 15.0, team)
    teams.leave_team(records.db, competition, records.ann)
    better = _submit(records, phase, records.ann, 20.0)
    again = _submit(records, phase, records.ann, 17.0)
    assert _shown(records, [better, again]) == [(20.0, True), (20.0, False)]
    assert _standings(records, phase) == {f"t{team}": 15.0, f"u{records.ann}": 20.0}


@pytest.mark.both_databases
def test_a_deleted_account_is_remembered(records: Records) -> None:
    phase = _phase(records)
    competition = _competition(records, phase)
    team = teams.create_team(records.db, competition, records.ann, "gaps")
    teams.join_team(records.db, _invite(records, team), records.bob)
    first = _submit(records, phase, records.ann, 15.0, team)
    teams.leave_team(records.db, competition, records.bob)
    delete_account(records.db, records.ann, PASSWORD)
    delete_account(records.db, records.bob, PASSWORD)
    with records.db.read() as session:
        known = acquaintances(session, competition)
    assert known.persons == {f"t{team}": {records.ann, records.bob}}
    assert known.of(f"u{records.bob}") == {f"u{records.bob}", f"t{team}"}
    assert known.of(f"t{team}") == {f"t{team}", f"u{records.ann}", f"u{records.bob}"}
    late = _submit(records, phase, records.bob, 12.0)
    assert _shown(records, [first, late]) == [(15.0, True), (None, False)]


def test_the_memory_is_that_of_entrants_with_a_person_in_common_and_ends_there(records: Records) -> None:
    phase = _phase(records)
    competition = _competition(records, phase)
    cyd = register(records.db, "cyd", "cyd@example.org", PASSWORD)
    gaps = teams.create_team(records.db, competition, records.ann, "gaps")
    teams.join_team(records.db, _invite(records, gaps), records.bob)
    _submit(records, phase, records.ann, 15.0, gaps)
    teams.leave_team(records.db, competition, records.bob)
    more = teams.create_team(records.db, competition, records.bob, "more")
    teams.join_team(records.db, _invite(records, more), cyd)
    theirs = _submit(records, phase, cyd, 14.0, more)
    teams.leave_team(records.db, competition, cyd)
    own = _submit(records, phase, cyd, 10.0)
    stranger = _submit(records, phase, register(records.db, "dan", "dan@example.org", PASSWORD), 3.0)
    assert _shown(records, [theirs, own, stranger]) == [(None, False), (None, False), (3.0, True)]


def test_who_joins_brings_what_they_know(records: Records) -> None:
    phase = _phase(records)
    competition = _competition(records, phase)
    known = teams.create_team(records.db, competition, records.ann, "known")
    _submit(records, phase, records.ann, 15.0, known)
    teams.leave_team(records.db, competition, records.ann)
    other = teams.create_team(records.db, competition, records.bob, "other")
    theirs = _submit(records, phase, records.bob, 10.0, other)
    assert _shown(records, [theirs]) == [(10.0, True)]
    teams.join_team(records.db, _invite(records, other), records.ann)
    assert _shown(records, [theirs]) == [(None, False)]
    assert _standings(records, phase) == _rebuilt(records, phase) == {f"t{known}": 15.0}


@pytest.mark.both_databases
def test_what_is_accepted_later_waits_for_what_was_accepted_earlier(records: Records) -> None:
    phase = _phase(records)
    first, second = _wait(records, phase, records.ann), _wait(records, phase, records.ann)
    _end(records, second, 11.0)
    assert _shown(records, [first, second]) == [(None, False), (None, False)]
    assert _standings(records, phase) == {}
    _end(records, first, 22.0)
    assert _shown(records, [first, second]) == [(22.0, True), (22.0, False)]


@pytest.mark.both_databases
def test_a_cancelled_submission_is_not_waited_for(records: Records) -> None:
    phase = _phase(records)
    first, second = _wait(records, phase, records.ann), _wait(records, phase, records.ann)
    _end(records, second, 11.0)
    assert outcomes.cancel(records.db, first)
    assert _shown(records, [first, second]) == [(None, False), (11.0, True)]


@pytest.mark.both_databases
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_after_re_runs_all_is_as_if_they_had_ended_in_the_order_of_acceptance(
    records: Records, order: tuple[int, int]
) -> None:
    phase = _phase(records)
    made = [_submit(records, phase, records.ann, score) for score in (22.0, 11.0)]
    for one in made:
        records.next_attempt(one)
    assert _shown(records, made) == [(22.0, True), (22.0, False)]
    assert _standings(records, phase) == {f"u{records.ann}": 22.0}
    for place in order:
        _end(records, made[place], (22.0, 11.0)[place])
    assert _shown(records, made) == [(22.0, True), (22.0, False)]


def _noisy(score: float) -> Jackknife:
    """A score with a standard error of a point."""
    return of_mean([score / 100 + (0.1 if number % 2 else -0.1) for number in range(101)])


def _lose(records: Records, submission: int, how: str) -> None:
    """Let a submission that is evaluated again end without a score."""
    if how == "cancelled":
        assert outcomes.cancel(records.db, submission)
        return
    with records.db.write() as session:
        evaluations = session.get_one(SubmissionRecord, submission).evaluations
        outcomes.give_up(session, evaluations[-1], "The zoo could not be read.")


@pytest.mark.both_databases
@pytest.mark.parametrize("how", ["cancelled", "given up"])
@pytest.mark.parametrize(
    ("scores", "memory"),
    [
        ((17, 20, 23, 26, 29, 36), Ladder(1.0, degrees=5 * RELEASE)),
        ((17, 5, 6, 7, 8, 36), Ladder(1.0, degrees=RELEASE, tries=4)),
    ],
)
def test_a_re_run_that_ends_without_a_score_is_remembered(
    records: Records, how: str, scores: Sequence[float], memory: Ladder
) -> None:
    phase = _phase(records)
    made = [records.submission(phase, jackknives=[_noisy(score)]) for score in scores]
    assert sum(is_released for _, is_released in _shown(records, made)) - 1 == memory.degrees / RELEASE
    for one in made:
        records.next_attempt(one)
    for one in made[:-1]:
        _lose(records, one, how)
    records.end(made[-1], jackknives=[_noisy(42)])
    shown = memory.decide({"zoo": _noisy(42)}, None).shown
    assert shown < Ladder(1.0).decide({"zoo": _noisy(42)}, None).shown
    assert _standings(records, phase) == _rebuilt(records, phase) == {f"u{records.ann}": shown}
    assert [score for score, _ in _shown(records, made)] == [None] * 5 + [shown]
    later = records.submission(phase, jackknives=[_noisy(60)])
    assert _shown(records, [later])[0][1]
    with records.db.write() as session:
        standings.rebuild(session, phase, forget=True)  # as after a change of the step
    assert _shown(records, made)[-1] == (shown, True)


def test_a_re_run_that_has_lost_its_score_and_runs_again_is_not_on_the_board_meanwhile(records: Records) -> None:
    phase = _phase(records)
    first, last = _submit(records, phase, records.ann, 10.0), _submit(records, phase, records.ann, 15.0)
    records.next_attempt(last)
    _lose(records, last, "given up")
    assert _standings(records, phase) == {f"u{records.ann}": 10.0}
    records.next_attempt(last)
    assert _shown(records, [first, last]) == [(10.0, True), (None, True)]
    assert _standings(records, phase) == {f"u{records.ann}": 10.0}
    _end(records, last, 15.0)
    assert _standings(records, phase) == _rebuilt(records, phase) == {f"u{records.ann}": 15.0}


@pytest.mark.parametrize("any_db", ["postgresql"], indirect=True)
def test_two_scores_at_once_in_one_memory_are_decided_in_the_order_of_acceptance(records: Records) -> None:
    phase = _phase(records)
    competition = _competition(records, phase)
    team = teams.create_team(records.db, competition, records.ann, "gaps")
    teams.join_team(records.db, _invite(records, team), records.bob)
    teams.leave_team(records.db, competition, records.bob)
    first = records.submission(phase, records.ann, done=1, entrant=f"t{team}", team_id=team)
    second = _wait(records, phase, records.bob)
    overlap(records.db, lambda: _end(records, second, 30.0), lambda: _end(records, first, 40.0))
    assert _shown(records, [first, second]) == [(40.0, True), (None, False)]


@pytest.mark.parametrize("any_db", ["postgresql"], indirect=True)
def test_a_cancellation_and_a_score_at_once_leave_nothing_undecided(records: Records) -> None:
    phase = _phase(records)
    first, second = _wait(records, phase, records.ann), _wait(records, phase, records.ann)
    overlap(records.db, lambda: outcomes.cancel(records.db, first), lambda: _end(records, second, 30.0))
    assert _shown(records, [first, second]) == [(None, False), (30.0, True)]


TRIES = [[0.01 * ((7 * network * (place + 2)) % 40 + 30 + place) for network in range(24)] for place in range(6)]


@pytest.mark.parametrize("told", [True, False])
def test_scores_that_were_told_before_the_ladder_was_turned_on_are_remembered_as_told(
    records: Records, told: bool
) -> None:
    closes = utc_now() + timedelta(days=9)
    shows = ShowsScores.ALWAYS if told else ShowsScores.AFTER_CLOSE
    phase = records.phase(zoos=("digits-mlp",), shows_scores=shows, closes_at=closes)
    *before, late = [[of_mean(numbers)] for numbers in TRIES]
    made = [records.submission(phase, jackknives=one) for one in before]
    with records.db.read() as session:
        plan = plan_of(session.get_one(PhaseRecord, phase)).changed({"uses_ladder": True})
    if told:  # at first the scores end to be told, and the Ladder comes later
        after_close = plan.changed({"uses_ladder": False, "shows_scores": ShowsScores.AFTER_CLOSE, "closes_at": closes})
        change_phase(records.db, phase, after_close, user_id=None)
    change_phase(records.db, phase, plan, user_id=None, confirmed=True)
    made.append(records.submission(phase, jackknives=late))

    def shown(was_told: bool) -> Shown:
        memory, best = Ladder(1.0), None
        released: Shown = []
        for place, (jackknife,) in enumerate([*before, late]):
            new = {"zoo": jackknife}
            release = memory.decide(new, best)
            memory = memory.after(release, was_told=was_told and place < len(before))
            best = new if release.improved else best
            released.append((release.shown, release.improved))
        return released

    assert shown(True) != shown(False)
    assert _shown(records, made) == shown(told)
