"""What becomes visible when an organizer turns a protection off. Called before a phase or its zoos change.

Each sentence names what will be seen and by whom. A change that has any is refused until it is confirmed.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from submissions.results.disclosure import bits_of_submission
from submissions.storage.field_error import FieldError
from submissions.storage.records import ShowsScores, Tells, ZooRecord, utc_now


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


def exposed_by_settings(before: Mapping[str, Any], after: Mapping[str, Any], secret_zoos: int) -> Iterator[str]:
    """Say what a change of a phase's settings makes visible.

    Parameters
    ----------
    before, after : Mapping[str, Any]
        Settings by name, as `PhasePlan.settings` returns them; `before` has the defaults for a new phase.
    secret_zoos : int
        The number of the phase's zoos with hidden truth.
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
    if settings["shows_logs"]:
        yield f"{zoo.label} has a hidden truth. {_logs()}"
    if settings["is_revealed"]:
        yield f"The phase is revealed: everybody sees all numbers of results on {zoo.label}, whose truth is secret."
    elif settings["tells"] is not Tells.SCORES:
        yield f"One submission can give away {_bits(settings, 1)} about {zoo.label}, whose truth is secret."


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
