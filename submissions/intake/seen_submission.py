"""Finding a submission for a reader of the site. Called by the site's access control."""

from sqlalchemy import Integer, and_, bindparam, or_, select
from sqlalchemy.orm import Session, contains_eager

from submissions.leaderboard.entrants import team_ids_of
from submissions.storage.records import PhaseRecord, SubmissionRecord, copied
from submissions.storage.submission_head import SubmissionHead

# Every poll of a live page asks this: made once, so that a 304 costs little more than the queries themselves.
_READER = bindparam("reader", type_=Integer)  # None for a visitor, who owns nothing
_OF_THEIR_TEAM = and_(SubmissionRecord.team_id.is_not(None), SubmissionRecord.team_id.in_(team_ids_of(_READER)))
_ANY = (
    select(SubmissionRecord, _OF_THEIR_TEAM)
    .join(SubmissionRecord.phase)
    .join(PhaseRecord.competition)
    .options(contains_eager(SubmissionRecord.phase).contains_eager(PhaseRecord.competition))
    .where(SubmissionRecord.id == bindparam("submission_id"))
)
_SEEN = _ANY.where(
    PhaseRecord.hidden.is_(False),
    or_(SubmissionRecord.is_hidden.is_(False), SubmissionRecord.user_id == _READER, _OF_THEIR_TEAM),
)


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
    query = _ANY if sees_hidden else _SEEN
    found = session.execute(query, {"submission_id": submission_id, "reader": user_id}).one_or_none()
    return None if found is None else (copied(SubmissionHead, found[0]), bool(found[1]))
