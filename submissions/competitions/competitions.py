"""Competitions, their first phase and the zoos they use: created and looked up. Called by pages and commands."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from submissions.storage.board_version import appearance_changed
from submissions.storage.database import Database
from submissions.storage.field_error import FieldError, faults
from submissions.storage.records import CompetitionRecord, PhaseRecord, PhaseZooRecord, ZooRecord, ZooState
from submissions.zoos.related_zoos import may_be_secret

TITLE_LENGTH = 200
TEXT_LENGTH = 20_000
MOST_TEAM_MEMBERS = 50


class CompetitionError(Exception):
    """A competition, phase or zoo cannot be created as requested; the message says why."""


class CompetitionRefused(FieldError):  # noqa: N818  (a refusal is an answer, not a malfunction)
    """An organizer's input about a competition is not valid."""


@dataclass(frozen=True)
class CompetitionTexts:
    """The texts of a competition's page, as its organizers write them; a blank line separates paragraphs.

    Attributes
    ----------
    team_members : int
        Maximum number of members of a team; 1 means no teams.
    """

    title: str
    text: str = ""
    rules: str = ""
    team_members: int = 5

    def faults(self) -> dict[str, str]:
        """Return one sentence per invalid field; empty if all are valid."""
        checks = {
            "title": title_check("competition", self.title),
            "text": (len(self.text) <= TEXT_LENGTH, f"The text has at most {TEXT_LENGTH} characters."),
            "rules": (len(self.rules) <= TEXT_LENGTH, f"The rules have at most {TEXT_LENGTH} characters."),
            "team_members": (
                1 <= self.team_members <= MOST_TEAM_MEMBERS,
                f"Give from 1 to {MOST_TEAM_MEMBERS} members; 1 means that there are no teams.",
            ),
        }
        return faults(checks)


def title_check(what: str, title: str) -> tuple[bool, str]:
    """Check a title: for `submissions.storage.field_error.faults`."""
    return 0 < len(title) <= TITLE_LENGTH, f"Give the {what} a title of 1 to {TITLE_LENGTH} characters."


def change_competition(db: Database, competition_id: int, texts: CompetitionTexts) -> None:
    """Change the texts of a competition.

    Raises
    ------
    CompetitionRefused
        With a sentence for every faulty field.
    """
    if messages := texts.faults():
        raise CompetitionRefused(messages)
    with db.write() as session:
        competition = session.get_one(CompetitionRecord, competition_id, with_for_update=True)
        for name, value in vars(texts).items():
            setattr(competition, name, value)
        appearance_changed(session, select(PhaseRecord.id).where(PhaseRecord.competition_id == competition_id))


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
    """Create a competition with its first phase over the given zoos.

    Parameters
    ----------
    smoke_zoo_id : int or None, optional
        The public zoo of the smoke run; None leaves the choice to `submissions.evaluation.smoke_run`.

    Returns
    -------
    int
        The id of the phase.

    Raises
    ------
    CompetitionError
        If the slug is taken, no zoo is given, a zoo is unknown or not ready, or the smoke zoo is not public.
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
            phase.zoo_links.append(PhaseZooRecord(position=position, zoo=usable_zoo(session, zoo_id, phase.target)))
        if smoke_zoo_id is not None:
            phase.smoke_zoo_id = _public_zoo(session, smoke_zoo_id, phase.target).id
        session.flush()
        return phase.id


def usable_zoo(session: Session, zoo_id: int, target: str) -> ZooRecord:
    """Return a zoo that a phase with this target may use.

    Raises
    ------
    CompetitionError
        If the zoo is unknown or not ready, or its truth does not contain the target.
    """
    zoo = session.get(ZooRecord, zoo_id)
    if zoo is None:
        raise CompetitionError(f"there is no zoo with id {zoo_id}")
    if zoo.state is not ZooState.READY:
        raise CompetitionError(f"the zoo {zoo.label} is {zoo.state}: only one whose check found no error can be used")
    if target not in zoo.targets:
        raise CompetitionError(
            f"the zoo {zoo.label} has no target {target}; it has {', '.join(zoo.targets)}: choose one of these for the "
            "phase, or add a version of the zoo whose zoo.json lists it"
        )
    return zoo


def _public_zoo(session: Session, zoo_id: int, target: str) -> ZooRecord:
    zoo = usable_zoo(session, zoo_id, target)
    if not zoo.truth_public:
        raise CompetitionError(f"the zoo {zoo.name!r} is not public, so no measure can be tried on it first")
    if may_be_secret(session, zoo):
        raise CompetitionError(
            f"the zoo {zoo.label} cannot be the one that measures are tried on first, because the truth of a version "
            "or copy of it is hidden, or it belongs to a hidden phase"
        )
    return zoo


def find_competition(session: Session, slug: str) -> CompetitionRecord | None:
    """Return the competition with this short name, if any."""
    return session.scalar(select(CompetitionRecord).where(CompetitionRecord.slug == slug))


def find_phase(session: Session, competition_slug: str, phase_slug: str) -> PhaseRecord | None:
    """Return the phase with these short names of competition and phase, if any."""
    return session.scalar(
        select(PhaseRecord)
        .join(CompetitionRecord)
        .where(CompetitionRecord.slug == competition_slug, PhaseRecord.slug == phase_slug)
    )
