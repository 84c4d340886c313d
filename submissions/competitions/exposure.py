"""What becomes visible when an organizer turns a protection off. Called before a phase or its zoos change.

Each sentence names what will be seen and by whom. A change that has any is refused until it is confirmed.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any

from model_zoo.checks.report import Verdict
from submissions.results.disclosure import SCALE, bits_of_submission
from submissions.storage.field_error import FieldError
from submissions.storage.records import ShowsScores, Tells, ZooRecord, utc_now

DEFAULT_STEP = 1.0  # of a phase's scores that are shown in steps


class UnconfirmedError(FieldError):
    """A change makes something visible and was not confirmed: the field `confirmed` is not valid.

    Attributes
    ----------
    exposed : tuple[str, ...]
        A sentence for each thing.
    """

    def __init__(self, exposed: Iterable[str]) -> None:
        self.exposed = tuple(exposed)
        super().__init__({"confirmed": " ".join(("Confirm what becomes visible.", *self.exposed))})


def require_confirmation(exposed: Iterable[str], *, confirmed: bool) -> None:
    """Raise UnconfirmedError if there are sentences and the change is not confirmed."""
    listed = tuple(exposed)
    if listed and not confirmed:
        raise UnconfirmedError(listed)


def exposed_by_settings(
    before: Mapping[str, Any], after: Mapping[str, Any], secret_zoos: int, *, has_scores: bool = False
) -> Iterator[str]:
    """Say what a change of a phase's settings makes visible.

    Parameters
    ----------
    before, after : Mapping[str, Any]
        Settings by name, as `PhasePlan.settings` returns them; `before` has the defaults for a new phase.
    secret_zoos : int
        The number of the phase's zoos with hidden truth.
    has_scores : bool, optional
        Whether submissions have been scored under the settings of before.
    """

    def turned_on(name: str) -> bool:
        return bool(after[name]) and not before[name]

    if before["hidden"] and not after["hidden"]:
        yield "Everybody sees the phase: its page, its submissions, their scores as it shows them, and its leaderboard."
    if before["uses_ladder"] and not after["uses_ladder"]:
        yield "Without the Ladder everybody sees the scores of all submissions that count, and authors all of theirs."
    if before["freezes_at"] is not None and (after["freezes_at"] is None or after["freezes_at"] > before["freezes_at"]):
        yield "Everybody sees the scores that the freeze keeps back now."
    if _withholds(before) and not _withholds(after):
        yield "Everybody sees scores and the leaderboard now, not only after the phase closes."
    elif (
        _withholds(before)
        and (ends := after["closes_at"])
        and not (before["closes_at"] and before["closes_at"] <= ends)
    ):
        yield f"Everybody sees scores and the leaderboard from {ends:%Y-%m-%d %H:%M} UTC on, not later."
    if has_scores and _crosses(before, after, secret_zoos):
        yield (
            f"Steps of {after['score_step']:g} points have other boundaries than steps of {before['score_step']:g}: "
            "scores that are shown in both are known more precisely than in either."
        )
    if not secret_zoos:
        if before["uses_ladder"] and after["uses_ladder"] and after["score_step"] < before["score_step"]:
            yield "Scores that the Ladder releases are shown in smaller steps, also those that it has released."
        return
    if turned_on("shows_logs"):
        yield _logs()
    if turned_on("is_revealed"):
        yield (
            "Everybody sees all numbers of every result with all their digits, on zoos with hidden truth too. From "
            "these the hidden targets can be computed."
        )
    if after["is_revealed"]:
        return
    widened = list(Tells).index(after["tells"]) > list(Tells).index(before["tells"])
    if widened or after["score_step"] < before["score_step"]:
        now, old = _bits(after, secret_zoos), _bits(before, secret_zoos)
        yield f"One submission can give away {now} about the zoos with hidden truth, instead of {old}."


def exposed_by_zoo(zoo: ZooRecord, settings: Mapping[str, Any]) -> Iterator[str]:
    """Say what becomes visible of a zoo when it is added to a phase with these settings."""
    if zoo.truth_public:
        return
    if not _has_key(zoo):
        yield (
            f"{zoo.label} has a hidden truth, and no check has found its key: what is random in it may come from a "
            "number that measures can guess, and then everybody can compute the truth."
        )
    if settings["shows_logs"]:
        yield f"{zoo.label} has a hidden truth. {_logs()}"
    if settings["is_revealed"]:
        yield f"The phase is revealed: everybody sees all numbers of results on {zoo.label}, whose truth is secret."
    elif _exceeds_default(settings):
        yield f"One submission can give away {_bits(settings, 1)} about {zoo.label}, whose truth is secret."


def _has_key(zoo: ZooRecord) -> bool:
    """Whether the check found the zoo's key; the report of an older Gengap has no such item."""
    items = zoo.report["items"] if zoo.report else []
    return any((item["name"], item["verdict"]) == ("key", Verdict.OK) for item in items)


def _exceeds_default(settings: Mapping[str, Any]) -> bool:
    """Whether a phase with these settings tells more of a hidden truth than one with the defaults."""
    return settings["tells"] is not Tells.SCORES or settings["score_step"] < DEFAULT_STEP


def _crosses(before: Mapping[str, Any], after: Mapping[str, Any], secret_zoos: int) -> bool:
    """Whether larger steps divide scores that were told in smaller ones anew, so that both together tell more.

    Scores are rounded to the nearest step, so an even multiple of a step has other boundaries: 1.5 is one of steps of
    1, but not of steps of 2. The Ladder rounds down; there every whole multiple is right.
    """
    if after["score_step"] <= before["score_step"] or before["uses_ladder"] != after["uses_ladder"]:
        return False  # smaller steps are named by themselves, and so is the end of the Ladder
    if not before["uses_ladder"]:
        in_full = any(one["is_revealed"] or one["tells"] is Tells.EVERYTHING for one in (before, after))
        if in_full or not secret_zoos:
            return False
    return not _boundaries(after) <= _boundaries(before)


def _boundaries(settings: Mapping[str, Any]) -> set[float]:
    """Return the scores at which the told one changes."""
    step = settings["score_step"]
    points = [round(step * factor, 2) for factor in range(math.ceil(round(SCALE / step, 6)))] + [SCALE]
    return set(points) if settings["uses_ladder"] else {round((low + high) / 2, 3) for low, high in pairwise(points)}


def _withholds(settings: Mapping[str, Any]) -> bool:
    """Whether a phase with these settings shows no score now."""
    shows: ShowsScores = settings["shows_scores"]
    return shows.withholds(settings["closes_at"], utc_now())


def _logs() -> str:
    return (
        "This phase shows authors what their measures print and raise, and a measure can print everything that it "
        "sees of a zoo: weights, training data, and what it computed from them."
    )


def _bits(settings: Mapping[str, Any], secret_zoos: int) -> str:
    bits = bits_of_submission(secret_zoos, settings["score_step"], settings["tells"])
    return "everything that it sees" if bits is None else f"up to {bits:.0f} bits"
