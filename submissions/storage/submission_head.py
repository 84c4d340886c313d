"""A submission without its results, as the site gets it: no number that a measure has led to can be read from it.

What may be told of the results comes from `submissions.results` and what is built on it. A contract of import-linter
keeps the records of submissions and results out of `server`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session, joinedload

from submissions.storage.records import PhaseRecord, SubmissionRecord, copied
from submissions.storage.states import State


@dataclass(frozen=True)
class SubmissionHead:
    """The fields of `SubmissionRecord` that do not depend on a score; phase: with its competition.

    finished_at: exactly; what a reader may be told is `Disclosure.moment` of it.
    """

    id: int
    phase_id: int
    user_id: int
    team_id: int | None
    entrant: str
    name: str
    description: str
    link: str
    filename: str
    bundle_sha256: str
    alias: str | None
    needs: Sequence[str]
    state: State
    attempt: int
    priority: int
    spends_quota: bool
    is_baseline: bool
    is_chosen: bool
    is_released: bool
    is_hidden: bool
    is_disqualified: bool
    finished_at: datetime | None
    phase: PhaseRecord


AnySubmission = SubmissionHead | SubmissionRecord


def submission_head(session: Session, submission_id: int) -> SubmissionHead | None:
    """Return the submission without its results; None if there is no such submission."""
    with_phase = joinedload(SubmissionRecord.phase).joinedload(PhaseRecord.competition)
    found = session.get(SubmissionRecord, submission_id, options=[with_phase])
    return None if found is None else copied(SubmissionHead, found)
