"""Where a phase begins and ends, and where a submission leaves the last 24 hours: the moments themselves."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from submissions.intake.quota import Quota, quota_of, refusal
from submissions.people.accounts import create_organizer
from submissions.people.teams import create_team, join_team, leave_team
from submissions.storage.records import PhaseRecord, TeamRecord, UserRecord
from submissions.storage.states import Reason, State
from tests.records import PASSWORD, START, Records

pytestmark = pytest.mark.parametrize("any_db", ["sqlite"], indirect=True)
TICK = timedelta(microseconds=1)


def quota(records: Records, phase_id: int, hours: float = 0.0) -> Quota:
    """What ann has left so many hours after START."""
    with records.db.read() as session:
        phase = session.get_one(PhaseRecord, phase_id)
        return quota_of(session, phase, records.ann, START + timedelta(hours=hours))


def test_a_phase_takes_submissions_from_its_first_moment_to_the_one_before_its_last(records: Records) -> None:
    phase_id = records.phase(closes_at=START + timedelta(days=1))
    moments = (START - TICK, START, START + timedelta(days=1) - TICK, START + timedelta(days=1))
    with records.db.read() as session:
        phase = session.get_one(PhaseRecord, phase_id)
        told = [refusal(session, phase, records.ann, moment) for moment in moments]
    assert told[1:3] == [None, None]
    assert str(told[0]).startswith("This phase opens on")
    assert str(told[3]).startswith("This phase closed on")


def test_a_submission_counts_for_exactly_a_day(records: Records) -> None:
    phase_id = records.phase()
    records.submission(phase_id, cmi=(0.1, 0.1), spends_quota=True)
    assert quota(records, phase_id, 23.999).spent == 1
    assert quota(records, phase_id, 24).spent == 0


def test_what_is_broken_a_baseline_somebody_elses_or_of_another_phase_is_free(records: Records) -> None:
    phase_id = records.phase()
    for fields in (
        {"state": State.BROKEN},
        {"cmi": (0.1, 0.1), "is_baseline": True},
        {"user_id": records.bob},
    ):
        records.submission(phase_id, spends_quota=True, **fields)
    records.submission(records.phase("other"), spends_quota=True)
    now = quota(records, phase_id)
    assert (now.spent, now.held, now.unspent) == (0, 0, 0)


def test_the_bound_on_uploads_that_spend_nothing_is_the_last_that_is_refused(records: Records) -> None:
    phase_id = records.phase(daily_smoke_failures=2)
    for count, is_refused in ((1, False), (2, True)):
        records.submission(phase_id, reason=Reason.RAISED)
        with records.db.read() as session:
            why = refusal(session, session.get_one(PhaseRecord, phase_id), records.ann, START)
        assert quota(records, phase_id).unspent == count
        assert (why is not None) is is_refused


def test_a_quota_of_the_whole_phase_never_resets(records: Records) -> None:
    phase_id = records.phase(total_quota=2)
    for fields, used in (
        ({"spends_quota": True, "cmi": (0.1, 0.1)}, 1),
        ({"reason": Reason.RAISED}, 1),  # failed in its smoke run
        ({"state": State.BROKEN, "spends_quota": True}, 1),
        ({"state": State.QUEUED}, 2),  # holds a place
    ):
        records.submission(phase_id, **fields)
        assert quota(records, phase_id).used == used
    for hours in (0, 24 * 365):
        left = quota(records, phase_id, hours)
        assert (left.total, left.remaining_in_all, left.remaining) == (2, 0, 0)
        with records.db.read() as session:
            phase = session.get_one(PhaseRecord, phase_id)
            why = refusal(session, phase, records.ann, START + timedelta(hours=hours))
            assert refusal(session, phase, records.bob, START + timedelta(hours=hours)) is None
        assert "2 submissions" in str(why)
        assert "never resets" in str(why)


def test_without_a_quota_of_the_whole_phase_only_the_day_counts(records: Records) -> None:
    phase_id = records.phase()
    records.submission(phase_id, cmi=(0.1, 0.1), spends_quota=True)
    left = quota(records, phase_id, 24)
    assert (left.total, left.remaining_in_all, left.remaining) == (None, None, left.daily)


def test_an_organizer_needs_no_verified_address(records: Records) -> None:
    phase_id = records.phase()
    olga = create_organizer(records.db, "olga", PASSWORD)
    with records.db.read() as session:
        phase = session.get_one(PhaseRecord, phase_id)
        assert [session.get_one(UserRecord, user).email_verified_at for user in (records.ann, olga)] == [None, None]
        why, of_olga = (refusal(session, phase, user, START, verified_mail_needed=True) for user in (records.ann, olga))
        assert refusal(session, phase, records.ann, START) is None
    assert str(why).startswith("Verify your email address first")
    assert of_olga is None


def competition_of(records: Records, phase_id: int) -> int:
    with records.db.read() as session:
        return session.get_one(PhaseRecord, phase_id).competition_id


def team_of_both(records: Records, phase_id: int) -> int:
    """Put ann and bob into a team of the phase's competition. Its id."""
    team = create_team(records.db, competition_of(records, phase_id), records.ann, "gaps", START)
    with records.db.read() as session:
        key = session.get_one(TeamRecord, team).invite_key
    join_team(records.db, key, records.bob, START)
    return team


