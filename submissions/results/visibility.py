"""How much of a submission's score a reader may see: one rule for pages, exports and the API.

The Ladder gives a team nothing but the released score, or it would learn from the rest what the Ladder withholds.
A freeze keeps what was scored since then from everybody but its own team. A phase that shows scores after it closes
keeps everything from everybody until then.
"""

from enum import StrEnum

from submissions.storage.records import PhaseRecord, SubmissionRecord


class Sight(StrEnum):
    """What of a scored submission a reader sees. `NOTHING`: that it was scored, but not how."""

    NOTHING = "nothing"
    SHOWN_SCORE = "shown_score"  # `SubmissionRecord.shown_score` alone: no other metric, zoo by zoo or in all
    ALL = "all"


def sight(phase: PhaseRecord, submission: SubmissionRecord, *, is_owner: bool, sees_all: bool) -> Sight:
    """Return what this reader may see of the submission's scores.

    Parameters
    ----------
    is_owner : bool
        whether the reader, or their team, owns it.
    sees_all : bool
        whether the reader may see every submission's scores (`Permission.SEE_SUBMISSIONS`).
    """
    if sees_all:
        return Sight.ALL
    if phase.withholds_scores:
        return Sight.NOTHING
    if not is_owner and is_frozen(phase, submission):
        return Sight.NOTHING
    return Sight.SHOWN_SCORE if phase.uses_ladder and not submission.is_baseline else Sight.ALL


def is_frozen(phase: PhaseRecord, submission: SubmissionRecord) -> bool:
    """Whether the submission was scored after the phase's leaderboard was frozen."""
    return (
        phase.freezes_at is not None
        and submission.finished_at is not None
        and submission.finished_at >= phase.freezes_at
    )
