"""Every table of Gengap as SQLAlchemy 2 typed records. Only the `submissions` room writes them.

Times are UTC. Ids are integers except a network's, which is the zoo's opaque text id, and an upload's, a secret.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    DateTime,
    Double,
    Enum,
    ForeignKey,
    Index,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column, relationship

from submissions.states import Reason, State


class UtcDateTime(TypeDecorator[datetime]):
    """A timezone-aware UTC datetime on every database (SQLite forgets the zone)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a datetime without a time zone cannot be stored")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def utc_now() -> datetime:
    return datetime.now(UTC)


class Purpose(StrEnum):
    """What an evaluation is for. Only SCORE evaluations make a score; the other values are never scored."""

    SMOKE = "smoke"  # a try on a public zoo before anything else of the submission may run
    SCORE = "score"
    REPEAT = "repeat"  # some networks once more, after the score, to see whether the values come again


class TimeRule(StrEnum):
    """What a phase's wall seconds bound: each network, or, times their number, all networks of a zoo together."""

    PER_NETWORK = "per_network"
    POOLED = "pooled"


class ZooState(StrEnum):
    """How far a zoo is. Only a ready one can be used in a phase; a refused one has errors in its report."""

    ARRIVING = "arriving"
    CHECKING = "checking"
    READY = "ready"
    REFUSED = "refused"
    FAILED = "failed"  # our fault: the check itself did not come to an end


class JobKind(StrEnum):
    """Where the zoo of a job comes from; a recheck checks one that is in the store already."""

    UPLOAD = "upload"
    FOLDER = "folder"
    PGDL = "pgdl"
    RECIPE = "recipe"
    RECHECK = "recheck"


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        return self in (JobState.DONE, JobState.FAILED)


def _text_enum(kind: type[StrEnum]) -> Enum:
    return Enum(kind, native_enum=False, length=20, values_callable=lambda members: [m.value for m in members])


