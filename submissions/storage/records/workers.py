"""The table of worker processes."""

from datetime import datetime

from sqlalchemy import JSON, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from submissions.storage.clock import utc_now
from submissions.storage.records.base import Record, UtcDateTime


class WorkerRecord(Record):
    """A worker process: its sandbox, when it was last heard from, and why it takes no work, if so."""

    __tablename__ = "workers"

    name: Mapped[str] = mapped_column(String(100), primary_key=True)  # host/pid, the front of its lease owners
    slots: Mapped[int]
    backend: Mapped[str] = mapped_column(String(40))
    layers: Mapped[dict[str, bool]] = mapped_column(JSON)
    refusal: Mapped[str | None] = mapped_column(Text, default=None)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime, default_factory=utc_now)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime, default_factory=utc_now)
