"""The descriptors that a zygote receives for one network; `zygote` reads the message, `participant` the files."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class Descriptors:
    """What the supervisor sends for one network.

    Those with a default are sent only where the zoo has them, the last three only to measures of the extended track.
    """

    request: int  # sealed JSON: seed, code's files, limits, processors, threads, architecture, classes, seccomp filter
    channel: int  # to the supervisor, closed before the first line of participant code
    code: int
    weights: int
    training_data: int
    result: int
    report: int
    log: int
    initial: int | None = None
    architecture: int | None = None  # the zoo's own architecture.py
    unlabelled: int | None = None
    siblings: tuple[int, ...] = ()
    trajectory: tuple[int, ...] = ()

    @classmethod
    def of(cls, names: list[str], descriptors: list[int]) -> Self:
        """Read a message, in which `sibling` and `trajectory` may occur more than once, in order."""
        by_name: dict[str, list[int]] = defaultdict(list)
        for name, descriptor in zip(names, descriptors, strict=True):
            by_name[name].append(descriptor)
        siblings, trajectory = tuple(by_name.pop("sibling", ())), tuple(by_name.pop("trajectory", ()))
        return cls(**{name: one for name, (one,) in by_name.items()}, siblings=siblings, trajectory=trajectory)

    @property
    def inputs(self) -> list[int]:
        """All files that are read before the measure begins, and closed by then."""
        single = (self.code, self.weights, self.initial, self.training_data, self.architecture, self.unlabelled)
        return [*(one for one in single if one is not None), *self.siblings, *self.trajectory]
