"""The export of an account: a zip of everything that is stored about a person. Called by its pages and the API."""

import json
import zipfile
from datetime import datetime
from itertools import groupby
from pathlib import PurePath
from typing import IO, Any

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from scoring import METRICS
from submissions.evaluation.failure_disclosure import seen_detail, seen_states, tells_all
from submissions.intake.bundle_store import BundleStore, StoreError
from submissions.people.sessions import sessions_of
from submissions.results.disclosure import Disclosure, Reader, disclosure
from submissions.storage.database import Database
from submissions.storage.queries import as_dict
from submissions.storage.records import (
    ApiTokenRecord,
    CompetitionRecord,
    EvaluationRecord,
    NotificationRecord,
    Record,
    SubmissionRecord,
    TeamMemberRecord,
    TeamPersonRecord,
    TeamRecord,
    UserRecord,
    ValueRecord,
    ZooRecord,
)
from submissions.storage.roles import PERMISSIONS
from submissions.storage.states import State

_METRICS = ("cmi", "kendall_tau")


def write_export(db: Database, store: BundleStore, user_id: int, file: IO[bytes]) -> None:
    """Write a zip with all data of an account: account.json, submissions.json, and each upload.

    Scores are those that the author may see. Values are included only for zoos with public truth, because a measure
    could use its values to carry out data of a hidden zoo, and only where results on single zoos are shown: the score
    follows from the values.

    Parameters
    ----------
    file : IO[bytes]
        A binary file to write the zip to.
    """
    with db.read() as session, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        user = session.get_one(UserRecord, user_id)
        archive.writestr("account.json", _json(_account(session, user)))
        listed = []
        mine = select(SubmissionRecord).where(SubmissionRecord.user_id == user_id).order_by(SubmissionRecord.id)
        for submission in session.scalars(mine).all():
            code: str | None = f"submissions/{submission.id}/{PurePath(submission.filename).name}"
            try:
                archive.writestr(str(code), store.get(submission.bundle_sha256))
            except StoreError:
                code = None
            listed.append(_submission(session, submission, user) | {"code": code})
        archive.writestr("submissions.json", _json(listed))


def _account(session: Session, user: UserRecord) -> dict[str, Any]:
    is_member = and_(TeamMemberRecord.team_id == TeamRecord.id, TeamMemberRecord.user_id == user.id)
    teams_of = session.execute(  # also those that the person has left, which have no date
        select(TeamRecord.name, CompetitionRecord.slug, TeamMemberRecord.joined_at)
        .join(TeamPersonRecord, TeamPersonRecord.team_id == TeamRecord.id)
        .join(CompetitionRecord, CompetitionRecord.id == TeamRecord.competition_id)
        .outerjoin(TeamMemberRecord, is_member)
        .where(TeamPersonRecord.user_id == user.id)
        .order_by(TeamRecord.id)
    )
    tokens = select(ApiTokenRecord).where(ApiTokenRecord.user_id == user.id).order_by(ApiTokenRecord.id)
    notices = select(NotificationRecord).where(NotificationRecord.user_id == user.id).order_by(NotificationRecord.id)
    return _fields(user, "name", "email", "email_verified_at", "wants_mail", "role", "created_at") | {
        "teams": [{"name": name, "competition": slug, "joined_at": joined} for name, slug, joined in teams_of],
        "sessions": [_fields(one, "browser", "created_at", "seen_at") for one in sessions_of(session, user.id)],
        "tokens": [
            _fields(one, "name", "scopes", "created_at", "last_used_at", "expires_at")
            for one in session.scalars(tokens)
        ],
        "notifications": [
            {"text": one.text, "submission": one.submission_id, "at": one.at, "read_at": one.read_at}
            for one in session.scalars(notices)
        ],
    }


def _submission(session: Session, submission: SubmissionRecord, reader: UserRecord) -> dict[str, Any]:
    phase = submission.phase
    team = session.get(TeamRecord, submission.team_id) if submission.team_id is not None else None
    as_owner = Reader(is_owner=True, permissions=PERMISSIONS[reader.role])
    told = disclosure(phase, submission, as_owner)
    return {
        "id": submission.id,
        "competition": phase.competition.slug,
        "phase": phase.slug,
        "team": team.name if team is not None else None,
        **_fields(submission, "name", "description", "link", "alias", "track", "filename"),
        "sha256": submission.bundle_sha256,
        **_fields(submission, "state", "reason"),
        "detail": seen_detail(session, submission, as_owner),
        "shown_score": told.score(submission.shown_score, submission.shown_score),
        "score": told.score(submission.score, submission.shown_score),
        **_fields(submission, "attempt", "created_at", "started_at"),
        "finished_at": told.moment(submission.finished_at),
        "evaluations": _evaluations(session, submission, told),
    }


def _evaluations(session: Session, submission: SubmissionRecord, told: Disclosure) -> list[dict[str, Any]]:
    found = session.execute(
        select(EvaluationRecord, ZooRecord)
        .join(ZooRecord, ZooRecord.id == EvaluationRecord.zoo_id)
        .where(EvaluationRecord.submission_id == submission.id)
        .order_by(EvaluationRecord.attempt, EvaluationRecord.id)
    ).all()
    phase, states = submission.phase, dict[int, State]()
    zoos_now = {link.zoo_id for link in phase.zoo_links}
    for _, of_attempt in groupby(found, key=lambda row: row[0].attempt):
        rows = [(evaluation, tells_all(phase, truth_public=zoo.truth_public)) for evaluation, zoo in of_attempt]
        seen = seen_states([(evaluation.state, is_told) for evaluation, is_told in rows])
        states |= {evaluation.id: state for (evaluation, _), state in zip(rows, seen, strict=True)}

    def told_of(evaluation: EvaluationRecord) -> Disclosure:
        is_current = evaluation.attempt == submission.attempt and evaluation.zoo_id in zoos_now
        return told if is_current else told.of_the_past

    return [
        {
            "zoo": zoo.label,
            **_fields(evaluation, "attempt", "purpose"),
            "state": states[evaluation.id],
            "networks": evaluation.networks,
            **{key: _told(evaluation, key, states[evaluation.id], told_of(evaluation), zoo) for key in _METRICS},
            "values": _values(session, evaluation.id) if zoo.truth_public and told.sight.tells_zoos else None,
        }
        for evaluation, zoo in found
    ]


def _told(evaluation: EvaluationRecord, key: str, state: State, told: Disclosure, zoo: ZooRecord) -> float | None:
    """Return a metric of an evaluation as far as its author may be told."""
    if state is not State.SCORED:
        return None
    return told.value(METRICS[key], getattr(evaluation, key), truth_public=zoo.truth_public)


def _values(session: Session, evaluation_id: int) -> dict[str, float]:
    query = select(ValueRecord.network_id, ValueRecord.value).where(ValueRecord.evaluation_id == evaluation_id)
    return as_dict(session, query)


def _fields(record: Record, *names: str) -> dict[str, Any]:
    return {name: getattr(record, name) for name in names}


def _json(content: object) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False, default=datetime.isoformat)
