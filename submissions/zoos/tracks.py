"""Comparing what a measure needs from the extended track with what zoos offer.

`submissions.intake.declaration` reads the needs from a source, `submissions.intake.submit` refuses measures whose needs
the phase does not meet.
"""

from collections.abc import Iterable, Sequence
from typing import Literal, get_args

Track = Literal["standard", "extended"]

TRACKS: tuple[Track, ...] = get_args(Track)
_WORDS = {
    "siblings": "sibling networks",
    "unlabelled": "unlabelled test inputs",
    "trajectory": "the trajectory of the training",
}
OFFERS = tuple(_WORDS)  # as in model_zoo.zoo, whose imports are too slow for a child that reads one upload


def missing(needs: Iterable[str], offers: Sequence[str]) -> list[str]:
    """Return the elements of `needs` that are not in `offers`."""
    return [need for need in needs if need not in offers]


def refusal(needs: Sequence[str], zoos: Iterable[tuple[str, Sequence[str]]]) -> str | None:
    """Return why a measure cannot be evaluated on all of the zoos, in a sentence; None if it can.

    Parameters
    ----------
    zoos : Iterable[tuple[str, Sequence[str]]]
        Title and offers of each zoo.
    """
    for title, offers in zoos:
        if lacking := missing(needs, offers):
            has = f"it offers {in_words(offers)}" if offers else "it offers nothing to the extended track"
            return f"This measure needs {in_words(lacking)}, which the zoo {title} does not have; {has}."
    return None


def in_words(offers: Sequence[str]) -> str:
    """Return offers as text, like: sibling networks and unlabelled test inputs."""
    words = [_WORDS[offer] for offer in offers]
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