class Record(MappedAsDataclass, DeclarativeBase, kw_only=True):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class UserRecord(Record):
    """An account. `role` is participant or organizer; the system user that owns baselines cannot log in."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    name: Mapped[str] = mapped_column(String(40), unique=True)
    name_key: Mapped[str] = mapped_column(String(40), unique=True)  # case-folded, so that Ann and ann are one
    email: Mapped[str | None] = mapped_column(String(254), unique=True, default=None)
    password_hash: Mapped[str | None] = mapped_column(String(200), default=None)
    role: Mapped[str] = mapped_column(String(20), default="participant")
    session_key: Mapped[str] = mapped_column(String(64), default="")  # changed to end all sessions
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default_factory=utc_now)

    __table_args__ = (CheckConstraint("role IN ('participant', 'organizer')", name="role"),)


class ZooRecord(Record):
    """One version of a zoo. Its files are in the zoo store under `manifest_sha256`; this row is what pages list.

    weight_bytes: size of the weights by network id: what an attempt needs to know, without asking the store.
    targets: what its truth lets a phase ask for.
    legacy_folder: where the zoo lies that an installation without a store had registered, until it is adopted.
    """

    __tablename__ = "zoos"

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    name: Mapped[str] = mapped_column(String(80))
    title: Mapped[str] = mapped_column(String(200))
    manifest_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    networks: Mapped[int]
    truth_public: Mapped[bool]
    version: Mapped[int] = mapped_column(default=1)
    weight_bytes: Mapped[dict[str, int]] = mapped_column(JSON, default_factory=dict)
    bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    state: Mapped[ZooState] = mapped_column(_text_enum(ZooState), default=ZooState.READY)
    report: Mapped[dict[str, Any] | None] = mapped_column(JSON, default=None)
    targets: Mapped[list[str]] = mapped_column(JSON, default_factory=lambda: ["gap"])
    source: Mapped[str] = mapped_column(Text, default="")
    legacy_folder: Mapped[str | None] = mapped_column(String(1000), default=None)
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"), default=None)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default_factory=utc_now)

    __table_args__ = (UniqueConstraint("name", "version"),)

    @property
    def label(self) -> str:
        """The name of this version, such as digits-mlp@2."""
        return f"{self.name}@{self.version}"


class CompetitionRecord(Record):
    __tablename__ = "competitions"

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    slug: Mapped[str] = mapped_column(String(80), unique=True)
    title: Mapped[str] = mapped_column(String(200))
    text: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default_factory=utc_now)
    phases: Mapped[list["PhaseRecord"]] = relationship(
        back_populates="competition", order_by="PhaseRecord.opens_at", init=False, default_factory=list
    )


class PhaseRecord(Record):
    """Dates, zoos, limits and visibility inside a competition. `target`: what measures are to predict on each zoo.

    Limits are per network; `time_rule` says whether `wall_s` is. Before its scored runs a submission is tried on
    `smoke_networks` networks of a public zoo (0: never): `smoke_zoo`, or one that `submissions.smoke` finds.
    After its score `repeat_networks` random networks are evaluated once more. `daily_smoke_failures` bounds the
    uploads that end before they spend quota; None stands for ten times the quota, at least 50.
    """

    __tablename__ = "phases"

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    competition_id: Mapped[int] = mapped_column(ForeignKey("competitions.id"), init=False)
    slug: Mapped[str] = mapped_column(String(80))
    title: Mapped[str] = mapped_column(String(200))
    opens_at: Mapped[datetime] = mapped_column(UtcDateTime)
    closes_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    target: Mapped[str] = mapped_column(String(80), default="gap")
    wall_s: Mapped[float] = mapped_column(Double, default=60.0)
    time_rule: Mapped[TimeRule] = mapped_column(_text_enum(TimeRule), default=TimeRule.PER_NETWORK)
    cpu_s: Mapped[float | None] = mapped_column(Double, default=None)
    memory_bytes: Mapped[int] = mapped_column(BigInteger, default=2 * 2**30)
    scratch_bytes: Mapped[int] = mapped_column(BigInteger, default=256 * 2**20)
    log_bytes: Mapped[int] = mapped_column(BigInteger, default=2**20)
    processes: Mapped[int] = mapped_column(default=64)
    daily_quota: Mapped[int] = mapped_column(default=20)
    daily_smoke_failures: Mapped[int | None] = mapped_column(default=None)
    smoke_networks: Mapped[int] = mapped_column(default=2)
    smoke_zoo_id: Mapped[int | None] = mapped_column(ForeignKey("zoos.id"), default=None)
    repeat_networks: Mapped[int] = mapped_column(default=0)
    shows_logs: Mapped[bool] = mapped_column(default=False)
    hidden: Mapped[bool] = mapped_column(default=False)
    competition: Mapped[CompetitionRecord] = relationship(back_populates="phases", default=None)
    zoo_links: Mapped[list["PhaseZooRecord"]] = relationship(
        back_populates="phase", order_by="PhaseZooRecord.position", init=False, default_factory=list
    )

    __table_args__ = (UniqueConstraint("competition_id", "slug"),)

    @property
    def zoos(self) -> list[ZooRecord]:
        return [link.zoo for link in self.zoo_links]


class PhaseZooRecord(Record):
    __tablename__ = "phase_zoos"

    phase_id: Mapped[int] = mapped_column(ForeignKey("phases.id"), primary_key=True, init=False)
    zoo_id: Mapped[int] = mapped_column(ForeignKey("zoos.id"), primary_key=True, init=False)
    position: Mapped[int]
    phase: Mapped[PhaseRecord] = relationship(back_populates="zoo_links", default=None)
    zoo: Mapped[ZooRecord] = relationship(default=None)


class SubmissionRecord(Record):
    """One uploaded measure in one phase. `score` is 100 x the mean of its evaluations' CMI.

    `spends_quota` is set when its first scored run begins, and never taken back.
    """

    __tablename__ = "submissions"

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    phase_id: Mapped[int] = mapped_column(ForeignKey("phases.id"))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    name: Mapped[str] = mapped_column(String(80))
    filename: Mapped[str] = mapped_column(String(255))
    bundle_sha256: Mapped[str] = mapped_column(String(64))
    state: Mapped[State] = mapped_column(_text_enum(State), default=State.QUEUED)
    reason: Mapped[Reason | None] = mapped_column(_text_enum(Reason), default=None)
    detail: Mapped[str | None] = mapped_column(Text, default=None)
    score: Mapped[float | None] = mapped_column(Double, default=None)
    attempt: Mapped[int] = mapped_column(default=1)
    priority: Mapped[int] = mapped_column(default=0)
    spends_quota: Mapped[bool] = mapped_column(default=False)
    is_baseline: Mapped[bool] = mapped_column(default=False)
    is_hidden: Mapped[bool] = mapped_column(default=False)
    is_disqualified: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default_factory=utc_now)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    phase: Mapped[PhaseRecord] = relationship(init=False)
    user: Mapped[UserRecord] = relationship(init=False)
    evaluations: Mapped[list["EvaluationRecord"]] = relationship(
        back_populates="submission",
        order_by="(EvaluationRecord.attempt, EvaluationRecord.purpose.desc(), EvaluationRecord.position)",
        init=False,
        default_factory=list,
    )

    __table_args__ = (
        Index(None, "phase_id", "state"),
        Index(None, "user_id", "created_at"),
        Index(None, "state", "priority"),
    )


class EvaluationRecord(Record):
    """One submission on one zoo, in one attempt. A smoke or repeat evaluation is `scored` once it is through."""

    __tablename__ = "evaluations"

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    submission_id: Mapped[int] = mapped_column(ForeignKey("submissions.id"), init=False)
    zoo_id: Mapped[int] = mapped_column(ForeignKey("zoos.id"))
    attempt: Mapped[int]
    position: Mapped[int]
    networks: Mapped[int]
    purpose: Mapped[Purpose] = mapped_column(_text_enum(Purpose), default=Purpose.SCORE)
    state: Mapped[State] = mapped_column(_text_enum(State), default=State.QUEUED)
    cmi: Mapped[float | None] = mapped_column(Double, default=None)
    kendall_tau: Mapped[float | None] = mapped_column(Double, default=None)
    layers: Mapped[dict[str, bool] | None] = mapped_column(JSON, default=None)  # sandbox layers that held
    scored_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    submission: Mapped[SubmissionRecord] = relationship(back_populates="evaluations", default=None)
    zoo: Mapped[ZooRecord] = relationship(init=False)

    __table_args__ = (UniqueConstraint("submission_id", "zoo_id", "attempt", "purpose"), Index(None, "state"))


class RunRecord(Record):
    """One network's turn in one evaluation: pending until its value is recorded, claimed under a lease."""

    __tablename__ = "runs"

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    evaluation_id: Mapped[int] = mapped_column(ForeignKey("evaluations.id"))
    network_id: Mapped[str] = mapped_column(String(64))
    position: Mapped[int]  # the shuffled order in which a sandbox sees the networks
    state: Mapped[str] = mapped_column(String(10), default="pending")
    tries: Mapped[int] = mapped_column(default=0)
    lease_owner: Mapped[str | None] = mapped_column(String(100), default=None)
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)

    __table_args__ = (
        UniqueConstraint("evaluation_id", "network_id"),
        Index(None, "state", "lease_until"),
        CheckConstraint("state IN ('pending', 'claimed', 'done', 'dropped')", name="state"),
    )


