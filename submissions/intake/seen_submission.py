"""Finding a submission for a reader of the site. Called by the site's access control."""

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session, contains_eager

from submissions.leaderboard.entrants import team_ids_of
from submissions.storage.records import PhaseRecord, SubmissionRecord, copied
from submissions.storage.submission_head import SubmissionHead


def seen_submission(
    session: Session, submission_id: int, user_id: int | None, *, sees_hidden: bool
) -> tuple[SubmissionHead, bool] | None:
    """Return a submission, and whether it is of a team of the reader's.

    Parameters
    ----------
    user_id : int or None
        The reader; None for a visitor.
    sees_hidden : bool
        Whether they may see hidden phases and submissions.

    Returns
    -------
    tuple[SubmissionHead, bool] or None
        None if there is no such submission, or it is hidden from the reader. Its owners see a hidden one.
    """
    of_their_team = and_(SubmissionRecord.team_id.is_not(None), SubmissionRecord.team_id.in_(team_ids_of(user_id)))
    query = (
        select(SubmissionRecord, of_their_team)
        .join(SubmissionRecord.phase)
        .join(PhaseRecord.competition)
        .options(contains_eager(SubmissionRecord.phase).contains_eager(PhaseRecord.competition))
        .where(SubmissionRecord.id == submission_id)
    )
    if not sees_hidden:
        is_seen = or_(SubmissionRecord.is_hidden.is_(False), SubmissionRecord.user_id == user_id, of_their_team)
        query = query.where(PhaseRecord.hidden.is_(False), is_seen)
    found = session.execute(query).one_or_none()
    return None if found is None else (copied(SubmissionHead, found[0]), bool(found[1]))
