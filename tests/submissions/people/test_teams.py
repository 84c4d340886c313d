"""Teams on both databases: who may make, join and leave one, what comes along, one quota, and closed phases."""

import threading
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from submissions.intake.quota import quota_of
from submissions.intake.submit import SubmissionRefused, submit
from submissions.leaderboard import entrants, standings
from submissions.people import teams
from submissions.people.accounts import register
from submissions.people.teams import TeamRefused
from submissions.storage.database import Database
from submissions.storage.records import (
    CompetitionRecord,
    CountRule,
    PhaseRecord,
    StandingRecord,
    SubmissionRecord,
    TeamMemberRecord,
    TeamRecord,
    utc_now,
)
from tests.factories import SQUARED_NORM, Competition, bundle_of
from tests.records import PASSWORD, START, Records

pytestmark = pytest.mark.both_databases


def _invite(db: Database, team_id: int) -> str:
    with db.read() as session:
        return session.get_one(TeamRecord, team_id).invite_key


def _team(db: Database, competition_id: int, user_id: int) -> teams.Team | None:
    with db.read() as session:
        return teams.team_of(session, competition_id, user_id)


def _names(db: Database, competition_id: int, user_id: int) -> list[str]:
    team = _team(db, competition_id, user_id)
    return [] if team is None else [member.name for member in team.members]


def _entrants(db: Database) -> dict[int, tuple[str, int | None]]:
    with db.read() as session:
        return {one.id: (one.entrant, one.team_id) for one in session.scalars(select(SubmissionRecord))}


def _standings(db: Database, phase_id: int) -> dict[str, int]:
    with db.read() as session:
        found = session.scalars(select(StandingRecord).where(StandingRecord.phase_id == phase_id))
        return {one.entrant: one.submission_id for one in found}


def _rebuild(db: Database, phase_id: int) -> dict[str, int]:
    with db.write() as session:
        standings.rebuild(session, phase_id)
    return _standings(db, phase_id)


def _competition_of(db: Database, phase_id: int) -> int:
    with db.read() as session:
        return session.get_one(PhaseRecord, phase_id).competition_id


def _change(db: Database, phase_id: int, **values: object) -> None:
    with db.write() as session:
        for name, value in values.items():
            setattr(session.get_one(PhaseRecord, phase_id), name, value)


def test_a_team_is_made_joined_by_its_link_and_left(records: Records) -> None:
    db = records.db
    competition = _competition_of(db, records.phase())
    team = teams.create_team(db, competition, records.ann, " The Gaps ")
    with db.read() as session:
        assert entrants.entrant_of(session, competition, records.ann) == (f"t{team}", team)
        assert entrants.entrant_of(session, competition, records.bob) == (f"u{records.bob}", None)
    assert teams.join_team(db, _invite(db, team), records.bob) == team
    assert _names(db, competition, records.bob) == ["ann", "bob"]
    with db.read() as session:
        assert [one.name for one in teams.teams_of(session, records.bob)] == ["The Gaps"]
    assert teams.leave_team(db, competition, records.ann)
    assert not teams.leave_team(db, competition, records.ann)
    assert _names(db, competition, records.bob) == ["bob"]
    assert _names(db, competition, records.ann) == []


def test_joining_again_changes_nothing(records: Records) -> None:
    db = records.db
    competition = _competition_of(db, records.phase())
    team = teams.create_team(db, competition, records.ann, "gaps")
    for _ in range(2):
        assert teams.join_team(db, _invite(db, team), records.bob) == team
    assert teams.join_team(db, _invite(db, team), records.ann) == team
    assert _names(db, competition, records.ann) == ["ann", "bob"]


