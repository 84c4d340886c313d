"""Tables of the registry of zoos: versions, jobs, uploads, and the audit log."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from submissions.storage.clock import utc_now
from submissions.storage.records.base import Record, UtcDateTime, text_enum
from submissions.storage.records.kinds import JobKind, JobState, ZooState


class ZooRecord(Record):
    """One version of a zoo. Its files are in the zoo store under `manifest_sha256`; this row is what pages list.

    weight_bytes: size of the weights by network id, so that an attempt does not have to read the store. targets: which
    targets its truth supports. offers: what measures of the extended track may get. legacy_folder: the folder that an
    installation without a store had registered, until it is copied.
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
    state: Mapped[ZooState] = mapped_column(text_enum(ZooState), default=ZooState.READY)
    report: Mapped[dict[str, Any] | None] = mapped_column(JSON, default=None)
    targets: Mapped[list[str]] = mapped_column(JSON, default_factory=lambda: ["gap"])
    offers: Mapped[list[str]] = mapped_column(JSON, default_factory=list)
    source: Mapped[str] = mapped_column(Text, default="")
    legacy_folder: Mapped[str | None] = mapped_column(String(1000), default=None)
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"), default=None)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default_factory=utc_now)

    __table_args__ = (UniqueConstraint("name", "version"),)

    @property
    def label(self) -> str:
        """The name of this version, such as digits-mlp@2."""
        return f"{self.name}@{self.version}"


class ZooNetworkRecord(Record):
    """A network of a zoo, by which versions and copies of the zoo are found.

    weights_sha256: digest of its weights' file; None for an empty one, and until a store has been asked for it.
    """

    __tablename__ = "zoo_networks"

    zoo_id: Mapped[int] = mapped_column(ForeignKey("zoos.id"), primary_key=True)
    network_id: Mapped[str] = mapped_column(String(64), primary_key=True, index=True)
    weights_sha256: Mapped[str | None] = mapped_column(String(64), default=None, index=True)


class ZooJobRecord(Record):
    """A long job on a zoo: adding and checking it. This table is the queue, like `runs`.

    text: what is being done now; done, total: progress in bytes or networks. message: why it failed.
    """

    __tablename__ = "zoo_jobs"

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    kind: Mapped[JobKind] = mapped_column(text_enum(JobKind))
    arguments: Mapped[dict[str, Any]] = mapped_column(JSON)
    state: Mapped[JobState] = mapped_column(text_enum(JobState), default=JobState.QUEUED)
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
    """A resumable upload of a zoo. Its bytes are in the home folder until its job has ended.

    head_sha256: digest of its first piece, which identifies the same file after a reload of the page.
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
    """An entry of the audit log: who did what to a zoo or a phase, and when. user_id is None for the command line."""

    __tablename__ = "acts"

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    act: Mapped[str] = mapped_column(String(40))
    at: Mapped[datetime] = mapped_column(UtcDateTime, default_factory=utc_now)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"), default=None)
    zoo_id: Mapped[int | None] = mapped_column(ForeignKey("zoos.id"), default=None)
    phase_id: Mapped[int | None] = mapped_column(ForeignKey("phases.id"), default=None)
    detail: Mapped[str] = mapped_column(Text, default="")

    __table_args__ = (Index(None, "zoo_id"), Index(None, "phase_id"))
