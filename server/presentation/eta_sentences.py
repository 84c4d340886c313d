"""Sentences about time on the page of a submission that has not ended: waiting time, queue place, time left."""

from datetime import datetime

from server.presentation.formats import in_two_units
from submissions.evaluation.eta import MOST_COUNTED, Estimate
from submissions.evaluation.submission_progress import Progress
from submissions.storage.site_records import utc_now
from submissions.storage.states import State

_AT_ONCE_S = 15.0
_SPREAD = 1.5  # how far, as a factor either way, an estimate may be off
_UNITS = ((86400, 2.0, "days"), (3600, 1.5, "h"), (60, 1.5, "min"), (1, 0.0, "s"))  # and how many there must be


def elapsed(since: datetime) -> str:
    """Return the time since then in two units, like 42 s, 3 min 5 s, 2 h 10 min, 3 d 4 h; as static/watch.js does."""
    seconds = max(0, int((utc_now() - since).total_seconds()))
    return in_two_units(seconds) if seconds >= 60 else f"{seconds} s"


def about(duration_s: float, *, is_more: bool = False) -> str:
    """Return an estimate without false precision: a few seconds, about 20–50 s, about 2–5 min, more than 2 h."""
    if duration_s < _AT_ONCE_S and not is_more:
        return "a few seconds"
    least_s, most_s = duration_s / _SPREAD, duration_s * _SPREAD
    said_s = least_s if is_more else most_s
    unit_s, unit = next((unit_s, unit) for unit_s, least, unit in _UNITS if said_s >= least * unit_s)
    digits = -1 if unit == "s" else 0
    low, high = (max(10**-digits, round(seconds / unit_s, digits)) for seconds in (least_s, most_s))
    if is_more:
        return f"more than {low:.0f} {unit}"
    return f"about {high:.0f} {unit}" if low >= high else f"about {low:.0f}–{high:.0f} {unit}"


def eta_sentence(estimate: Estimate) -> str:
    """Return the submission's place in the queue and when it is expected to end, as far as that can be estimated."""
    place = "" if estimate.place is None else f"Place {estimate.place} in the queue. "
    if estimate.is_more:
        place = f"At least {MOST_COUNTED} submissions wait before it. "
    if estimate.slots == 0:
        return f"{place}No worker is running now; the submission continues as soon as one is."
    if estimate.begins_s is None or estimate.ends_s is None:
        return f"{place}The time can be estimated once a network of a public zoo is done."
    ends = about(estimate.ends_s, is_more=estimate.is_more)
    if estimate.place is None:
        return f"{ends[0].upper()}{ends[1:]} left."
    if estimate.begins_s < _AT_ONCE_S and not estimate.is_more:
        return f"{place}It starts in a few seconds and takes {ends}."
    return f"{place}It starts in {about(estimate.begins_s, is_more=estimate.is_more)} and is scored in {ends}."


def began(progress: Progress) -> datetime:
    """Return when the submission began to wait or to run."""
    return progress.created_at if progress.state is State.QUEUED else progress.started_at or progress.created_at
