"""Phases as organizers open and change them: what they set, what is refused, who did it. Called by pages and commands.

Which zoos a phase gets later is `submissions.competitions.phase_zoos`'s: attaching, detaching and replacing have
consequences.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from submissions.competitions.competitions import (
    TEXT_LENGTH,
    CompetitionError,
    find_competition,
    find_phase,
    title_check,
    usable_zoo,
)
from submissions.competitions.exposure import DEFAULT_STEP, exposed_by_settings, require_confirmation
from submissions.competitions.phase_zoos import ATTACHED, outdated
from submissions.competitions.shared_zoos import exposed_by_use, exposed_to_others
from submissions.leaderboard import standings
from submissions.results.disclosure import SCORE_DIGITS, tells_in_full
from submissions.storage.audit import record_act
from submissions.storage.board_version import appearance_changed
from submissions.storage.database import Database
from submissions.storage.field_error import FieldError, faults
from submissions.storage.limits import LIMITS, Limits
from submissions.storage.queries import as_dict
from submissions.storage.records import (
    CompetitionRecord,
    CountRule,
    EvaluationRecord,
    PhaseRecord,
    PhaseZooRecord,
    Purpose,
    ShowsScores,
    SubmissionRecord,
    Tells,
    TimeRule,
    ZooRecord,
    ZooState,
    utc_now,
)
from submissions.storage.states import State

SLUG_LENGTH = 80
SCORE_STEPS = (0.1, 25.0)  # the least and the largest step of shown scores, in points of 100
MOST_SUBMISSIONS = 1_000_000
HELP = "help"  # what a setting does, for organizers: in the metadata of its field

_OF_THE_BOARD = frozenset(("count_rule", "uses_ladder", "freezes_at", "score_step", "tells", "is_revealed"))
_OF_THE_LADDER = frozenset(("uses_ladder", "score_step"))
_OF_TELLING = frozenset(("uses_ladder", "shows_scores", "closes_at"))
_SLUG = re.compile(rf"[a-z0-9][a-z0-9._-]{{0,{SLUG_LENGTH - 1}}}")


class PhaseError(FieldError):
    """A phase cannot be opened or changed as asked."""


@dataclass(frozen=True)
class PhasePlan:
    """What an organizer sets of a phase; the fields are those of `PhaseRecord`."""

    title: str
    opens_at: datetime
    closes_at: datetime | None = None
    target: str = "gap"
    limits: Limits = field(default_factory=Limits)
    time_rule: TimeRule = TimeRule.PER_NETWORK
    daily_quota: int = 20
    daily_smoke_failures: int | None = None
    total_quota: int | None = field(
        default=None,
        metadata={HELP: "Submissions of a person, or a team, in the whole phase; never reset. Empty: no limit."},
    )
    smoke_networks: int = 2
    repeat_networks: int = 0
    shows_logs: bool = False
    hidden: bool = False
    count_rule: CountRule = CountRule.BEST
    uses_ladder: bool = False
    score_step: float = field(
        default=DEFAULT_STEP,
        metadata={
            HELP: "With the Ladder, and on hidden truths, scores are shown in steps of so many points, from 0.1 to 25."
        },
    )
    shows_scores: ShowsScores = field(
        default=ShowsScores.ALWAYS,
        metadata={HELP: "after_close: before the phase closes, nobody but organizers sees scores or a leaderboard."},
    )
    freezes_at: datetime | None = None
    tells: Tells = Tells.SCORES
    is_revealed: bool = False

    def faults(self) -> dict[str, str]:
        """One sentence per field that makes no sense; empty where all is well."""
        checks = {
            "title": title_check("phase", self.title),
            "closes_at": (
                self.closes_at is None or self.closes_at > self.opens_at,
                "The phase must close after it opens.",
            ),
            "target": (0 < len(self.target) <= SLUG_LENGTH, "Name one of the targets that the zoos have, such as gap."),
            "daily_quota": (1 <= self.daily_quota <= 10_000, "Give from 1 to 10000 submissions a day."),
            "daily_smoke_failures": (
                self.daily_smoke_failures is None or 1 <= self.daily_smoke_failures <= 10_000,
                "Give from 1 to 10000 uploads a day, or nothing.",
            ),
            "total_quota": (
                self.total_quota is None or 1 <= self.total_quota <= MOST_SUBMISSIONS,
                f"Give from 1 to {MOST_SUBMISSIONS} submissions in all, or nothing.",
            ),
            "score_step": (
                SCORE_STEPS[0] <= self.score_step <= SCORE_STEPS[1]
                and math.isclose(self.score_step, round(self.score_step, SCORE_DIGITS)),
                f"Give from {SCORE_STEPS[0]:g} to {SCORE_STEPS[1]:g} points, with {SCORE_DIGITS} decimals at most.",
            ),
            "shows_scores": (
                self.shows_scores is ShowsScores.ALWAYS or self.closes_at is not None,
                "A phase that shows scores after it closes needs a date on which it closes.",
            ),
            "smoke_networks": (0 <= self.smoke_networks <= 100, "Give from 0 to 100 networks."),
            "repeat_networks": (0 <= self.repeat_networks <= 100, "Give from 0 to 100 networks."),
            "count_rule": (
                not self.uses_ladder or self.count_rule is CountRule.BEST,
                "With the Ladder the best submission counts.",
            ),
            "is_revealed": (
                not (self.uses_ladder and self.is_revealed),
                "Turn the Ladder off to reveal the results: with it, only released scores are shown.",
            ),
            "freezes_at": (
                self.freezes_at is None or self.freezes_at > self.opens_at,
                "The leaderboard must be frozen after the phase opens.",
            ),
        }
        return faults(checks) | self.limits.faults()

    def settings(self) -> dict[str, Any]:
        """What is set, by name: each limit by its own, everything else by its field's."""
        others = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "limits"}
        return others | dict(self.limits.of_phase())

    def changed(self, settings: Mapping[str, Any]) -> "PhasePlan":
        """Return the plan with some settings changed, named as in `settings`."""
        names = {limit.name for limit in LIMITS}
        limits = replace(self.limits, **{name: value for name, value in settings.items() if name in names})
        others = {name: value for name, value in settings.items() if name not in names}
        return replace(self, limits=limits, **others)


