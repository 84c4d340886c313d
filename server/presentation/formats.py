"""Template filters that format numbers, times and states; each is a pure function."""

from datetime import datetime

from flask import Flask

from server.charts.specifications import target_name
from submissions.evaluation.submission_progress import Progress
from submissions.results.disclosure import digits_of, shows_steps
from submissions.storage.limits import LIMITS, Limit, Unit
from submissions.storage.site_records import CountRule, PhaseRecord, ShowsScores, TimeRule, utc_now
from submissions.storage.states import State

_UNITS = ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))

STATE_WORDS = {
    State.QUEUED: "Waiting",
    State.RUNNING: "Running",
    State.SCORED: "Scored",
    State.FAILED: "Failed",
    State.CANCELLED: "Cancelled",
    State.BROKEN: "Broken",
}
_COUNTS = {
    CountRule.BEST: "the best submission",
    CountRule.LAST: "the last scored submission",
    CountRule.CHOSEN: "the submission that it has chosen, until then its best",
}
STATE_SENTENCES = {
    State.QUEUED: "It is waiting for a free worker.",
    State.RUNNING: "A worker is evaluating it, one network at a time.",
    State.SCORED: "Every network has a value, and every zoo a score.",
    State.FAILED: "The measure failed on a network, so it has no score.",
    State.BROKEN: "A fault of the server, not of the measure: it could not be evaluated. It spends no quota.",
}


def init_app(app: Flask) -> None:
    of_numbers = (size, seconds, number, signed, figure, points, score, shows_steps)
    of_times = (moment, day, time_left)
    in_words = (paragraphs, state_sentence, target_name, limits, count_rule, phase_status)
    for function in (*of_numbers, *of_times, *in_words):
        app.add_template_filter(function)
    app.add_template_filter(STATE_WORDS.__getitem__, "state_word")
    app.add_template_filter(digits_of, "score_digits")


def state_sentence(progress: Progress) -> str:
    """Return a sentence on the state of a submission, or on why it failed."""
    smoke = progress.smoke
    if progress.sentence is not None and smoke is not None and smoke.state is State.FAILED:
        return f"{progress.sentence} It failed in the smoke run{_unspent(progress)}."
    if progress.sentence is not None:
        return progress.sentence
    if smoke is not None and progress.is_in_smoke:
        tried = f"{smoke.networks} {'network' if smoke.networks == 1 else 'networks'} of {smoke.zoo_title}"
        if progress.state is State.QUEUED:
            return f"It is waiting for a free worker, to be tried on {tried} first."
        return f"It is being tried on {tried} before anything else."
    if progress.waits_after_smoke:
        return "It passed its smoke run and is waiting for a free worker."
    if progress.state is State.CANCELLED:
        return f"It was cancelled before it had a score{_unspent(progress)}."
    return STATE_SENTENCES[progress.state]


def _unspent(progress: Progress) -> str:
    return "" if progress.spends_quota else "; no quota spent"


def count_rule(phase: PhaseRecord) -> str:
    """Return which submission counts on the leaderboard, and whether the Ladder releases its score."""
    sentence = f"of each team {_COUNTS[phase.count_rule]}; every baseline is listed"
    if phase.uses_ladder:
        step = f"{phase.score_step:g} {'point' if phase.score_step == 1 else 'points'}"
        sentence += f"; the Ladder shows a new score only if it is certainly better, in steps of {step}"
    if phase.shows_scores is ShowsScores.AFTER_CLOSE:
        sentence += "; scores and leaderboard are shown after the phase closes"
    return sentence


def limits(phase: PhaseRecord) -> str:
    """What a network may take: 60 s of wall time, 2 GiB of memory, …, 64 processes. A pooled wall time says so."""
    return ", ".join(
        f"{amount(limit, value)} {'' if limit.unit is Unit.COUNT else 'of '}{limit.title}{_pooled(limit, phase)}"
        for limit in LIMITS
        if (value := getattr(phase.limits, limit.name)) is not None
    )


def _pooled(limit: Limit, phase: PhaseRecord) -> str:
    is_pooled = limit.name == "wall_s" and phase.time_rule is TimeRule.POOLED
    return " on average, pooled over all networks of a zoo" if is_pooled else ""


def amount(limit: Limit, value: float) -> str:
    """A limit's value with its unit: 60 s, 2 GiB, 64."""
    if limit.unit is Unit.BYTES:
        return size(int(value))
    return seconds(value) if limit.unit is Unit.SECONDS else f"{value:g}"


def size(count: int) -> str:
    """Return a number of bytes as text: 2 GiB, 10 MiB, 512 bytes."""
    for unit, name in _UNITS:
        if count >= unit:
            return f"{count / unit:.4g} {name}"
    return f"{count} bytes"


def moment(time: datetime) -> str:
    return f"{time.day} {time:%b %Y, %H:%M} UTC"


def day(time: datetime) -> str:
    return f"{time.day} {time:%b %Y}"


def time_left(time: datetime) -> str:
    """Return the time until then in two units, as static/times.js does."""
    return in_two_units(max(0, int((time - utc_now()).total_seconds())))


def in_two_units(duration_s: int) -> str:
    """Return a duration in two units: 3 d 4 h, 2 h 10 min, 5 min 12 s."""
    days, hours, minutes = duration_s // 86_400, duration_s // 3600 % 24, duration_s // 60 % 60
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {duration_s % 60} s"


def seconds(duration_s: float) -> str:
    """Return a duration with two or three digits: 0.031 s, 1.2 s, 75 s, 12 min."""
    if duration_s >= 600:
        return f"{duration_s / 60:.0f} min"
    return f"{duration_s:.2g} s" if duration_s < 10 else f"{duration_s:.0f} s"


def number(value: float | None, digits: int = 2) -> str:
    """Return a number with a fixed number of digits, so that columns line up; None is a dash."""
    return "–" if value is None else f"{value:.{digits}f}"


def points(value: float | None) -> str:
    """Return a score that is shown in steps, with no more digits than it has: 27.5, 30; None is a dash."""
    return "–" if value is None else f"{value:.2f}".rstrip("0").rstrip(".")


def score(value: float | None, in_steps: object = False) -> str:
    """Return a score with two digits, or where it is shown in steps, with no more than it has."""
    return points(value) if in_steps else number(value)


def signed(value: float | None, digits: int = 3) -> str:
    """As `number`, always with a sign (a true minus)."""
    return "–" if value is None else f"{value:+.{digits}f}".replace("-", "−")


def figure(value: float) -> str:
    """A measure's value at six significant digits, however large or small."""
    return f"{value:.6g}".replace("-", "−")


def paragraphs(text: str) -> list[str]:
    """An organizer's plain text, split where lines are blank."""
    return [" ".join(block.split()) for block in text.replace("\r\n", "\n").split("\n\n") if block.strip()]


def phase_status(phase: PhaseRecord) -> str:
    """upcoming, open or closed, now."""
    now = utc_now()
    if now < phase.opens_at:
        return "upcoming"
    return "closed" if phase.closes_at is not None and now >= phase.closes_at else "open"
