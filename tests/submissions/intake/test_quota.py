"""Where a phase begins and ends, and where a submission leaves the last 24 hours: the moments themselves."""

from datetime import timedelta

import pytest

from submissions.intake.quota import Quota, quota_of, refusal
from submissions.people.accounts import create_organizer
from submissions.storage.records import PhaseRecord, UserRecord
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
    assert (quota(records, phase_id).spent, quota(records, phase_id).held) == (0, 0)


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