class ValueRecord(Record):
    """The one float64 that a measure returned for one network, with what it cost."""

    __tablename__ = "measure_values"

    evaluation_id: Mapped[int] = mapped_column(ForeignKey("evaluations.id"), primary_key=True)
    network_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[float] = mapped_column(Double)
    wall_s: Mapped[float] = mapped_column(Double)
    cpu_s: Mapped[float | None] = mapped_column(Double, default=None)
    peak_bytes: Mapped[int | None] = mapped_column(BigInteger, default=None)
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime, default_factory=utc_now)


class FailureRecord(Record):
    """How the measure failed on one run. Message and log are kept only in phases that show logs."""

    __tablename__ = "failures"

    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    reason: Mapped[Reason] = mapped_column(_text_enum(Reason))
    detail: Mapped[str] = mapped_column(Text)
    message: Mapped[str | None] = mapped_column(Text, default=None)
    log: Mapped[str | None] = mapped_column(Text, default=None)
    wall_s: Mapped[float | None] = mapped_column(Double, default=None)
    cpu_s: Mapped[float | None] = mapped_column(Double, default=None)
    peak_bytes: Mapped[int | None] = mapped_column(BigInteger, default=None)
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime, default_factory=utc_now)


class WorkerRecord(Record):
    """A worker process: what it is, when it was last heard of, and why it takes no work, if it does not."""

    __tablename__ = "workers"

    name: Mapped[str] = mapped_column(String(100), primary_key=True)  # host/pid, the front of its lease owners
    slots: Mapped[int]
    backend: Mapped[str] = mapped_column(String(40))
    layers: Mapped[dict[str, bool]] = mapped_column(JSON)
    refusal: Mapped[str | None] = mapped_column(Text, default=None)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime, default_factory=utc_now)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime, default_factory=utc_now)


