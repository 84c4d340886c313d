"""The organizers' form of a phase: its fields as text, and the conversion to a plan and back."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from flask import request

from server.forms.fields import text_field
from submissions.competitions.competitions import TITLE_LENGTH
from submissions.competitions.phases import SLUG_LENGTH, PhasePlan
from submissions.storage.limits import LIMITS, Limit, Limits
from submissions.storage.records import CountRule, ShowsScores, TimeRule

_MOMENT = "%Y-%m-%dT%H:%M"
_NUMBER_LENGTH = 20
_COUNT_DIGITS = 9


@dataclass(frozen=True)
class PhaseFields:
    """What stands in the form, as it was typed; times are UTC.

    limits_before: what the form was shown with. A limit whose text is unchanged, or that was not sent, keeps its value.
    """

    title: str
    opens_at: str
    closes_at: str
    target: str
    limits: Mapping[Limit, str]
    limits_before: Limits
    time_rule: str
    daily_quota: str
    daily_smoke_failures: str
    total_quota: str
    smoke_networks: str
    repeat_networks: str
    shows_logs: bool
    hidden: bool
    count_rule: str
    uses_ladder: bool
    score_step: str
    shows_scores: str
    freezes_at: str


def fields_of(plan: PhasePlan) -> PhaseFields:
    """The form of a plan."""
    return PhaseFields(
        title=plan.title,
        opens_at=plan.opens_at.strftime(_MOMENT),
        closes_at=plan.closes_at.strftime(_MOMENT) if plan.closes_at else "",
        target=plan.target,
        limits={limit: _entry(limit, plan.limits) for limit in LIMITS},
        limits_before=plan.limits,
        time_rule=plan.time_rule.value,
        daily_quota=str(plan.daily_quota),
        daily_smoke_failures="" if plan.daily_smoke_failures is None else str(plan.daily_smoke_failures),
        total_quota="" if plan.total_quota is None else str(plan.total_quota),
        smoke_networks=str(plan.smoke_networks),
        repeat_networks=str(plan.repeat_networks),
        shows_logs=plan.shows_logs,
        hidden=plan.hidden,
        count_rule=plan.count_rule.value,
        uses_ladder=plan.uses_ladder,
        score_step=f"{plan.score_step:g}",
        shows_scores=plan.shows_scores.value,
        freezes_at=plan.freezes_at.strftime(_MOMENT) if plan.freezes_at else "",
    )


def posted_fields(before: PhasePlan) -> PhaseFields:
    """The form of this request; `before` is the plan that it was shown with."""
    return PhaseFields(
        title=text_field("title", TITLE_LENGTH + 1),
        target=text_field("target", SLUG_LENGTH + 1),
        shows_logs="shows_logs" in request.form,
        hidden="hidden" in request.form,
        uses_ladder="uses_ladder" in request.form,
        limits={
            limit: text_field(limit.entry_name, _NUMBER_LENGTH)
            if limit.entry_name in request.form
            else _entry(limit, before.limits)
            for limit in LIMITS
        },
        limits_before=before.limits,
        **{
            name: text_field(name, _NUMBER_LENGTH)
            for name in (
                *("opens_at", "closes_at", "time_rule", "daily_quota", "daily_smoke_failures"),
                *("total_quota", "smoke_networks", "repeat_networks", "count_rule"),
                *("shows_scores", "freezes_at"),
            )
        },
        score_step=text_field("score_step", _NUMBER_LENGTH)
        if "score_step" in request.form
        else f"{before.score_step:g}",
    )


def plan_in(fields: PhaseFields) -> tuple[PhasePlan | None, dict[str, str]]:
    """The plan that the form says, None where it cannot be read; and one sentence per field that makes no sense."""
    read = _Reader()
    opens_at = read.moment("opens_at", fields.opens_at)
    closes_at = read.moment("closes_at", fields.closes_at) if fields.closes_at else None
    limits = {limit.name: read.limit(limit, text, fields.limits_before) for limit, text in fields.limits.items()}
    smoke_failures = fields.daily_smoke_failures
    plan = PhasePlan(
        title=fields.title,
        opens_at=opens_at,
        closes_at=closes_at,
        target=fields.target,
        limits=replace(fields.limits_before, **limits),
        time_rule=TimeRule.POOLED if fields.time_rule == TimeRule.POOLED else TimeRule.PER_NETWORK,
        daily_quota=read.count("daily_quota", fields.daily_quota),
        daily_smoke_failures=read.count("daily_smoke_failures", smoke_failures) if smoke_failures else None,
        total_quota=read.count("total_quota", fields.total_quota) if fields.total_quota else None,
        smoke_networks=read.count("smoke_networks", fields.smoke_networks),
        repeat_networks=read.count("repeat_networks", fields.repeat_networks),
        shows_logs=fields.shows_logs,
        hidden=fields.hidden,
        count_rule=CountRule(fields.count_rule) if fields.count_rule in list(CountRule) else CountRule.BEST,
        uses_ladder=fields.uses_ladder,
        score_step=read.number("score_step", fields.score_step),
        shows_scores=(
            ShowsScores.AFTER_CLOSE if fields.shows_scores == ShowsScores.AFTER_CLOSE else ShowsScores.ALWAYS
        ),
        freezes_at=read.moment("freezes_at", fields.freezes_at) if fields.freezes_at else None,
    )
    return (None, read.messages) if read.messages else (plan, plan.faults())


def _entry(limit: Limit, limits: Limits) -> str:
    return limit.entry(getattr(limits, limit.name))


class _Reader:
    """Turns text into numbers and moments; what cannot be read gets a sentence under its field's name."""

    def __init__(self) -> None:
        self.messages: dict[str, str] = {}

    def moment(self, name: str, text: str) -> datetime:
        try:
            return datetime.strptime(text[:16], _MOMENT).replace(tzinfo=UTC)
        except ValueError:
            self.messages[name] = "Give a day and a time in UTC, such as 2027-03-01T12:00."
            return datetime.max.replace(tzinfo=UTC)

    def limit(self, limit: Limit, text: str, before: Limits) -> Any:
        if text == _entry(limit, before):
            return getattr(before, limit.name)
        try:
            return limit.read(text)
        except ValueError as error:
            self.messages[limit.name] = str(error)
            return limit.default

    def number(self, name: str, text: str) -> float:
        try:
            return float(text)
        except ValueError:
            self.messages[name] = "Give a number, such as 1 or 0.5."
            return 0.0

    def count(self, name: str, text: str) -> int:
        if text.isascii() and text.isdecimal() and len(text) <= _COUNT_DIGITS:
            return int(text)
        self.messages[name] = "Give a whole number."
        return 0
