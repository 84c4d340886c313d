"""Pictures of results that workers have drawn, for the first view of a page. Called by `server.charts`.

A picture is found by the digest of everything that it shows. Whoever asks for one must have computed that digest from
what the reader may be told, so a stored picture tells nobody more than the page does, and none is ever out of date: a
result that has changed, or is told otherwise, has another digest.
"""

import hashlib
import json
import zlib
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import delete, exists, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from submissions.results.disclosure import Reader
from submissions.storage.database import Database
from submissions.storage.queries import enters_score, parts
from submissions.storage.records import EvaluationRecord, PictureRecord, SubmissionRecord, ZooRecord
from submissions.storage.roles import Permission
from submissions.storage.states import State

_SEES_ALL = frozenset({Permission.SEE_SUBMISSIONS})
DRAWN_FOR = (Reader(permissions=_SEES_ALL), Reader(permissions=_SEES_ALL | {Permission.MANAGE_ZOOS}))
"""Whoever is told everything sees one of two: letters in place of the axes of a hidden zoo, or their names."""


@dataclass(frozen=True)
class Undrawn:
    """A scored evaluation that has no pictures yet."""

    evaluation_id: int
    submission_id: int
    zoo_name: str


def picture_digest(version: int, content: object) -> str:
    """Return the digest of a picture. version: of the drawing; content: all that it shows, as JSON takes it."""
    return hashlib.sha256(json.dumps([version, content], sort_keys=True).encode()).hexdigest()


def stored_pictures(session: Session, digests: Collection[str]) -> dict[str, str]:
    """Return the markup of those pictures that have been drawn, by digest."""
    found: dict[str, str] = {}
    for some in parts([*digests]):
        query = select(PictureRecord.digest, PictureRecord.markup).where(PictureRecord.digest.in_(some))
        for digest, markup in session.execute(query):
            if markup:
                found[digest] = zlib.decompress(markup).decode()
    return found


def undrawn(session: Session, version: int, most: int, without: Collection[int] = ()) -> list[Undrawn]:
    """Return evaluations whose pictures this version has not drawn, newest first. without: ids to leave out."""
    is_drawn = exists().where(PictureRecord.evaluation_id == EvaluationRecord.id, PictureRecord.version == version)
    query = (
        select(EvaluationRecord.id, SubmissionRecord.id, ZooRecord.name)
        .join(SubmissionRecord, enters_score())
        .join(ZooRecord, ZooRecord.id == EvaluationRecord.zoo_id)
        .where(
            SubmissionRecord.state == State.SCORED,
            EvaluationRecord.state == State.SCORED,
            EvaluationRecord.granulated_kendall.is_not(None),  # it has a report
            ~is_drawn,
        )
        .order_by(EvaluationRecord.id.desc())
        .limit(most + len(without))
    )
    found = [Undrawn(*row) for row in session.execute(query)]
    return [one for one in found if one.evaluation_id not in without][:most]


def store_pictures(db: Database, evaluation_id: int, version: int, pictures: Mapping[str, str | None]) -> None:
    """Store the pictures of an evaluation, by digest, in place of those of other versions. None: it has no picture."""
    with suppress(IntegrityError), db.write() as session:  # another worker may have been faster
        of_evaluation = PictureRecord.evaluation_id == evaluation_id
        session.execute(delete(PictureRecord).where(of_evaluation, PictureRecord.version != version))
        known = set(session.scalars(select(PictureRecord.digest).where(of_evaluation)))
        for digest, markup in pictures.items():
            if digest not in known:
                packed = b"" if markup is None else zlib.compress(markup.encode())
                session.add(PictureRecord(evaluation_id=evaluation_id, digest=digest, version=version, markup=packed))