class ZooJobRecord(Record):
    """Work on a zoo that takes long: bringing one in and checking it. The queue of record, like `runs`.

    text: what is being done now; done, total: how far that is (bytes, networks). message: why it failed.
    """

    __tablename__ = "zoo_jobs"

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    kind: Mapped[JobKind] = mapped_column(_text_enum(JobKind))
    arguments: Mapped[dict[str, Any]] = mapped_column(JSON)
    state: Mapped[JobState] = mapped_column(_text_enum(JobState), default=JobState.QUEUED)
    done: Mapped[int] = mapped_column(BigInteger, default=0)
    total: Mapped[int] = mapped_column(BigInteger, default=0)
    text: Mapped[str] = mapped_column(Text, default="")
    message: Mapped[str | None] = mapped_column(Text, default=None)
    zoo_id: Mapped[int | None] = mapped_column(ForeignKey("zoos.id"), default=None)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"), default=None)
    lease_owner: Mapped[str | None] = mapped_column(String(100), default=None)
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    tries: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default_factory=utc_now)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)

    __table_args__ = (Index(None, "state", "lease_until"),)


class ZooUploadRecord(Record):
    """A zoo that arrives in pieces. Its bytes are in the home folder until the job that it became has ended.

    head_sha256: of its first piece, so that the same file can be told after a page was loaded anew.
    """

    __tablename__ = "zoo_uploads"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    filename: Mapped[str] = mapped_column(String(200))
    bytes: Mapped[int] = mapped_column(BigInteger)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    received: Mapped[int] = mapped_column(BigInteger, default=0)
    head_sha256: Mapped[str | None] = mapped_column(String(64), default=None)
    sha256: Mapped[str | None] = mapped_column(String(64), default=None)
    job_id: Mapped[int | None] = mapped_column(ForeignKey("zoo_jobs.id"), default=None)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default_factory=utc_now)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)

    __table_args__ = (Index(None, "user_id", "created_at"),)


class ActRecord(Record):
    """Something that was done to a zoo or a phase: who, when, what. user_id is None for the command line."""

    __tablename__ = "acts"

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    act: Mapped[str] = mapped_column(String(40))
    at: Mapped[datetime] = mapped_column(UtcDateTime, default_factory=utc_now)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"), default=None)
    zoo_id: Mapped[int | None] = mapped_column(ForeignKey("zoos.id"), default=None)
    phase_id: Mapped[int | None] = mapped_column(ForeignKey("phases.id"), default=None)
    detail: Mapped[str] = mapped_column(Text, default="")

    __table_args__ = (Index(None, "zoo_id"), Index(None, "phase_id"))