def test_a_person_is_in_one_team_of_a_competition_but_in_several_of_different_ones(records: Records) -> None:
    db = records.db
    here, there = (_competition_of(db, records.phase(competition=slug)) for slug in ("here", "there"))
    first = teams.create_team(db, here, records.ann, "first")
    teams.create_team(db, there, records.ann, "first")
    second = teams.create_team(db, here, records.bob, "second")
    with pytest.raises(TeamRefused, match="already"):
        teams.create_team(db, here, records.ann, "third")
    with pytest.raises(TeamRefused, match="Leave that one first"):
        teams.join_team(db, _invite(db, second), records.ann)
    assert _invite(db, first) != _invite(db, second)


@pytest.mark.parametrize(
    "name",
    ["", "a", "a" * 41, "two  spaces", " -x-", "a\nb", "a\u200db", "bob", "BOB", "Deleted account 3", "Squared norm"],
)
def test_a_name_that_no_team_may_have(records: Records, name: str) -> None:
    competition = _competition_of(records.db, records.phase())
    with pytest.raises(TeamRefused, match="name"):
        teams.create_team(records.db, competition, records.ann, name)
    assert _team(records.db, competition, records.ann) is None


def test_a_name_is_taken_once_in_a_competition_and_may_be_ones_own(records: Records) -> None:
    db = records.db
    here, there = (_competition_of(db, records.phase(competition=slug)) for slug in ("here", "there"))
    teams.create_team(db, here, records.ann, "Ann")
    teams.create_team(db, there, records.ann, "Gaps")
    teams.create_team(db, here, records.bob, "Gaps")
    with pytest.raises(TeamRefused, match="taken"):
        teams.create_team(db, there, records.bob, "gAPS")


def test_a_team_has_at_most_so_many_members(records: Records) -> None:
    db = records.db
    competition = _competition_of(db, records.phase())
    with db.write() as session:
        session.get_one(CompetitionRecord, competition).team_members = 2
    team = teams.create_team(db, competition, records.ann, "gaps")
    teams.join_team(db, _invite(db, team), records.bob)
    cem = register(db, "cem", "cem@example.org", PASSWORD)
    with pytest.raises(TeamRefused, match="2 members"):
        teams.join_team(db, _invite(db, team), cem)
    teams.leave_team(db, competition, records.bob)
    teams.join_team(db, _invite(db, team), cem)


