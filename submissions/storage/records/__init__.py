"""All tables of Gengap as typed SQLAlchemy 2 records. Only the room `submissions` writes them.

Times are UTC. Ids are integers, except a network's, which is the zoo's opaque text id, and an upload's, a random text.
Other modules import every record from here; mypy and ruff are told in pyproject.toml that these imports are meant so.
"""

from submissions.storage.clock import utc_now
from submissions.storage.records.base import Record, UtcDateTime, copied
from submissions.storage.records.competitions import (
    BOARD_RULES,
    AnnouncementRecord,
    CompetitionRecord,
    PhaseRecord,
    PhaseZooRecord,
)
from submissions.storage.records.idempotency import IdempotencyRecord
from submissions.storage.records.kinds import (
    CountRule,
    JobKind,
    JobState,
    Purpose,
    ShowsScores,
    Tells,
    TimeRule,
    ZooState,
)
from submissions.storage.records.people import (
    ApiTokenRecord,
    MailRecord,
    NotificationRecord,
    SessionRecord,
    TeamMemberRecord,
    TeamPersonRecord,
    TeamRecord,
    UserRecord,
)
from submissions.storage.records.submissions import (
    EvaluationRecord,
    FailureRecord,
    PictureRecord,
    RunRecord,
    ShareRecord,
    StandingRecord,
    SubmissionRecord,
    ValueRecord,
)
from submissions.storage.records.workers import InstallationRecord, WorkerRecord
from submissions.storage.records.zoos import (
    ActRecord,
    ZooJobRecord,
    ZooNetworkRecord,
    ZooRecord,
    ZooUploadRecord,
)
