"""Competitions with their announcements, and their phases with dates, limits, rules and zoos."""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Double,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    column,
    exists,
    or_,
    table,
)
from sqlalchemy.orm import Mapped, column_property, composite, mapped_column, relationship

from submissions.storage.clock import utc_now
from submissions.storage.limits import LIMITS, Limits, Unit
from submissions.storage.records.base import Record, UtcDateTime, text_enum
from submissions.storage.records.kinds import CountRule, Purpose, ShowsScores, Tells, TimeRule
from submissions.storage.records.zoos import ActRecord, ZooRecord
from submissions.storage.states import State

_SUBMISSIONS = table("submissions", *(column(name) for name in ("id", "phase_id", "state", "attempt")))
_EVALUATIONS = table(
    "evaluations", *(column(name) for name in ("submission_id", "zoo_id", "attempt", "purpose", "state"))
)
# The rules by which standings and shown scores are computed; a release that changes what may be shown counts them up.
BOARD_RULES = 1
_COLUMN_TYPES = {Unit.SECONDS: Double, Unit.BYTES: BigInteger, Unit.COUNT: Integer}


class CompetitionRecord(Record):
    """A competition: its texts, the size of its teams, and its phases."""

    __tablename__ = "competitions"

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    slug: Mapped[str] = mapped_column(String(80), unique=True)
    title: Mapped[str] = mapped_column(String(200))
    text: Mapped[str] = mapped_column(Text, default="")
    rules: Mapped[str] = mapped_column(Text, default="")
    team_members: Mapped[int] = mapped_column(default=5)  # the most that a team may have
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default_factory=utc_now)
    phases: Mapped[list["PhaseRecord"]] = relationship(
        back_populates="competition", order_by="PhaseRecord.opens_at", init=False, default_factory=list
    )


class PhaseZooRecord(Record):
    """A zoo of a phase, and its place among the phase's zoos."""

    __tablename__ = "phase_zoos"

    phase_id: Mapped[int] = mapped_column(ForeignKey("phases.id"), primary_key=True, init=False)
    zoo_id: Mapped[int] = mapped_column(ForeignKey("zoos.id"), primary_key=True, init=False)
    position: Mapped[int]
    phase: Mapped["PhaseRecord"] = relationship(back_populates="zoo_links", default=None)
    zoo: Mapped[ZooRecord] = relationship(default=None)