@dataclass(frozen=True)
class NewCompetition:
    """A competition that is made together with its first phase."""

    title: str
    text: str = ""


@dataclass(frozen=True)
class ListedPhase:
    """A phase on the organizers' list."""

    phase: PhaseRecord
    competition: CompetitionRecord
    zoos: tuple[ZooRecord, ...]
    submissions: int


def open_phase(
    db: Database,
    *,
    competition_slug: str,
    phase_slug: str,
    plan: PhasePlan,
    zoo_ids: Sequence[int],
    user_id: int | None,
    new_competition: NewCompetition | None = None,
    confirmed: bool = False,
) -> int:
    """Make a phase over ready zoos, and its competition where it is new. Returns the phase's id.

    new_competition: None where the competition must be there already. Raises PhaseError with a sentence per faulty
    field (competition, slug, zoos and those of the plan), UnconfirmedError as `change_phase` does.
    """
    checks = {"slug": _slug_check("phase", phase_slug), "competition": _slug_check("competition", competition_slug)}
    if new_competition is not None:
        checks["competition_title"] = title_check("competition", new_competition.title)
    messages = plan.faults() | faults(checks)
    with db.write() as session:
        competition = find_competition(session, competition_slug)
        if new_competition is not None and competition is not None:
            messages.setdefault("competition", f"There is a competition {competition_slug} already; choose it instead.")
        elif new_competition is None and competition is None:
            messages.setdefault("competition", f"There is no competition {competition_slug}.")
        elif find_phase(session, competition_slug, phase_slug) is not None:
            messages.setdefault("slug", f"The competition has a phase {phase_slug} already.")
        zoos = _usable_zoos(session, zoo_ids, plan.target, messages)
        if messages:
            raise PhaseError(messages)
        settings = plan.settings()
        exposed = [sentence for zoo in zoos for sentence in exposed_by_use(session, zoo, settings)]
        require_confirmation(exposed, confirmed=confirmed)
        if competition is None:
            assert new_competition is not None
            competition = CompetitionRecord(
                slug=competition_slug, title=new_competition.title, text=new_competition.text[:TEXT_LENGTH]
            )
            session.add(competition)
        phase = PhaseRecord(slug=phase_slug, competition=competition, title=plan.title, opens_at=plan.opens_at)
        _apply(phase, plan)
        session.add(phase)
        phase.zoo_links = [PhaseZooRecord(position=position, zoo=zoo) for position, zoo in enumerate(zoos)]
        session.flush()
        record_act(session, "opened", user_id=user_id, phase_id=phase.id, detail=f"{competition_slug}/{phase_slug}")
        for zoo in zoos:
            record_act(session, ATTACHED, user_id=user_id, zoo_id=zoo.id, phase_id=phase.id)
        return phase.id


