"""Sentences about time on the page of a submission that has not ended: waiting time, queue place, time left."""

from datetime import datetime

from submissions.evaluation.submission_progress import Progress
from submissions.evaluation.waiting import Estimate
from submissions.storage.records import utc_now
from submissions.storage.states import State

_AT_ONCE_S = 15.0
_MINUTE_S, _HOUR_S, _DAY_S = 60.0, 3600.0, 86400.0


def elapsed(since: datetime) -> str:
    """Return the time since then in two units, like 42 s, 3 min 5 s, 2 h 10 min, 3 d 4 h; as static/watch.js does."""
    seconds = max(0, int((utc_now() - since).total_seconds()))
    days, hours, minutes = seconds // 86400, seconds // 3600 % 24, seconds // 60 % 60
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds % 60} s" if minutes else f"{seconds} s"


def about(duration_s: float, *, is_more: bool = False) -> str:
    """Return a rounded estimate: a few seconds, about 40 s, about 3 min, more than 2 h."""
    if duration_s < _AT_ONCE_S and not is_more:
        return "a few seconds"
    for unit_s, word, least in ((_DAY_S, "days", 2.0), (_HOUR_S, "h", 1.5), (_MINUTE_S, "min", 1.5)):
        if duration_s >= least * unit_s:
            amount = f"{duration_s / unit_s:.0f} {word}"
            break
    else:
        amount = f"{max(10, round(duration_s, -1)):.0f} s"
    return f"{'more than' if is_more else 'about'} {amount}"


def forecast_sentence(estimate: Estimate) -> str:
    """Return the submission's place in the queue and when it is expected to end, as far as that can be estimated."""
    place = "" if estimate.place is None else f"Place {estimate.place} in the queue. "
    if estimate.slots == 0:
        return f"{place}No worker is running now; the submission continues as soon as one is."
    unknown = "The time can be estimated once a network is done."
    if estimate.begins_s is None or (estimate.ends_s is None and estimate.place is None):
        return f"{place}{unknown}"
    begins = about(estimate.begins_s, is_more=estimate.is_more and estimate.begins_s == estimate.ends_s)
    if estimate.ends_s is None:
        return f"{place}It starts in {begins}. {unknown}"
    ends = about(estimate.ends_s, is_more=estimate.is_more)
    if estimate.place is None:
        return f"{ends[0].upper()}{ends[1:]} left."
    if estimate.begins_s < _AT_ONCE_S:
        return f"{place}It starts in a few seconds and takes {ends}."
    return f"{place}It starts in {begins} and is scored in {ends}."


def began(progress: Progress) -> datetime:
    """Return when the submission began to wait or to run."""
    return progress.created_at if progress.state is State.QUEUED else progress.started_at or progress.created_at
