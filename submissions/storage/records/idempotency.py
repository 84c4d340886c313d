"""The table of idempotency keys."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from submissions.storage.clock import utc_now
from submissions.storage.records.base import Record, UtcDateTime


class IdempotencyRecord(Record):
    """A creating request that carried a key, and its answer once there is one (see `submissions.storage.idempotency`).

    request_sha256: a keyed digest of its address and body. made_id: the submission that it made.
    """

    __tablename__ = "idempotency_keys"

    key_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    request_sha256: Mapped[str] = mapped_column(String(64))
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"), default=None)
    made_id: Mapped[int | None] = mapped_column(ForeignKey("submissions.id"), default=None)
    status: Mapped[int | None] = mapped_column(default=None)
    location: Mapped[str | None] = mapped_column(Text, default=None)
    body: Mapped[str | None] = mapped_column(Text, default=None)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default_factory=utc_now)

    __table_args__ = (Index(None, "created_at"), Index(None, "user_id"), Index(None, "made_id"))
