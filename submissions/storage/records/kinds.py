"""The enums that tables store, each as readable text."""

from datetime import datetime
from enum import StrEnum


class Purpose(StrEnum):
    """What an evaluation is for. Only SCORE evaluations enter a score."""

    SMOKE = "smoke"  # a try on a public zoo before anything else of the submission may run
    SCORE = "score"
    REPEAT = "repeat"  # some networks once more, after the score, to see whether the values come again


class TimeRule(StrEnum):
    """What a phase's wall seconds limit: each network, or (times their number) all networks of a zoo together."""

    PER_NETWORK = "per_network"
    POOLED = "pooled"


class CountRule(StrEnum):
    """Which of a team's scored submissions counts on a phase's leaderboard."""

    BEST = "best"
    LAST = "last"
    CHOSEN = "chosen"  # the one that the team chose; until it chooses, its best


class ShowsScores(StrEnum):
    """From when on a phase shows scores, and everything that follows from them, to others than organizers."""

    ALWAYS = "always"
    AFTER_CLOSE = "after_close"

    def withholds(self, closes_at: datetime | None, now: datetime) -> bool:
        """Whether a phase that closes then shows nothing that follows from a score now."""
        return self is ShowsScores.AFTER_CLOSE and (closes_at is None or now < closes_at)


class Tells(StrEnum):
    """What a phase tells of results on zoos with secret truth before they are revealed."""

    SCORES = "scores"  # in steps
    METRICS = "metrics"  # these, and the metrics of the leaderboard as it shows them
    EVERYTHING = "everything"  # all numbers with all their digits


class ZooState(StrEnum):
    """The state of a zoo. Only a ready one can be used in a phase; a refused one has errors in its report."""

    ARRIVING = "arriving"
    CHECKING = "checking"
    READY = "ready"
    REFUSED = "refused"
    FAILED = "failed"  # our fault: the check itself did not come to an end


class JobKind(StrEnum):
    """Where the zoo of a job comes from; a recheck repeats the check of a stored zoo."""

    UPLOAD = "upload"
    FOLDER = "folder"
    PGDL = "pgdl"
    RECIPE = "recipe"
    RECHECK = "recheck"


class JobState(StrEnum):
    """The state of a job."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        """Whether the job has ended."""
        return self in (JobState.DONE, JobState.FAILED)
