"""What a track offers: what a measure needs of zoos, compared with what the zoos have.

`submissions.intake.declaration` reads the needs from a source, `submissions.intake.submit` refuses what a phase
cannot serve.
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


def missing(needs: Iterable[str], offers: Sequence[str]) -> list[str]:
    """What of `needs` is not among a zoo's `offers`."""
    return [need for need in needs if need not in offers]


def refusal(needs: Sequence[str], zoos: Iterable[tuple[str, Sequence[str]]]) -> str | None:
    """Why a measure cannot be evaluated on all of the zoos, in a sentence; None where it can.

    zoos: the title of each, and what it offers.
    """
    for title, offers in zoos:
        if lacking := missing(needs, offers):
            has = f"it offers {in_words(offers)}" if offers else "it offers nothing to the extended track"
            return f"This measure needs {in_words(lacking)}, which the zoo {title} does not have; {has}."
    return None


def in_words(offers: Sequence[str]) -> str:
    """For people: sibling networks and unlabelled test inputs."""
    words = [_WORDS[offer] for offer in offers]
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