def test_two_who_join_at_once_do_not_overfill_a_team(records: Records) -> None:
    db = records.db
    competition = _competition_of(db, records.phase())
    with db.write() as session:
        session.get_one(CompetitionRecord, competition).team_members = 3
    team = teams.create_team(db, competition, records.ann, "gaps")
    people = [register(db, f"person{number}", f"p{number}@example.org", PASSWORD) for number in range(5)]
    answers: list[bool] = []

    def join(user_id: int) -> None:
        try:
            teams.join_team(db, _invite(db, team), user_id)
            answers.append(True)
        except TeamRefused:
            answers.append(False)

    threads = [threading.Thread(target=join, args=(person,)) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [False, False, False, True, True]
    assert len(_names(db, competition, records.ann)) == 3


def test_an_old_link_leads_nowhere_and_no_link_into_an_empty_team(records: Records) -> None:
    db = records.db
    competition = _competition_of(db, records.phase())
    team = teams.create_team(db, competition, records.ann, "gaps")
    old = _invite(db, team)
    assert teams.new_invite(db, competition, records.ann)
    assert not teams.new_invite(db, competition, records.bob)
    last = _invite(db, team)
    with pytest.raises(TeamRefused, match="is not valid any more"):
        teams.join_team(db, old, records.bob)
    teams.leave_team(db, competition, records.ann)
    with pytest.raises(TeamRefused, match="is not valid any more"):
        teams.join_team(db, last, records.bob)
    with db.read() as session:
        assert session.get(TeamRecord, team) is not None
        assert session.scalars(select(TeamMemberRecord)).all() == []


def test_who_joins_brings_their_submissions_and_the_board_shows_one_team(records: Records) -> None:
    db = records.db
    phase, elsewhere = records.phase(), records.phase(competition="other")
    ours = [
        records.submission(phase, records.ann, cmi=(0.1, 0.2)),
        records.submission(phase, records.bob, cmi=(0.3, 0.3)),
    ]
    others = [
        records.submission(elsewhere, records.bob, cmi=(0.1, 0.2)),
        records.submission(phase, records.system, cmi=(0.1, 0.2), is_baseline=True),
    ]
    assert len(_rebuild(db, phase)) == 3
    competition = _competition_of(db, phase)
    team = teams.create_team(db, competition, records.ann, "gaps")
    assert _entrants(db)[ours[0]] == (f"t{team}", team)
    teams.join_team(db, _invite(db, team), records.bob)
    entrants = _entrants(db)
    assert {entrants[one] for one in ours} == {(f"t{team}", team)}
    assert [entrants[one][1] for one in others] == [None, None]
    board = _standings(db, phase)
    assert board[f"t{team}"] == ours[1]
    assert len(board) == 2
    assert board == _rebuild(db, phase)


def test_what_was_made_for_the_team_stays_with_it(records: Records) -> None:
    db = records.db
    phase = records.phase()
    made = records.submission(phase, records.ann, cmi=(0.1, 0.2))
    team = teams.create_team(db, _competition_of(db, phase), records.ann, "gaps")
    teams.leave_team(db, _competition_of(db, phase), records.ann)
    assert _entrants(db)[made] == (f"t{team}", team)
    assert _standings(db, phase) == {f"t{team}": made}
    second = teams.create_team(db, _competition_of(db, phase), records.ann, "again")
    assert _entrants(db)[made] == (f"t{team}", team)
    assert second != team


def test_a_team_has_one_chosen_submission_after_somebody_joined(records: Records) -> None:
    db = records.db
    phase = records.phase(count_rule=CountRule.CHOSEN)
    anns = records.submission(phase, records.ann, cmi=(0.1, 0.2), is_chosen=True)
    bobs = records.submission(phase, records.bob, cmi=(0.3, 0.3), is_chosen=True)
    team = teams.create_team(db, _competition_of(db, phase), records.ann, "gaps")
    assert _standings(db, phase)[f"t{team}"] == anns
    teams.join_team(db, _invite(db, team), records.bob)
    with db.read() as session:
        chosen = session.scalars(select(SubmissionRecord.id).where(SubmissionRecord.is_chosen)).all()
    assert chosen == [anns]
    assert _standings(db, phase) == {f"t{team}": anns}
    assert bobs not in chosen


@pytest.mark.parametrize("closed_for", [timedelta(0), timedelta(days=3)])
def test_nobody_merges_after_a_phases_deadline(records: Records, closed_for: timedelta) -> None:
    db = records.db
    now = START + timedelta(days=10)
    early, late = records.phase("early"), records.phase("late")
    competition = _competition_of(db, early)
    _change(db, early, closes_at=now - closed_for)
    records.submission(early, records.ann, cmi=(0.1, 0.2))
    with pytest.raises(TeamRefused, match="You have submissions in Early phase"):
        teams.create_team(db, competition, records.ann, "gaps", now)
    team = teams.create_team(db, competition, records.bob, "gaps", now)  # bob has nothing in a closed phase
    with pytest.raises(TeamRefused, match="You have submissions in Early phase"):
        teams.join_team(db, _invite(db, team), records.ann, now)
    cem = register(db, "cem", "cem@example.org", PASSWORD)
    teams.join_team(db, _invite(db, team), cem, now)
    _change(db, late, closes_at=now)
    dee = register(db, "dee", "dee@example.org", PASSWORD)
    with pytest.raises(TeamRefused, match="Every phase"):
        teams.join_team(db, _invite(db, team), dee, now)
    assert teams.leave_team(db, competition, cem)


def test_nobody_joins_a_team_that_has_results_in_a_closed_phase(records: Records) -> None:
    db = records.db
    now = START + timedelta(days=10)
    early = records.phase("early")
    records.phase("late")
    records.submission(early, records.ann, cmi=(0.1, 0.2))
    team = teams.create_team(db, _competition_of(db, early), records.ann, "gaps", START)
    _change(db, early, closes_at=now)
    with pytest.raises(TeamRefused, match="The team has submissions in Early phase"):
        teams.join_team(db, _invite(db, team), records.bob, now)
    teams.join_team(db, _invite(db, team), records.bob, now - timedelta(seconds=1))


def test_a_team_has_one_quota_and_leaving_gives_nobody_a_new_one(records: Records) -> None:
    db = records.db
    phase = records.phase(daily_quota=4)
    competition = _competition_of(db, phase)
    now = utc_now()

    def remaining(user_id: int, moment: datetime = now) -> int:
        with db.read() as session:
            return quota_of(session, session.get_one(PhaseRecord, phase), user_id, moment).remaining

    records.submission(phase, records.ann, created_now=True)
    records.submission(phase, records.bob, created_now=True)
    assert (remaining(records.ann), remaining(records.bob)) == (3, 3)
    team = teams.create_team(db, competition, records.ann, "gaps")
    teams.join_team(db, _invite(db, team), records.bob)
    assert (remaining(records.ann), remaining(records.bob)) == (2, 2)
    records.submission(phase, records.ann, created_now=True, entrant=f"t{team}", team_id=team)
    assert (remaining(records.ann), remaining(records.bob)) == (1, 1)
    teams.leave_team(db, competition, records.ann)
    assert (remaining(records.ann), remaining(records.bob)) == (2, 1)  # ann has made two of the team's three
    teams.create_team(db, competition, records.ann, "again")
    assert remaining(records.ann) == 2
    assert remaining(records.ann, now + timedelta(days=2)) == 4


def test_a_submission_is_its_teams_and_two_members_do_not_share_a_quotas_rest(competition: Competition) -> None:
    db = competition.db
    ada, bea = competition.user("ada"), competition.user("bea")
    competition_id = _competition_of(db, competition.phase_id)
    team = teams.create_team(db, competition_id, ada, "gaps")
    teams.join_team(db, _invite(db, team), bea)
    _change(db, competition.phase_id, daily_quota=3)
    first = competition.submit(ada)
    assert _entrants(db)[first] == (f"t{team}", team)
    refused: list[str] = []

    def submit(user_id: int) -> None:
        try:
            competition.submit(user_id)
        except SubmissionRefused as error:
            refused.append(str(error))

    threads = [threading.Thread(target=submit, args=(user_id,)) for user_id in (ada, bea, ada, bea)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(_entrants(db)) == 3
    assert len(refused) == 2
    assert all(sentence.startswith("Your team's 3 submissions") for sentence in refused)


def test_a_baseline_is_never_a_teams(competition: Competition) -> None:
    db = competition.db
    ada = competition.user("ada")
    teams.create_team(db, _competition_of(db, competition.phase_id), ada, "gaps")
    made = submit(
        db,
        competition.store,
        phase_id=competition.phase_id,
        user_id=ada,
        name="norm",
        bundle=bundle_of(SQUARED_NORM),
        is_baseline=True,
    )
    entrant, team_id = _entrants(db)[made]
    assert (entrant[0], team_id) == ("b", None)


def test_a_member_is_whoever_is_in_the_team_now(records: Records) -> None:
    db = records.db
    phase = records.phase()
    records.submission(phase, records.ann, cmi=(0.1, 0.2))
    competition = _competition_of(db, phase)
    team = teams.create_team(db, competition, records.ann, "gaps")
    teams.join_team(db, _invite(db, team), records.bob)

    def members() -> list[bool]:
        with db.read() as session:
            submission = session.scalars(select(SubmissionRecord)).one()
            return [
                entrants.is_member(session, submission, person) for person in (records.ann, records.bob, records.system)
            ]

    assert members() == [True, True, False]
    teams.leave_team(db, competition, records.bob)
    assert members() == [True, False, False]
