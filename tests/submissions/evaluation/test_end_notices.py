"""What people are told when a submission ends, through the lifecycle, on both databases."""

from typing import Any

import pytest
from sqlalchemy import select, update

from submissions.evaluation import outcomes, queue
from submissions.intake import submit
from submissions.messages import notifications
from submissions.people import teams
from submissions.people.account_deletion import delete_account
from submissions.storage.database import Database
from submissions.storage.records import (
    MailRecord,
    NotificationRecord,
    PhaseRecord,
    SubmissionRecord,
    TeamRecord,
    UserRecord,
    utc_now,
)
from submissions.storage.states import Reason
from tests.factories import SQUARED_NORM, Competition, bundle_of
from tests.records import Records

NAME = "measure"


def _told(db: Database) -> list[tuple[int, str]]:
    with db.read() as session:
        query = select(NotificationRecord.user_id, NotificationRecord.text).order_by(NotificationRecord.id)
        return [(user_id, text) for user_id, text in session.execute(query)]


def _mails(db: Database) -> list[MailRecord]:
    with db.read() as session:
        return list(session.scalars(select(MailRecord).order_by(MailRecord.id)))


def _verified(competition: Competition, name: str, **values: Any) -> int:
    user_id = competition.user(name)
    with competition.db.write() as session:
        session.execute(
            update(UserRecord).where(UserRecord.id == user_id).values({"email_verified_at": utc_now(), **values})
        )
    return user_id


def _change_phase(competition: Competition, **values: Any) -> None:
    with competition.db.write() as session:
        session.execute(update(PhaseRecord).values(**values))


def _fail(competition: Competition, submission_id: int) -> None:
    claim = competition.claim()
    assert claim is not None
    assert competition.fail(claim, claim.runs[0], Reason.NOT_FINITE)
    queue.release(competition.db, claim.owner)


def test_a_scored_submission_is_told_on_the_pages_and_by_mail_once(competition: Competition) -> None:
    ada = _verified(competition, "ada")
    submission = competition.submit(ada, name=NAME)
    assert (_told(competition.db), _mails(competition.db)) == ([], [])
    competition.work_through()
    score = competition.submission(submission).score
    sentence = f"“{NAME}” was scored {score:.2f} in Main phase of A competition for tests."
    assert _told(competition.db) == [(ada, sentence)]
    (mail,) = _mails(competition.db)
    assert (mail.address, mail.subject) == ("ada@example.org", f"“{NAME}” was scored {score:.2f}")
    assert sentence in mail.text
    assert f"{{site}}/submissions/{submission}\n" in mail.text


def test_a_failed_submission_is_told_with_its_reason(competition: Competition) -> None:
    ada = _verified(competition, "ada")
    _fail(competition, competition.submit(ada, name=NAME))
    sentence = f"“{NAME}” failed in Main phase of A competition for tests. The measure returned nan or an infinity."
    assert _told(competition.db) == [(ada, sentence)]
    assert _mails(competition.db)[0].subject == f"“{NAME}” failed"


def test_our_own_fault_is_told_as_ours(competition: Competition) -> None:
    ada = _verified(competition, "ada")
    submission = competition.submit(ada, name=NAME)
    with competition.db.write() as session:
        evaluation = session.get_one(SubmissionRecord, submission).evaluations[0]
        outcomes.give_up(session, evaluation, "The worker died three times.")
    ((_, text),) = _told(competition.db)
    assert "could not be evaluated" in text
    assert "The fault is ours" in text


def test_what_the_author_cancels_is_told_to_nobody(competition: Competition) -> None:
    submission = competition.submit(_verified(competition, "ada"))
    outcomes.cancel(competition.db, submission)
    assert (_told(competition.db), _mails(competition.db)) == ([], [])


