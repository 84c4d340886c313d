"""The export of an account: a zip of everything that is stored about a person. Called by its pages and the API."""

import json
import zipfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import PurePath
from typing import IO, Any

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from submissions.intake.bundle_store import BundleStore, StoreError
from submissions.people.sessions import sessions_of
from submissions.results.visibility import Sight, sight
from submissions.storage.database import Database
from submissions.storage.records import (
    ApiTokenRecord,
    CompetitionRecord,
    EvaluationRecord,
    NotificationRecord,
    PhaseRecord,
    SubmissionRecord,
    TeamMemberRecord,
    TeamPersonRecord,
    TeamRecord,
    UserRecord,
    ValueRecord,
    ZooRecord,
)
from submissions.storage.roles import PERMISSIONS, Permission


def write_export(db: Database, store: BundleStore, user_id: int, file: IO[bytes]) -> None:
    """Write a zip with all data of an account: account.json, submissions.json, and each upload.

    Scores are those that the author may see. Values are included only for zoos with public truth, because a measure
    could use its values to carry out data of a hidden zoo.

    Parameters
    ----------
    file : IO[bytes]
        A binary file to write the zip to.
    """
    with db.read() as session, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        user = session.get_one(UserRecord, user_id)
        archive.writestr("account.json", _json(_account(session, user)))
        listed = []
        mine = select(SubmissionRecord.id).where(SubmissionRecord.user_id == user_id).order_by(SubmissionRecord.id)
        for submission_id in session.scalars(mine).all():
            submission = session.get_one(SubmissionRecord, submission_id)
            code: str | None = f"submissions/{submission.id}/{PurePath(submission.filename).name}"
            try:
                archive.writestr(str(code), store.get(submission.bundle_sha256))
            except StoreError:
                code = None
            listed.append(_submission(session, submission, user) | {"code": code})
        archive.writestr("submissions.json", _json(listed))


def _account(session: Session, user: UserRecord) -> Mapping[str, Any]:
    is_member = and_(TeamMemberRecord.team_id == TeamRecord.id, TeamMemberRecord.user_id == user.id)
    teams_of = session.execute(  # also those that the person has left, which have no date
        select(TeamRecord.name, CompetitionRecord.slug, TeamMemberRecord.joined_at)
        .join(TeamPersonRecord, TeamPersonRecord.team_id == TeamRecord.id)
        .join(CompetitionRecord, CompetitionRecord.id == TeamRecord.competition_id)
        .outerjoin(TeamMemberRecord, is_member)
        .where(TeamPersonRecord.user_id == user.id)
        .order_by(TeamRecord.id)
    )
    tokens = session.scalars(
        select(ApiTokenRecord).where(ApiTokenRecord.user_id == user.id).order_by(ApiTokenRecord.id)
    )
    notices = session.scalars(
        select(NotificationRecord).where(NotificationRecord.user_id == user.id).order_by(NotificationRecord.id)
    )
    return {
        "name": user.name,
        "email": user.email,
        "email_verified_at": user.email_verified_at,
        "wants_mail": user.wants_mail,
        "role": user.role,
        "created_at": user.created_at,
        "teams": [{"name": name, "competition": slug, "joined_at": joined} for name, slug, joined in teams_of],
        "sessions": [
            {"browser": one.browser, "created_at": one.created_at, "seen_at": one.seen_at}
            for one in sessions_of(session, user.id)
        ],
        "tokens": [
            {
                "name": one.name,
                "scopes": one.scopes,
                "created_at": one.created_at,
                "last_used_at": one.last_used_at,
                "expires_at": one.expires_at,
            }
            for one in tokens
        ],
        "notifications": [
            {"text": one.text, "submission": one.submission_id, "at": one.at, "read_at": one.read_at} for one in notices
        ],
    }


def _submission(session: Session, submission: SubmissionRecord, reader: UserRecord) -> dict[str, Any]:
    phase = session.get_one(PhaseRecord, submission.phase_id)
    competition = session.get_one(CompetitionRecord, phase.competition_id)
    team = session.get(TeamRecord, submission.team_id) if submission.team_id is not None else None
    seen = sight(phase, submission, is_owner=True, sees_all=Permission.SEE_SUBMISSIONS in PERMISSIONS[reader.role])
    return {
        "id": submission.id,
        "competition": competition.slug,
        "phase": phase.slug,
        "team": team.name if team is not None else None,
        "name": submission.name,
        "description": submission.description,
        "link": submission.link,
        "alias": submission.alias,
        "track": submission.track,
        "filename": submission.filename,
        "sha256": submission.bundle_sha256,
        "state": submission.state,
        "reason": submission.reason,
        "detail": submission.detail,
        "shown_score": submission.shown_score if seen is not Sight.NOTHING else None,
        "score": submission.score if seen is Sight.ALL else None,
        "attempt": submission.attempt,
        "created_at": submission.created_at,
        "started_at": submission.started_at,
        "finished_at": submission.finished_at,
        "evaluations": _evaluations(session, submission.id, with_scores=seen is Sight.ALL),
    }


def _evaluations(session: Session, submission_id: int, *, with_scores: bool) -> list[dict[str, Any]]:
    found = session.execute(
        select(EvaluationRecord, ZooRecord)
        .join(ZooRecord, ZooRecord.id == EvaluationRecord.zoo_id)
        .where(EvaluationRecord.submission_id == submission_id)
        .order_by(EvaluationRecord.attempt, EvaluationRecord.id)
    ).all()
    return [
        {
            "zoo": zoo.label,
            "attempt": evaluation.attempt,
            "purpose": evaluation.purpose,
            "state": evaluation.state,
            "networks": evaluation.networks,
            "cmi": evaluation.cmi if with_scores else None,
            "kendall_tau": evaluation.kendall_tau if with_scores else None,
            "values": _values(session, evaluation.id) if zoo.truth_public else None,
        }
        for evaluation, zoo in found
    ]


def _values(session: Session, evaluation_id: int) -> dict[str, float]:
    query = select(ValueRecord.network_id, ValueRecord.value).where(ValueRecord.evaluation_id == evaluation_id)
    return {network_id: value for network_id, value in session.execute(query)}  # noqa: C416  (a Row is no pair)


def _json(content: object) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False, default=_plain)


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no place in an export")
