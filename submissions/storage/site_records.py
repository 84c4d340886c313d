"""The records and enums that the site may read, none of which holds a number of a result.

`server` imports records from here only; a contract of import-linter holds that. For a submission it gets a
`submissions.storage.submission_head.SubmissionHead`.
"""

from submissions.storage.records import (
    CompetitionRecord,
    CountRule,
    JobKind,
    JobState,
    PhaseRecord,
    PhaseZooRecord,
    ShowsScores,
    Tells,
    TimeRule,
    UserRecord,
    ZooJobRecord,
    ZooRecord,
    ZooState,
    ZooUploadRecord,
    utc_now,
)

__all__ = [
    "CompetitionRecord",
    "CountRule",
    "JobKind",
    "JobState",
    "PhaseRecord",
    "PhaseZooRecord",
    "ShowsScores",
    "Tells",
    "TimeRule",
    "UserRecord",
    "ZooJobRecord",
    "ZooRecord",
    "ZooState",
    "ZooUploadRecord",
    "utc_now",
]
