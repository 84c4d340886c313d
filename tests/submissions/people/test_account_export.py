"""The export of an account and its deletion, on both databases: what is in the one, what the other leaves."""

import io
import json
import zipfile
from typing import Any

import pytest
from sqlalchemy import Enum, String, func, select

from submissions.intake.bundle_store import BundleStore
from submissions.leaderboard import standings
from submissions.messages import outbox
from submissions.people import accounts, sessions, teams, tokens
from submissions.people.account_deletion import DeletionRefused, delete_account
from submissions.people.account_export import write_export
from submissions.storage import idempotency
from submissions.storage.database import Database
from submissions.storage.records import (
    ApiTokenRecord,
    IdempotencyRecord,
    MailRecord,
    NotificationRecord,
    PhaseRecord,
    SessionRecord,
    StandingRecord,
    SubmissionRecord,
    TeamMemberRecord,
    UserRecord,
    utc_now,
)
from submissions.storage.states import Reason
from tests.records import PASSWORD, Records

CODE = b"def complexity(model, dataset):\n    return 1.0\n"
TEXTS = [  # the columns of a submission that hold free text
    column.name
    for column in SubmissionRecord.__table__.columns
    if isinstance(column.type, String) and not isinstance(column.type, Enum)
]
KEPT = {  # what a deleted account leaves of them, and why
    "name": "what leaderboards call the measure",
    "filename": "of the upload, which stays",
    "bundle_sha256": "says which upload it is",
    "entrant": "a number, under which the submission stays on the leaderboard",
    "track": "one of two words",
    "detail": "where the measure failed, which belongs to its state",
}


def _export(records: Records, store: BundleStore) -> tuple[dict[str, Any], list[dict[str, Any]], zipfile.ZipFile]:
    file = io.BytesIO()
    write_export(records.db, store, records.ann, file)
    archive = zipfile.ZipFile(file)
    return json.loads(archive.read("account.json")), json.loads(archive.read("submissions.json")), archive


def _competition(db: Database, phase: int) -> int:
    with db.read() as session:
        return session.get_one(PhaseRecord, phase).competition_id


def _set(db: Database, submission_id: int, **values: object) -> None:
    with db.write() as session:
        for name, value in values.items():
            setattr(session.get_one(SubmissionRecord, submission_id), name, value)


def test_the_export_holds_everything_of_the_account_and_nothing_of_others(records: Records, store: BundleStore) -> None:
    db = records.db
    phase = records.phase()
    made = records.submission(phase, records.ann, cmi=(0.2, 0.4), description="An idea.", link="https://example.org")
    _set(db, made, bundle_sha256=store.put(CODE))
    records.submission(phase, records.bob, cmi=(0.1, 0.1), name="Bob's secret")
    teams.create_team(db, _competition(db, phase), records.ann, "The Gaps")
    tokens.create_token(db, records.ann, "laptop", ["read"])
    sessions.begin(db, records.ann, "Firefox on Mars")
    with db.write() as session:
        session.add(NotificationRecord(user_id=records.ann, text="It was scored.", submission_id=made))
        session.add(NotificationRecord(user_id=records.bob, text="Bob's secret"))
    account, submissions, archive = _export(records, store)
    assert (account["name"], account["email"], account["role"]) == ("ann", "ann@example.org", "participant")
    assert [(team["name"], team["competition"]) for team in account["teams"]] == [("The Gaps", "demo")]
    assert [session["browser"] for session in account["sessions"]] == ["Firefox on Mars"]
    assert [(token["name"], token["scopes"]) for token in account["tokens"]] == [("laptop", ["read"])]
    assert [notice["text"] for notice in account["notifications"]] == ["It was scored."]
    (submission,) = submissions
    assert (submission["id"], submission["description"], submission["team"]) == (made, "An idea.", "The Gaps")
    assert submission["score"] == pytest.approx(30.0)
    assert archive.read(submission["code"]) == CODE
    for evaluation in submission["evaluations"]:
        assert len(evaluation["values"]) == evaluation["networks"] == 12
    assert "secret" not in json.dumps([account, submissions])
    assert not {"password", "token_sha256", "key"} & account.keys()


def test_the_export_tells_no_more_of_scores_than_their_author_may_see(records: Records, store: BundleStore) -> None:
    secret = records.phase("secret", zoos=("hidden-mlp",), truth_public=False)
    laddered = records.phase("laddered", competition="other", uses_ladder=True)
    records.submission(secret, records.ann, cmi=(0.2,))
    records.submission(laddered, records.ann, cmi=(0.2, 0.4), shown_score=25.0)
    _, (hidden, withheld), _ = _export(records, store)
    assert hidden["score"] == pytest.approx(20.0)
    assert [evaluation["values"] for evaluation in hidden["evaluations"]] == [None]
    assert (withheld["score"], withheld["shown_score"]) == (25.0, 25.0)
    assert {evaluation["cmi"] for evaluation in withheld["evaluations"]} == {None}


def test_an_upload_that_is_lost_does_not_spoil_the_export(records: Records, store: BundleStore) -> None:
    records.submission(records.phase(), records.ann, cmi=(0.2, 0.4))
    _, (submission,), archive = _export(records, store)
    assert submission["code"] is None
    assert sorted(archive.namelist()) == ["account.json", "submissions.json"]


