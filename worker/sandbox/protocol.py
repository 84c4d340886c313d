"""What a sandbox is: the few values and methods that every backend shares. The evaluator knows nothing else."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from submissions.storage.limits import Limits as Limits
from submissions.storage.states import Reason
from submissions.zoos.tracks import Track


@dataclass(frozen=True)
class Fences:
    """Which of the layers that can be left out surround a run: all. Only `layers.probe` ever leaves one out, around
    code of ours, to learn what the others stop by themselves."""

    seccomp: bool = True
    landlock: bool = True
    kernel_limits: bool = True
    control_groups: bool = True


@dataclass(frozen=True)
class Code:
    """A measure's files by relative path; `complexity.py` defines `complexity`. `digest` names the upload.

    track: of the extended one, it is called with a context.
    """

    files: Mapping[str, bytes]
    digest: str
    track: Track = "standard"


@dataclass(frozen=True)
class ContextFiles:
    """What a sandbox gets of one network besides, for the extended track; each None where the zoo does not offer it.

    trajectory: epochs, and the weights after them.
    """

    siblings: tuple[Path, ...] | None
    unlabelled: Path | None
    trajectory: tuple[tuple[float, Path], ...] | None

    @property
    def named(self) -> list[tuple[str, Path]]:
        """All files by the names under which the harness gets them."""
        own = [] if self.unlabelled is None else [("unlabelled", self.unlabelled)]
        siblings = [("sibling", path) for path in self.siblings or ()]
        return [*siblings, *own, *(("trajectory", path) for _, path in self.trajectory or ())]


@dataclass(frozen=True)
class NetworkFiles:
    """What a sandbox gets of one network: an architecture and files to open, no id, no hyperparameter.

    architecture_file: the zoo's own architecture.py, executed inside before the measure, or None. context: None for
    measures of the standard track.
    """

    architecture: Mapping[str, object]
    weights: Path
    initial: Path | None
    training_data: Path
    classes: int
    architecture_file: Path | None = None
    context: ContextFiles | None = None

    @property
    def named(self) -> list[tuple[str, Path]]:
        """All files by the names under which the harness gets them."""
        named = [("weights", self.weights), ("training_data", self.training_data)]
        named += [] if self.initial is None else [("initial", self.initial)]
        named += [] if self.architecture_file is None else [("architecture", self.architecture_file)]
        return named if self.context is None else [*named, *self.context.named]


@dataclass(frozen=True)
class Value:
    """The measure's one float64 (finite) with its cost: seconds and peak resident bytes."""

    value: float
    wall_s: float
    cpu_s: float | None
    peak_bytes: int | None


@dataclass(frozen=True)
class Failure:
    """The measure's fault. `detail` is one line for its author; `line` is in the author's own `file`.

    `message` is the exception's text and `log` the tail of what the measure printed: shown only in phases
    that show logs. What the run had cost until it ended is told where it is known.
    """

    reason: Reason
    detail: str
    file: str | None = None
    line: int | None = None
    message: str | None = None
    log: str | None = None
    wall_s: float | None = None
    cpu_s: float | None = None
    peak_bytes: int | None = None


class SandboxError(Exception):
    """Our fault: the sandbox could not run the measure. The run is retried."""


Outcome = Value | Failure


class Sandbox(Protocol):
    """One warm place to run measures, used by one thread at a time."""

    @property
    def layers(self) -> Mapping[str, bool]:
        """Which layers of protection held when they were tried (once for a pool, see `layers`), by name."""

    def start(self, measure: Code, limits: Limits) -> None:
        """Hand over the measure whose networks come next. Raises SandboxError."""

    def evaluate(self, network: NetworkFiles, seed: int) -> Outcome:
        """The outcome for one network, in a fresh process. Never raises for the measure's faults."""

    def interrupt(self) -> None:
        """End the evaluation in progress (from another thread); it raises SandboxError."""

    def close(self) -> None:
        """End every process and remove every file of this sandbox."""


def seed_of(code_digest: str, network_id: str) -> int:
    """The seed of one (submission, network): 63 bits of a hash, the same wherever it is evaluated."""
    digest = hashlib.sha256(f"{code_digest}:{network_id}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1
