"""Competitions, phases and the zoos they use: made here, looked up here. Called by pages and commands."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from model_zoo import open_zoo
from submissions.database import Database
from submissions.records import CompetitionRecord, PhaseRecord, PhaseZooRecord, ZooRecord


class CompetitionError(Exception):
    """A competition, phase or zoo cannot be made as asked; the message says why."""


def register_zoo(db: Database, folder: Path) -> int:
    """The id of the record for the zoo in `folder`; a folder registered before keeps its record.

    Raises ZooError where the folder is no zoo, CompetitionError where the name belongs to another zoo.
    """
    zoo = open_zoo(folder)
    digest = hashlib.sha256((folder / "zoo.json").read_bytes()).hexdigest()
    with db.write() as session:
        known = session.scalar(select(ZooRecord).where(ZooRecord.name == zoo.name))
        if known is not None:
            if known.manifest_sha256 != digest:
                raise CompetitionError(f"a different zoo named {zoo.name!r} is registered already")
            known.folder = str(folder)
            return known.id
        record = ZooRecord(
            name=zoo.name,
            title=zoo.manifest.title,
            folder=str(folder),
            manifest_sha256=digest,
            networks=len(zoo.networks),
            truth_public=zoo.manifest.truth_public,
        )
        session.add(record)
        session.flush()
        return record.id


def create_competition(
    db: Database,
    *,
    slug: str,
    title: str,
    text: str,
    phase: PhaseRecord,
    zoo_ids: Sequence[int],
    smoke_zoo_id: int | None = None,
) -> int:
    """A competition with its first phase over the given zoos. Returns the phase's id.

    smoke_zoo_id: the public zoo on which submissions are tried first; None leaves the choice to
    `submissions.smoke`. Raises CompetitionError if the slug is taken, no zoo is given, a zoo is unknown, or the
    smoke zoo is not public.
    """
    if not zoo_ids:
        raise CompetitionError("a phase needs at least one zoo")
    with db.write() as session:
        if find_competition(session, slug) is not None:
            raise CompetitionError(f"there is a competition {slug!r} already")
        competition = CompetitionRecord(slug=slug, title=title, text=text)
        phase.competition = competition
        session.add_all((competition, phase))
        for position, zoo_id in enumerate(zoo_ids):
            zoo = session.get(ZooRecord, zoo_id)
            if zoo is None:
                raise CompetitionError(f"there is no zoo with id {zoo_id}")
            phase.zoo_links.append(PhaseZooRecord(position=position, zoo=zoo))
        if smoke_zoo_id is not None:
            phase.smoke_zoo_id = _public_zoo(session, smoke_zoo_id).id
        session.flush()
        return phase.id


def _public_zoo(session: Session, zoo_id: int) -> ZooRecord:
    zoo = session.get(ZooRecord, zoo_id)
    if zoo is None:
        raise CompetitionError(f"there is no zoo with id {zoo_id}")
    if not zoo.truth_public:
        raise CompetitionError(f"the zoo {zoo.name!r} is not public, so no measure can be tried on it first")
    return zoo


def find_competition(session: Session, slug: str) -> CompetitionRecord | None:
    return session.scalar(select(CompetitionRecord).where(CompetitionRecord.slug == slug))


def find_phase(session: Session, competition_slug: str, phase_slug: str) -> PhaseRecord | None:
    return session.scalar(
        select(PhaseRecord)
        .join(CompetitionRecord)
        .where(CompetitionRecord.slug == competition_slug, PhaseRecord.slug == phase_slug)
    )