@pytest.mark.parametrize("values", [{"wants_mail": False}, {"email_verified_at": None}, {"email": None}])
def test_who_wants_no_mail_or_has_no_verified_address_is_told_on_the_pages_alone(
    competition: Competition, values: dict[str, object]
) -> None:
    _fail(competition, competition.submit(_verified(competition, "ada", **values)))
    assert len(_told(competition.db)) == 1
    assert _mails(competition.db) == []


def test_a_team_is_told_as_well_and_nobody_who_left_or_is_gone(competition: Competition) -> None:
    db = competition.db
    ada, bea, cem, dee = (_verified(competition, name) for name in ("ada", "bea", "cem", "dee"))
    with db.read() as session:
        competition_id = session.get_one(PhaseRecord, competition.phase_id).competition_id
    teams.create_team(db, competition_id, ada, "gaps")
    with db.read() as session:
        key = session.scalars(select(TeamRecord.invite_key)).one()
    for person in (bea, cem, dee):
        teams.join_team(db, key, person)
    submission = competition.submit(ada)
    teams.leave_team(db, competition_id, cem)
    delete_account(db, dee, "correct horse battery")
    _fail(competition, submission)
    assert [user_id for user_id, _ in _told(db)] == [ada, bea]
    assert [mail.address for mail in _mails(db)] == ["ada@example.org", "bea@example.org"]


def test_a_later_attempt_is_told_on_the_pages_alone(competition: Competition) -> None:
    submission = competition.submit(_verified(competition, "ada"), name=NAME)
    _fail(competition, submission)
    outcomes.rerun(competition.db, submission)
    _fail(competition, submission)
    assert [text.split(" in ")[0] for _, text in _told(competition.db)] == [
        f"“{NAME}” failed",
        f"“{NAME}” failed again",
    ]
    assert len(_mails(competition.db)) == 1


def test_under_the_ladder_nobody_is_told_more_than_what_was_released(competition: Competition) -> None:
    _change_phase(competition, uses_ladder=True)
    ada = _verified(competition, "ada")
    submissions = [competition.submit(ada), competition.submit(ada)]  # the second is no better than the first
    competition.work_through()
    shown = [competition.submission(one).shown_score for one in submissions]
    for (_, text), score in zip(_told(competition.db), shown, strict=True):
        assert ("was scored in" in text) if score is None else (f"was scored {score:.0f} in" in text)


def test_a_baseline_is_told_to_nobody(competition: Competition) -> None:
    submit.submit(
        competition.db,
        competition.store,
        phase_id=competition.phase_id,
        user_id=_verified(competition, "ada"),
        name="norm",
        bundle=bundle_of(SQUARED_NORM),
        is_baseline=True,
    )
    competition.work_through()
    assert _told(competition.db) == []


def test_notifications_are_read_one_by_one_or_all_and_only_by_whose_they_are(records: Records) -> None:
    db = records.db
    with db.write() as session:
        for person, text in ((records.ann, "one"), (records.bob, "bobs"), (records.ann, "two"), (records.ann, "three")):
            session.add(NotificationRecord(user_id=person, text=text))
            session.flush()

    def unread(user_id: int) -> tuple[list[str], int]:
        with db.read() as session:
            listed = [one.text for one in notifications.notices_of(session, user_id) if not one.is_read]
            count = session.scalars(select(notifications.unread(UserRecord.id)).where(UserRecord.id == user_id)).one()
            return listed, count

    with db.read() as session:
        ids = {one.text: one.id for one in notifications.notices_of(session, records.ann)}
    assert unread(records.ann) == (["three", "two", "one"], 3)
    notifications.mark_read(db, records.bob, ids["two"])
    assert unread(records.ann) == (["three", "two", "one"], 3)
    notifications.mark_read(db, records.ann, ids["two"])
    assert unread(records.ann) == (["three", "one"], 2)
    notifications.mark_read(db, records.ann)
    assert (unread(records.ann), unread(records.bob)) == (([], 0), (["bobs"], 1))