def change_phase(db: Database, phase_id: int, plan: PhasePlan, *, user_id: int | None, confirmed: bool = False) -> None:
    """Give a phase the plan's dates, limits and visibility.

    Parameters
    ----------
    confirmed : bool, optional
        Whether the organizer has confirmed what becomes visible.

    Raises
    ------
    PhaseError
        With a sentence per faulty field.
    UnconfirmedError
        If something becomes visible that was not, and this is not confirmed.
    """
    if messages := plan.faults():
        raise PhaseError(messages)
    with db.write() as session:
        phase = session.get_one(PhaseRecord, phase_id, with_for_update=True)
        before = plan_of(phase)
        if plan.target != before.target:
            _require_target_may_change(session, phase, plan.target)
        _require_nothing_of_the_past(session, phase, before, plan)
        _require_confirmation(session, phase, before, plan, confirmed=confirmed)
        old = before.settings()
        changed = [name for name, value in plan.settings().items() if value != old[name]]
        if _OF_TELLING.intersection(changed) and not (phase.uses_ladder or phase.withholds_scores):
            standings.remember_told(session, phase_id)
        _apply(phase, plan)
        if changed:
            record_act(session, "changed", user_id=user_id, phase_id=phase_id, detail=", ".join(changed))
        if _OF_THE_BOARD.intersection(changed):
            standings.rebuild(session, phase_id, forget=not _OF_THE_LADDER.isdisjoint(changed))
        elif changed:
            appearance_changed(session, select(PhaseRecord.id).where(PhaseRecord.id == phase_id))


def _require_nothing_of_the_past(session: Session, phase: PhaseRecord, before: PhasePlan, plan: PhasePlan) -> None:
    """Refuse to tell everything while scores rest on a zoo that has left the phase, which it cannot reveal."""
    begins = tells_in_full(plan) and not tells_in_full(before)
    if begins and phase.has_secret_truth and (late := outdated(session, phase.id)):
        name = "is_revealed" if plan.is_revealed else "tells"
        text = (
            f"The zoos have changed, and {len(late)} submissions still rest on the earlier ones. A worker starts their "
            "evaluation; reveal the results after that."
        )
        raise PhaseError({name: text})


def unfreeze(db: Database, phase_id: int, *, user_id: int | None, confirmed: bool = False) -> bool:
    """Let everything that is scored count on the phase's leaderboard again. False where it is not frozen.

    Raises UnconfirmedError as `change_phase` does.
    """
    with db.write() as session:
        phase = session.get_one(PhaseRecord, phase_id, with_for_update=True)
        if phase.freezes_at is None:
            return False
        before = plan_of(phase)
        unfrozen = before.changed({"freezes_at": None})
        _require_confirmation(session, phase, before, unfrozen, confirmed=confirmed)
        phase.freezes_at = None
        record_act(session, "unfroze", user_id=user_id, phase_id=phase_id)
        standings.rebuild(session, phase_id)
        return True


def plan_of(phase: PhaseRecord) -> PhasePlan:
    """The plan that a phase follows now."""
    return PhasePlan(**{name: getattr(phase, name) for name in PhasePlan.__dataclass_fields__})


