"""Tables of people: accounts, sessions, API tokens, teams, notifications and mails."""

from datetime import datetime

from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from submissions.storage.clock import utc_now
from submissions.storage.records.base import Record, UtcDateTime, text_enum
from submissions.storage.roles import Role


class UserRecord(Record):
    """An account. The system user, which owns baselines, cannot log in."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    name: Mapped[str] = mapped_column(String(40), unique=True)
    name_key: Mapped[str] = mapped_column(String(40), unique=True)  # case-folded, so that Ann and ann are one
    skeleton: Mapped[str | None] = mapped_column(Text, default=None)  # of the name; None: it looks like an older one
    email: Mapped[str | None] = mapped_column(String(254), default=None)
    password_hash: Mapped[str | None] = mapped_column(String(200), default=None)
    email_verified_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    wants_mail: Mapped[bool] = mapped_column(default=True)  # when a submission is scored or has failed
    role: Mapped[Role] = mapped_column(text_enum(Role), default=Role.PARTICIPANT)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default_factory=utc_now)
    deleted_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)

    __table_args__ = (
        Index(None, "skeleton", unique=True),
        Index(None, "email"),
        Index(  # whoever can read an address's mails has one account with it; anybody can type it
            "ix_users_verified_email",
            "email",
            unique=True,
            sqlite_where=text("email_verified_at IS NOT NULL"),
            postgresql_where=text("email_verified_at IS NOT NULL"),
        ),
    )


class SessionRecord(Record):
    """One browser in which a user is logged in. The cookie carries its key; deleting the row ends the session."""

    __tablename__ = "sessions"

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    key_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    browser: Mapped[str] = mapped_column(String(200), default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default_factory=utc_now)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime, default_factory=utc_now)

    __table_args__ = (Index(None, "user_id"),)


class ApiTokenRecord(Record):
    """A key for scripts, limited to its scopes. Only its digest is stored; `hint` is its first letters."""

    __tablename__ = "api_tokens"

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    name: Mapped[str] = mapped_column(String(80))
    token_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    hint: Mapped[str] = mapped_column(String(16))
    scopes: Mapped[list[str]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default_factory=utc_now)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)

    __table_args__ = (Index(None, "user_id"),)


class TeamRecord(Record):
    """People who take part in one competition together. Anybody with the invite key may join."""

    __tablename__ = "teams"

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    competition_id: Mapped[int] = mapped_column(ForeignKey("competitions.id"))
    name: Mapped[str] = mapped_column(String(40))
    name_key: Mapped[str] = mapped_column(String(40))  # case-folded
    invite_key: Mapped[str] = mapped_column(String(64), unique=True)
    skeleton: Mapped[str | None] = mapped_column(Text, default=None)  # as a user's
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default_factory=utc_now)

    __table_args__ = (
        UniqueConstraint("competition_id", "name_key"),
        Index(None, "skeleton", "competition_id", unique=True),
    )


class TeamMemberRecord(Record):
    """The members of teams: one team per person and competition."""

    __tablename__ = "team_members"

    team_id: Mapped[int] = mapped_column(ForeignKey("teams.id"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    competition_id: Mapped[int] = mapped_column(ForeignKey("competitions.id"))
    joined_at: Mapped[datetime] = mapped_column(UtcDateTime, default_factory=utc_now)

    __table_args__ = (UniqueConstraint("user_id", "competition_id"),)


class TeamPersonRecord(Record):
    """Everybody who was ever a member of a team. Leaving it or deleting the account keeps the row: see `entrants`."""

    __tablename__ = "team_persons"

    team_id: Mapped[int] = mapped_column(ForeignKey("teams.id"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)

    __table_args__ = (Index(None, "user_id"),)


class NotificationRecord(Record):
    """A notification that the pages show until the user has read it."""

    __tablename__ = "notifications"

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    text: Mapped[str] = mapped_column(Text)
    submission_id: Mapped[int | None] = mapped_column(ForeignKey("submissions.id"), default=None)
    at: Mapped[datetime] = mapped_column(UtcDateTime, default_factory=utc_now)
    read_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)

    __table_args__ = (Index(None, "user_id", "read_at"), Index(None, "submission_id"))

    @property
    def is_read(self) -> bool:
        """Whether the user has marked it as read."""
        return self.read_at is not None


class MailRecord(Record):
    """A mail of the outbox: written in the transaction that causes it, sent by a worker, with retries."""

    __tablename__ = "mails"

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    address: Mapped[str] = mapped_column(String(254))
    subject: Mapped[str] = mapped_column(String(200))
    text: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default_factory=utc_now)
    next_try_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default_factory=utc_now)  # None: no more
    tries: Mapped[int] = mapped_column(default=0)
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    error: Mapped[str | None] = mapped_column(Text, default=None)

    __table_args__ = (Index(None, "next_try_at"),)
