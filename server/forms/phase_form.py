"""The organizers' form of a phase: its fields as text, and the conversion to a plan and back.

Each field of a plan but its limits is one of the form, which is read as the field's type says.
"""

from datetime import UTC, datetime
from enum import StrEnum
from types import NoneType
from typing import Any, get_args, get_type_hints

from flask import request

from server.forms.fields import text_field
from submissions.competitions.competitions import TITLE_LENGTH
from submissions.competitions.phases import SLUG_LENGTH, PhasePlan
from submissions.storage.limits import LIMITS, Limit, Limits

# What stands in the form by the names of the plan, as it was typed: texts, True for a ticked box; limit → text under
# `limits`. Times are UTC.
PhaseFields = dict[str, Any]

_MOMENT = "%Y-%m-%dT%H:%M"
_LENGTHS = {"title": TITLE_LENGTH + 1, "target": SLUG_LENGTH + 1}
_NUMBER_LENGTH = 20
_COUNT_DIGITS = 9
_KINDS = {name: kind for name, kind in get_type_hints(PhasePlan).items() if name != "limits"}


def fields_of(plan: PhasePlan) -> PhaseFields:
    """The form of a plan."""
    limits = {limit: _entry(limit, plan.limits) for limit in LIMITS}
    return {name: _typed(getattr(plan, name)) for name in _KINDS} | {"limits": limits}


def posted_fields(before: PhasePlan) -> PhaseFields:
    """The form of this request; `before` is the plan that it was shown with."""
    limits = {
        limit: text_field(limit.entry_name, _NUMBER_LENGTH)
        if limit.entry_name in request.form
        else _entry(limit, before.limits)
        for limit in LIMITS
    }
    posted = {
        name: name in request.form
        if kind is bool
        else text_field(name, _LENGTHS.get(name, _NUMBER_LENGTH))
        if name in request.form or not _is_choice(kind)
        else _typed(getattr(before, name))
        for name, kind in _KINDS.items()
    }
    return posted | {"limits": limits}


def plan_in(fields: PhaseFields, before: PhasePlan) -> tuple[PhasePlan | None, dict[str, str]]:
    """The plan that the form says, None where it cannot be read; and one sentence per field that makes no sense.

    before: the plan that the form was shown with. A limit whose text is unchanged keeps its value.
    """
    read = _Reader()
    settings = {name: read.setting(name, kind, fields[name]) for name, kind in _KINDS.items()}
    limits = {limit.name: read.limit(limit, text, before.limits) for limit, text in fields["limits"].items()}
    plan = before.changed(settings | limits)
    return (None, read.messages) if read.messages else (plan, plan.faults())


def _is_choice(kind: Any) -> bool:
    """Whether a field has a value wherever it is shown, so that it keeps the old one where it was not sent."""
    return isinstance(kind, type) and issubclass(kind, float | StrEnum)


def _typed(value: object) -> str | bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, float):
        return f"{value:g}"
    return value.strftime(_MOMENT) if isinstance(value, datetime) else "" if value is None else str(value)


def _entry(limit: Limit, limits: Limits) -> str:
    return limit.entry(getattr(limits, limit.name))


class _Reader:
    """Turns what was typed into values; what cannot be read gets a sentence under its field's name."""

    def __init__(self) -> None:
        self.messages: dict[str, str] = {}

    def setting(self, name: str, kind: Any, typed: Any) -> Any:
        """The value of a field of the plan with this type; an unknown choice is the default."""
        kinds = get_args(kind) or (kind,)
        if NoneType in kinds and not typed:
            return None
        if float in kinds:
            return self._number(name, typed)
        if int in kinds:
            return self._count(name, typed)
        if datetime in kinds:
            return self._moment(name, typed)
        if issubclass(kind, StrEnum):
            return kind(typed) if typed in list(kind) else getattr(PhasePlan, name)
        return typed

    def limit(self, limit: Limit, text: str, before: Limits) -> Any:
        if text == _entry(limit, before):
            return getattr(before, limit.name)
        try:
            return limit.read(text)
        except ValueError as error:
            self.messages[limit.name] = str(error)
            return limit.default

    def _moment(self, name: str, text: str) -> datetime:
        try:
            return datetime.strptime(text[:16], _MOMENT).replace(tzinfo=UTC)
        except ValueError:
            self.messages[name] = "Give a day and a time in UTC, such as 2027-03-01T12:00."
            return datetime.max.replace(tzinfo=UTC)

    def _number(self, name: str, text: str) -> float:
        try:
            return float(text)
        except ValueError:
            self.messages[name] = "Give a number."
            return 0.0

    def _count(self, name: str, text: str) -> int:
        if text.isascii() and text.isdecimal() and len(text) <= _COUNT_DIGITS:
            return int(text)
        self.messages[name] = "Give a whole number."
        return 0