def test_a_deleted_account_keeps_its_place_on_the_board_and_nothing_of_the_person(
    records: Records, store: BundleStore
) -> None:
    db = records.db
    phase = records.phase()
    made = records.submission(phase, records.ann, cmi=(0.2, 0.4), description="Mine", link="https://a.org", alias="Ada")
    with db.write() as session:
        standings.rebuild(session, phase)
        before = session.get_one(PhaseRecord, phase).board_version
        outbox.write_mail(session, "ann@example.org", "Hello", "Hello")
        outbox.write_mail(session, "bob@example.org", "Hello", "Hello")
        session.add(NotificationRecord(user_id=records.ann, text="It was scored.", submission_id=made))
    tokens.create_token(db, records.ann, "laptop", ["read"])
    key = sessions.begin(db, records.ann, "Firefox")
    idempotency.begin(db, "k" * 64, "r" * 64, user_id=records.ann)
    delete_account(db, records.ann, PASSWORD)
    with db.read() as session:
        user = session.get_one(UserRecord, records.ann)
        assert (user.name, user.email, user.password_hash, user.wants_mail) == (
            f"deleted account {records.ann}",
            None,
            None,
            False,
        )
        assert user.deleted_at is not None
        for table in (ApiTokenRecord, IdempotencyRecord, NotificationRecord, SessionRecord, TeamMemberRecord):
            assert session.scalar(select(func.count()).select_from(table)) == 0
        assert session.scalars(select(MailRecord.address)).all() == ["bob@example.org"]
        submission = session.get_one(SubmissionRecord, made)
        assert (submission.description, submission.link, submission.alias) == ("", "", None)
        assert submission.score == pytest.approx(30.0)
        assert session.scalars(select(StandingRecord.submission_id)).all() == [made]
        assert session.get_one(PhaseRecord, phase).board_version == before + 1
    assert sessions.find(db, records.ann, key) is None
    for name in ("ann", "ann@example.org", f"deleted account {records.ann}"):
        assert accounts.authenticate(db, name, PASSWORD) is None
    accounts.register(db, "ann", "ann@example.org", PASSWORD)  # the name and the address are free again


def test_a_deleted_account_leaves_no_text_of_a_submission_but_for_these(records: Records) -> None:
    made = records.submission(records.phase(), records.ann, cmi=(0.2, 0.4))
    _set(records.db, made, **dict.fromkeys(TEXTS, "a text"))
    delete_account(records.db, records.ann, PASSWORD)
    with records.db.read() as session:
        submission = session.get_one(SubmissionRecord, made)
        assert {name for name in TEXTS if getattr(submission, name) == "a text"} == KEPT.keys()


def test_the_export_holds_every_text_of_a_submission(records: Records, store: BundleStore) -> None:
    made = records.submission(records.phase(), records.ann, reason=Reason.RAISED)
    texts = {
        name: f"text {number}" for number, name in enumerate(TEXTS) if name not in ("entrant", "alias_skeleton")
    }  # keys of ours
    _set(records.db, made, **texts)
    _, (submission,), _ = _export(records, store)
    assert set(texts.values()) <= set(map(str, submission.values()))


def test_deleting_needs_the_password(records: Records) -> None:
    with pytest.raises(DeletionRefused, match="not your password"):
        delete_account(records.db, records.ann, "wrong")
    assert accounts.authenticate(records.db, "ann", PASSWORD) is not None


def test_what_was_made_for_a_team_stays_the_teams(records: Records) -> None:
    db = records.db
    phase = records.phase()
    made = records.submission(phase, records.ann, cmi=(0.2, 0.4), description="Ours")
    team_id = teams.create_team(db, _competition(db, phase), records.ann, "gaps")
    with db.read() as session:
        team = teams.team_of(session, _competition(db, phase), records.ann)
    assert team is not None
    teams.join_team(db, team.invite_key, records.bob)
    delete_account(db, records.ann, PASSWORD)
    with db.read() as session:
        submission = session.get_one(SubmissionRecord, made)
        assert (submission.team_id, submission.entrant, submission.description) == (team_id, f"t{team_id}", "Ours")
        left = teams.team_of(session, _competition(db, phase), records.bob)
    assert left is not None
    assert [member.name for member in left.members] == ["bob"]


def test_the_only_organizer_stays(records: Records) -> None:
    olga = accounts.create_organizer(records.db, "olga", PASSWORD)
    with pytest.raises(DeletionRefused, match="only organizer"):
        delete_account(records.db, olga, PASSWORD)
    otto = accounts.create_organizer(records.db, "otto", PASSWORD)
    delete_account(records.db, olga, PASSWORD)
    with pytest.raises(DeletionRefused, match="only organizer"):
        delete_account(records.db, otto, PASSWORD)


def test_two_deleted_accounts_can_be_told_apart(records: Records) -> None:
    for person in (records.ann, records.bob):
        delete_account(records.db, person, PASSWORD)
    with records.db.read() as session:
        names = session.scalars(select(UserRecord.name).where(UserRecord.deleted_at <= utc_now())).all()
    assert len(set(names)) == 2
