"""Tables of submissions: evaluations, the queue, values, failures, and standings on a phase's leaderboard."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Double,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from submissions.storage.clock import utc_now
from submissions.storage.records.base import Record, UtcDateTime, text_enum
from submissions.storage.records.competitions import PhaseRecord
from submissions.storage.records.kinds import Purpose
from submissions.storage.records.people import UserRecord
from submissions.storage.records.zoos import ZooRecord
from submissions.storage.states import Reason, State


class SubmissionRecord(Record):
    """One uploaded measure in one phase. `score` is 100 x the mean of its evaluations' CMI.

    `entrant` is its owner on the leaderboard: a team (t7), a person alone (u12) or a baseline (b and its digest).
    `shown_score` is the score that others may see: rounded, and released by the Ladder if the phase uses it. Of one
    that is not `is_released`, the Ladder shows its owners the entrant's last released score, None if there is none.
    `lower_bound`: of a released submission's true score, from which the Ladder goes on. Of a released one that lost its
    score in a later attempt only `is_released` stays: the Ladder remembers it. `was_told`: whether its score, or that
    on a zoo, was shown before the phase turned the Ladder on. `alias` replaces the name of the author or team on public
    pages. `spends_quota` is set when the first scored run begins, and never reset. `priority` above 0 goes before the
    fair shares of all entrants.
    """

    __tablename__ = "submissions"

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    phase_id: Mapped[int] = mapped_column(ForeignKey("phases.id"))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    name: Mapped[str] = mapped_column(String(80))
    entrant: Mapped[str] = mapped_column(String(24))
    filename: Mapped[str] = mapped_column(String(255))
    bundle_sha256: Mapped[str] = mapped_column(String(64))
    state: Mapped[State] = mapped_column(text_enum(State), default=State.QUEUED)
    reason: Mapped[Reason | None] = mapped_column(text_enum(Reason), default=None)
    detail: Mapped[str | None] = mapped_column(Text, default=None)
    score: Mapped[float | None] = mapped_column(Double, default=None)
    standard_error: Mapped[float | None] = mapped_column(Double, default=None)
    shown_score: Mapped[float | None] = mapped_column(Double, default=None)
    lower_bound: Mapped[float | None] = mapped_column(Double, default=None)
    team_id: Mapped[int | None] = mapped_column(ForeignKey("teams.id"), default=None)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("submissions.id"), default=None)  # resubmitted from it
    description: Mapped[str] = mapped_column(Text, default="")
    link: Mapped[str] = mapped_column(String(300), default="")
    alias: Mapped[str | None] = mapped_column(String(40), default=None)
    alias_skeleton: Mapped[str | None] = mapped_column(Text, default=None)  # what the alias looks like
    track: Mapped[str] = mapped_column(String(20), default="standard")
    needs: Mapped[list[str]] = mapped_column(JSON, default_factory=list)  # of what zoos of the extended track offer
    attempt: Mapped[int] = mapped_column(default=1)
    priority: Mapped[int] = mapped_column(default=0)
    spends_quota: Mapped[bool] = mapped_column(default=False)
    is_baseline: Mapped[bool] = mapped_column(default=False)
    is_reference: Mapped[bool] = mapped_column(default=False)  # a baseline to read the board by, not to beat
    is_chosen: Mapped[bool] = mapped_column(default=False)  # by its team, where that decides what counts
    is_released: Mapped[bool] = mapped_column(default=False)  # by the Ladder, in a phase that uses it
    was_told: Mapped[bool] = mapped_column(default=False)
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
        Index(None, "phase_id", "entrant", "state"),
        Index(None, "team_id"),
        Index(None, "parent_id"),
        Index(None, "bundle_sha256"),
        Index(None, "alias_skeleton"),
        Index(None, "user_id", "created_at"),
        Index(None, "state", "priority"),
    )


_WAITING = text("waiting > 0")


class ShareRecord(Record):
    """An entrant's share of the workers in a phase: see `submissions.evaluation.fair_share`.

    tier: work of a lower tier goes first. used_s: the seconds that its runs were given. network_s: what its last
    networks took each. waiting: how many of its networks may be claimed now.
    """

    __tablename__ = "queue_shares"

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    phase_id: Mapped[int] = mapped_column(ForeignKey("phases.id"))
    entrant: Mapped[str] = mapped_column(String(24))
    tier: Mapped[int]
    used_s: Mapped[float] = mapped_column(Double, default=0.0)
    network_s: Mapped[float] = mapped_column(Double, default=1.0)
    waiting: Mapped[int] = mapped_column(default=0)

    __table_args__ = (
        UniqueConstraint("phase_id", "entrant", "tier"),
        Index("ix_queue_shares_waiting", "tier", "used_s", "id", postgresql_where=_WAITING, sqlite_where=_WAITING),
        CheckConstraint("waiting >= 0", name="waiting"),
    )


class EvaluationRecord(Record):
    """One submission on one zoo, in one attempt. A smoke or repeat evaluation is `scored` once it has passed.

    Its networks become runs in the order of `network_ids`; without it, of all networks of the zoo in an order that
    follows from `order_seed`. Those before `next_position` have become runs. `waiting`: how many may be claimed now.
    """

    __tablename__ = "evaluations"

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    submission_id: Mapped[int] = mapped_column(ForeignKey("submissions.id"), init=False)
    zoo_id: Mapped[int] = mapped_column(ForeignKey("zoos.id"))
    attempt: Mapped[int]
    position: Mapped[int]
    networks: Mapped[int]
    purpose: Mapped[Purpose] = mapped_column(text_enum(Purpose), default=Purpose.SCORE)
    state: Mapped[State] = mapped_column(text_enum(State), default=State.QUEUED)
    cmi: Mapped[float | None] = mapped_column(Double, default=None)
    standard_error: Mapped[float | None] = mapped_column(Double, default=None)  # of the CMI, from 0 to 1
    kendall_tau: Mapped[float | None] = mapped_column(Double, default=None)
    granulated_kendall: Mapped[float | None] = mapped_column(Double, default=None)
    sign_error: Mapped[float | None] = mapped_column(Double, default=None)
    report: Mapped[dict[str, Any] | None] = mapped_column(JSON, default=None)  # all that `scoring` says of it
    layers: Mapped[dict[str, bool] | None] = mapped_column(JSON, default=None)  # sandbox layers that held
    scored_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    share_id: Mapped[int | None] = mapped_column(ForeignKey("queue_shares.id"), default=None)
    waiting: Mapped[int] = mapped_column(default=0)
    next_position: Mapped[int] = mapped_column(default=0)
    order_seed: Mapped[int | None] = mapped_column(BigInteger, default=None)
    network_ids: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True), default=None)
    submission: Mapped[SubmissionRecord] = relationship(back_populates="evaluations", default=None)
    zoo: Mapped[ZooRecord] = relationship(init=False)

    __table_args__ = (
        UniqueConstraint("submission_id", "zoo_id", "attempt", "purpose"),
        Index(None, "state"),
        Index(
            "ix_evaluations_waiting",
            *("share_id", "purpose", "submission_id", "position"),
            postgresql_where=_WAITING,
            sqlite_where=_WAITING,
        ),
        CheckConstraint("waiting >= 0", name="waiting"),
        Index(None, "zoo_id"),
    )


class PictureRecord(Record):
    """A picture of an evaluation's result, by the digest of everything it was drawn from.

    version: of the drawing. markup: SVG for a page, compressed; empty where there is no picture.
    """

    __tablename__ = "pictures"

    evaluation_id: Mapped[int] = mapped_column(ForeignKey("evaluations.id"), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    version: Mapped[int]
    markup: Mapped[bytes] = mapped_column(LargeBinary)

    __table_args__ = (Index(None, "digest"),)


class RunRecord(Record):
    """The evaluation of one network: pending, paused, or claimed under a lease; `failed` only where the measure failed.

    There is a row from shortly before it is claimed until its value is recorded. `tries` failed through a fault of
    ours, first at `failing_since`. A paused run may be claimed before `not_before` only by workers that are not among
    `failed_on` (names between bars; None: by nobody). `losses`: how many workers were lost while they evaluated it.
    `submissions.evaluation.retries` decides on these.
    """

    __tablename__ = "runs"

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    evaluation_id: Mapped[int] = mapped_column(ForeignKey("evaluations.id"))
    network_id: Mapped[str] = mapped_column(String(64))
    position: Mapped[int]  # the shuffled order in which a sandbox sees the networks
    state: Mapped[str] = mapped_column(String(10), default="pending")
    tries: Mapped[int] = mapped_column(default=0)
    losses: Mapped[int] = mapped_column(default=0)
    failing_since: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    failed_on: Mapped[str | None] = mapped_column(Text, default=None)
    not_before: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    lease_owner: Mapped[str | None] = mapped_column(String(100), default=None)
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)

    __table_args__ = (
        UniqueConstraint("evaluation_id", "network_id"),
        Index(None, "state", "lease_until"),
        CheckConstraint("state IN ('pending', 'paused', 'claimed', 'failed')", name="state"),
    )


class ValueRecord(Record):
    """The float64 that a measure returned for one network, with the time and memory it took."""

    __tablename__ = "measure_values"

    evaluation_id: Mapped[int] = mapped_column(ForeignKey("evaluations.id"), primary_key=True)
    network_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[float] = mapped_column(Double)
    wall_s: Mapped[float] = mapped_column(Double)
    cpu_s: Mapped[float | None] = mapped_column(Double, default=None)
    peak_bytes: Mapped[int | None] = mapped_column(BigInteger, default=None)
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime, default_factory=utc_now)


class FailureRecord(Record):
    """How the measure failed on one run, as far as `submissions.evaluation.failure_disclosure` lets it be told."""

    __tablename__ = "failures"

    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    reason: Mapped[Reason] = mapped_column(text_enum(Reason))
    detail: Mapped[str] = mapped_column(Text)
    message: Mapped[str | None] = mapped_column(Text, default=None)
    log: Mapped[str | None] = mapped_column(Text, default=None)
    wall_s: Mapped[float | None] = mapped_column(Double, default=None)
    cpu_s: Mapped[float | None] = mapped_column(Double, default=None)
    peak_bytes: Mapped[int | None] = mapped_column(BigInteger, default=None)
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime, default_factory=utc_now)


class StandingRecord(Record):
    """One entrant of a phase on its leaderboard: the submission that counts, and its visible score.

    standard_error: of that score; with the Ladder, the step of the shown score. rank_lowest, rank_highest: the rank
    interval; None until it is computed. track, is_reference, submitted_at: copied from the submission, so that this
    table alone determines the order.
    """

    __tablename__ = "standings"

    phase_id: Mapped[int] = mapped_column(ForeignKey("phases.id"), primary_key=True)
    entrant: Mapped[str] = mapped_column(String(24), primary_key=True)
    submission_id: Mapped[int] = mapped_column(ForeignKey("submissions.id"))
    shown_score: Mapped[float] = mapped_column(Double)
    standard_error: Mapped[float | None] = mapped_column(Double, default=None)
    scored: Mapped[int] = mapped_column(default=1)  # how many of its submissions have a score
    rank_lowest: Mapped[int | None] = mapped_column(default=None)
    rank_highest: Mapped[int | None] = mapped_column(default=None)
    track: Mapped[str] = mapped_column(String(20), default="standard")
    is_reference: Mapped[bool] = mapped_column(default=False)
    submitted_at: Mapped[datetime] = mapped_column(UtcDateTime, default_factory=utc_now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default_factory=utc_now)

    __table_args__ = (
        Index(None, "phase_id", "shown_score", "is_reference"),
        Index(None, "phase_id", "track", "is_reference"),
        Index(None, "submission_id"),
    )