def phase_list(session: Session) -> tuple[ListedPhase, ...]:
    """Every phase with its zoos and how many submissions it has, the newest first."""
    counted = select(SubmissionRecord.phase_id, func.count()).group_by(SubmissionRecord.phase_id)
    counts = as_dict(session, counted)
    phases = session.scalars(select(PhaseRecord).order_by(PhaseRecord.opens_at.desc(), PhaseRecord.id.desc()))
    return tuple(
        ListedPhase(phase, phase.competition, zoos=tuple(phase.zoos), submissions=counts.get(phase.id, 0))
        for phase in phases
    )


def competition_list(session: Session) -> tuple[CompetitionRecord, ...]:
    """Every competition, the newest first."""
    return tuple(session.scalars(select(CompetitionRecord).order_by(CompetitionRecord.id.desc())))


def ready_zoos(session: Session) -> tuple[ZooRecord, ...]:
    """What a phase can be opened over, by name, the newest version of each first."""
    query = select(ZooRecord).where(ZooRecord.state == ZooState.READY)
    return tuple(session.scalars(query.order_by(ZooRecord.name, ZooRecord.version.desc())))


def default_plan() -> PhasePlan:
    """What an empty form begins with: open from now on, the defaults of a phase."""
    return PhasePlan(title="", opens_at=utc_now().replace(second=0, microsecond=0))


def _require_confirmation(
    session: Session, phase: PhaseRecord, before: PhasePlan, plan: PhasePlan, *, confirmed: bool
) -> None:
    old, new = before.settings(), plan.settings()
    exposed = exposed_by_settings(old, new, _secret_zoos(phase), has_scores=_has_scores(session, phase.id))
    shown = set(exposed_to_others(session, phase.zoos, old, phase.id))  # confirmed before
    others = (one for one in exposed_to_others(session, phase.zoos, new, phase.id) if one not in shown)
    require_confirmation((*exposed, *others), confirmed=confirmed)


def _has_scores(session: Session, phase_id: int) -> bool:
    """Whether a submission of the phase was ever scored on one of its zoos, in this attempt or an earlier one."""
    query = exists().where(
        SubmissionRecord.phase_id == phase_id,
        EvaluationRecord.submission_id == SubmissionRecord.id,
        EvaluationRecord.purpose == Purpose.SCORE,
        EvaluationRecord.state == State.SCORED,
    )
    return bool(session.scalar(select(query)))


def _secret_zoos(phase: PhaseRecord) -> int:
    """Return the number of zoos with secret truth on which scores may rest; one that the phase has left counts too."""
    return sum(not zoo.truth_public for zoo in phase.zoos) or int(phase.has_secret_truth)


def _apply(phase: PhaseRecord, plan: PhasePlan) -> None:
    for name, value in vars(plan).items():
        setattr(phase, name, value)


def _usable_zoos(session: Session, zoo_ids: Sequence[int], target: str, messages: dict[str, str]) -> list[ZooRecord]:
    try:
        zoos = [usable_zoo(session, zoo_id, target) for zoo_id in dict.fromkeys(zoo_ids)]
    except CompetitionError as error:
        messages["zoos"] = f"Not possible: {error}."
        return []
    names = [zoo.name for zoo in zoos]
    twice = next((name for name in names if names.count(name) > 1), None)
    if not zoos:
        messages["zoos"] = "Choose at least one zoo."
    elif twice is not None:
        messages["zoos"] = f"Choose one version of {twice}, not several."
    return zoos


def _require_target_may_change(session: Session, phase: PhaseRecord, target: str) -> None:
    if session.scalar(select(exists().where(SubmissionRecord.phase_id == phase.id))):
        raise PhaseError({"target": "The phase has submissions already, scored on its target; open another phase."})
    messages: dict[str, str] = {}
    _usable_zoos(session, [zoo.id for zoo in phase.zoos], target, messages)
    if messages:
        raise PhaseError({"target": messages["zoos"]})


def _slug_check(what: str, slug: str) -> tuple[bool, str]:
    sentence = f"A {what}'s short name has 1 to {SLUG_LENGTH} small letters, digits, dots, dashes or underscores."
    return _SLUG.fullmatch(slug) is not None, sentence