class PhaseRecord(Record):
    """Dates, zoos, limits and visibility inside a competition. `target`: what measures are to predict on each zoo.

    `limits` are per network, each in a column of its name; `time_rule` says whether `wall_s` is. Before its scored
    runs a submission is tried on `smoke_networks` networks of a public zoo (0: never): `smoke_zoo`, or one that
    `submissions.evaluation.smoke_run` finds. After its score `repeat_networks` random networks are evaluated once
    more. `daily_smoke_failures` bounds the uploads that end before they spend quota; None stands for ten times the
    quota, at least 50. `total_quota` bounds a person's submissions in the whole phase; None: not.

    The leaderboard shows one submission of each team, by `count_rule`; with `uses_ladder` a new score only where it
    is certainly better. What is scored after `freezes_at` is left out of the leaderboard until that is None again.
    Where `shows_scores` says so, nothing that follows from a score is shown before the phase closes.
    Where a zoo's truth is secret (`has_secret_truth`), and with the Ladder, scores are told in steps of `score_step`
    points. A zoo that the phase has left counts until all submissions are evaluated again. Nothing else is told of
    secret truths, but for what `tells` adds, until the results are revealed (`is_revealed`).
    `board_version` grows with every change of what the board shows; `intervals_version` is the one whose rank
    intervals are on record. `board_rules`: those by which its standings were computed; `BOARD_RULES` are today's.
    """

    __tablename__ = "phases"

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    competition_id: Mapped[int] = mapped_column(ForeignKey("competitions.id"), init=False)
    slug: Mapped[str] = mapped_column(String(80))
    title: Mapped[str] = mapped_column(String(200))
    opens_at: Mapped[datetime] = mapped_column(UtcDateTime)
    closes_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    target: Mapped[str] = mapped_column(String(80), default="gap")
    limits: Mapped[Limits] = composite(
        Limits.of_columns,
        *(mapped_column(one.name, _COLUMN_TYPES[one.unit], nullable=one.is_optional) for one in LIMITS),
        default=Limits(),
    )
    time_rule: Mapped[TimeRule] = mapped_column(text_enum(TimeRule), default=TimeRule.PER_NETWORK)
    daily_quota: Mapped[int] = mapped_column(default=20)
    daily_smoke_failures: Mapped[int | None] = mapped_column(default=None)
    total_quota: Mapped[int | None] = mapped_column(default=None)
    smoke_networks: Mapped[int] = mapped_column(default=2)
    smoke_zoo_id: Mapped[int | None] = mapped_column(ForeignKey("zoos.id"), default=None)
    repeat_networks: Mapped[int] = mapped_column(default=0)
    shows_logs: Mapped[bool] = mapped_column(default=False)
    hidden: Mapped[bool] = mapped_column(default=False)
    count_rule: Mapped[CountRule] = mapped_column(text_enum(CountRule), default=CountRule.BEST)
    uses_ladder: Mapped[bool] = mapped_column(default=False)
    shows_scores: Mapped[ShowsScores] = mapped_column(text_enum(ShowsScores), default=ShowsScores.ALWAYS)
    freezes_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    score_step: Mapped[float] = mapped_column(Double, default=1.0)
    tells: Mapped[Tells] = mapped_column(text_enum(Tells), default=Tells.SCORES)
    is_revealed: Mapped[bool] = mapped_column(default=False)
    board_version: Mapped[int] = mapped_column(default=0)
    intervals_version: Mapped[int] = mapped_column(default=0)
    board_rules: Mapped[int] = mapped_column(default=BOARD_RULES)
    competition: Mapped[CompetitionRecord] = relationship(back_populates="phases", default=None)
    zoo_links: Mapped[list["PhaseZooRecord"]] = relationship(
        back_populates="phase", order_by="PhaseZooRecord.position", init=False, default_factory=list
    )

    has_secret_truth: Mapped[bool] = column_property(
        or_(
            exists()
            .where(
                PhaseZooRecord.phase_id == id,  # noqa: A003
                PhaseZooRecord.zoo_id == ZooRecord.id,
                ZooRecord.truth_public.is_(False),
            )
            .correlate_except(PhaseZooRecord, ZooRecord),
            exists()
            .where(  # the log of acts names the zoos that the phase has left, without a search of all evaluations
                ActRecord.phase_id == id,  # noqa: A003
                ActRecord.zoo_id == ZooRecord.id,
                ZooRecord.truth_public.is_(False),
                exists()  # apart, so that no database begins with the submissions, of which there may be a million
                .where(
                    _SUBMISSIONS.c.phase_id == id,  # noqa: A003
                    _SUBMISSIONS.c.state != State.CANCELLED.value,
                    _EVALUATIONS.c.submission_id == _SUBMISSIONS.c.id,
                    _EVALUATIONS.c.attempt == _SUBMISSIONS.c.attempt,
                    _EVALUATIONS.c.purpose == Purpose.SCORE.value,
                    _EVALUATIONS.c.state == State.SCORED.value,
                    _EVALUATIONS.c.zoo_id == ActRecord.zoo_id,
                )
                .correlate_except(_SUBMISSIONS, _EVALUATIONS),
            )
            .correlate_except(ActRecord, ZooRecord),
        )
    )

    __table_args__ = (UniqueConstraint("competition_id", "slug"),)

    @property
    def zoos(self) -> list[ZooRecord]:
        """The phase's zoos, in their order."""
        return [link.zoo for link in self.zoo_links]

    @property
    def has_old_board(self) -> bool:
        """Whether the standings on record follow the rules of an older release."""
        return self.board_rules < BOARD_RULES

    @property
    def withholds_scores(self) -> bool:
        """Whether now nobody but organizers may learn anything that follows from a score."""
        return self.shows_scores.withholds(self.closes_at, utc_now())


class AnnouncementRecord(Record):
    """A dated message of the organizers on a competition's page."""

    __tablename__ = "announcements"

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    competition_id: Mapped[int] = mapped_column(ForeignKey("competitions.id"))
    title: Mapped[str] = mapped_column(String(200))
    text: Mapped[str] = mapped_column(Text, default="")
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"), default=None)
    at: Mapped[datetime] = mapped_column(UtcDateTime, default_factory=utc_now)

    __table_args__ = (Index(None, "competition_id", "at"),)
