"""The tables of worker processes and of the installation that they belong to."""

from datetime import datetime

from sqlalchemy import JSON, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from submissions.storage.clock import utc_now
from submissions.storage.records.base import Record, UtcDateTime


class WorkerRecord(Record):
    """A worker process: its sandbox, when it was last heard from, and why it takes no work, if so.

    host, pid and version are for people: nothing is decided by them.
    """

    __tablename__ = "workers"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)  # random; the names of its leases begin with it
    slots: Mapped[int]
    backend: Mapped[str] = mapped_column(String(40))
    layers: Mapped[dict[str, bool]] = mapped_column(JSON)
    host: Mapped[str] = mapped_column(String(255), default="")
    pid: Mapped[int] = mapped_column(default=0)
    version: Mapped[str] = mapped_column(String(40), default="")
    refusal: Mapped[str | None] = mapped_column(Text, default=None)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime, default_factory=utc_now)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime, default_factory=utc_now)


class InstallationRecord(Record):
    """The installation itself: one row, made when it is first asked for."""

    __tablename__ = "installation"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    key: Mapped[str] = mapped_column(String(32))  # random, and no secret