def test_begun_waiting_and_ended_submissions_are_counted_apart(records: Records) -> None:
    phase_id = records.phase(daily_quota=9)
    records.submission(phase_id, cmi=(0.1, 0.1), spends_quota=True)
    records.submission(phase_id, done=1, spends_quota=True)
    for _ in range(2):
        records.submission(phase_id, done=1)  # in its smoke run
    for _ in range(3):
        records.submission(phase_id)
    records.submission(phase_id, reason=Reason.RAISED)
    records.submission(phase_id, state=State.CANCELLED)
    now = quota(records, phase_id)
    assert now == Quota(daily=9, spent=2, held=5, unspent=2, unspent_limit=90, is_teams=False, used=7)
    assert now.remaining == 2


def test_more_than_the_quota_leaves_nothing(records: Records) -> None:
    phase_id = records.phase(daily_quota=1)
    for _ in range(2):
        records.submission(phase_id)
    assert quota(records, phase_id).remaining == 0


def test_a_team_shares_one_quota_and_whoever_leaves_it_keeps_what_they_spent(records: Records) -> None:
    phase_id = records.phase()
    team = team_of_both(records, phase_id)
    records.submission(phase_id, records.bob, entrant=f"t{team}", team_id=team, spends_quota=True)
    records.submission(phase_id, records.ann, entrant=f"t{team}", team_id=team)
    shared = quota(records, phase_id)
    assert (shared.spent, shared.held, shared.is_teams) == (1, 1, True)
    assert leave_team(records.db, competition_of(records, phase_id), records.ann)
    alone = quota(records, phase_id)
    assert (alone.spent, alone.held, alone.is_teams) == (0, 1, False)


FREE = "The next one is free on 02 March 2026 at 12:01 UTC."
TAKEN = f"Wait for these, or cancel one. {FREE}"
FAILED = (
    "uploads in the last 24 hours failed in their smoke run or were cancelled before they began, and this phase takes "
    f"no more. Try the measure on your own machine first: gengap evaluate. {FREE}"
)


@pytest.mark.parametrize(
    ("submissions", "of_one", "of_a_team"),
    [
        ([{"spends_quota": True, "done": 1}] * 2, "You have used all 2", "Your team has used all 2"),
        ([{"spends_quota": True, "done": 1}, {}], "Your 2", "Your team's 2"),
        ([{"reason": Reason.RAISED}] * 3, "3 of your", "3 of your team's"),
    ],
)
def test_a_refusal_says_whose_quota_is_used_up_and_what_to_do(
    records: Records, submissions: list[dict[str, object]], of_one: str, of_a_team: str
) -> None:
    phase_id = records.phase(daily_quota=2, daily_smoke_failures=3)
    for fields in submissions:
        records.submission(phase_id, **fields)  # type: ignore[arg-type]
    ends = {
        "You have used all 2": f"submissions of the last 24 hours in this phase. {FREE}",
        "Your 2": f"submissions of the last 24 hours in this phase are used or reserved: 1 used, 1 waiting. {TAKEN}",
        "3 of your": FAILED,
    }

    def told() -> str | None:
        with records.db.read() as session:
            return refusal(session, session.get_one(PhaseRecord, phase_id), records.ann, START)

    assert told() == f"{of_one} {ends[of_one]}"
    team_of_both(records, phase_id)
    assert told() == f"{of_a_team} {ends[of_one]}"


def test_a_refusal_names_the_dates_of_the_phase_or_the_way_to_a_verified_address(records: Records) -> None:
    closes = START + timedelta(days=1)
    phase_id = records.phase(closes_at=closes)
    with records.db.read() as session:
        phase = session.get_one(PhaseRecord, phase_id)
        early, late = (refusal(session, phase, records.ann, moment) for moment in (START - TICK, closes))
        unverified = refusal(session, phase, records.ann, START, verified_mail_needed=True)
        session.get_one(UserRecord, records.ann).email_verified_at = START
        verified = refusal(session, phase, records.ann, START, verified_mail_needed=True)
    assert early == "This phase opens on 01 March 2026 at 12:00 UTC."
    assert late == "This phase closed on 02 March 2026 at 12:00 UTC."
    assert unverified == "Verify your email address first: the page of your account sends you the link again."
    assert verified is None


@pytest.mark.parametrize("ended_early", [False, True])
@pytest.mark.parametrize("ages_h", [(3, 2, 1), (20, 1, 1), (23, 22, 21, 20, 5)])
def test_a_refusal_says_when_the_next_submission_is_free_to_the_minute(
    records: Records, ages_h: tuple[int, ...], ended_early: bool
) -> None:
    phase_id = records.phase(daily_quota=3, daily_smoke_failures=3)
    fields = {"reason": Reason.RAISED} if ended_early else {"spends_quota": True, "done": 1}
    for age in ages_h:
        records.submission(phase_id, hours=-age, **fields)

    def told(moment: datetime) -> str | None:
        with records.db.read() as session:
            return refusal(session, session.get_one(PhaseRecord, phase_id), records.ann, moment)

    now = str(told(START))
    named = re.search(r"The next one is free on (.+) UTC\.$", now)
    assert named is not None, now
    free = datetime.strptime(named[1], "%d %B %Y at %H:%M").replace(tzinfo=UTC)
    assert told(free) is None
    assert told(free - timedelta(minutes=2)) is not None


def test_a_phase_that_closes_before_the_next_is_free_says_so(records: Records) -> None:
    phase_id = records.phase(daily_quota=1, closes_at=START + timedelta(hours=5))
    records.submission(phase_id, spends_quota=True, done=1)
    with records.db.read() as session:
        why = refusal(session, session.get_one(PhaseRecord, phase_id), records.ann, START)
    assert str(why).endswith("The phase closes before the next one is free.")
