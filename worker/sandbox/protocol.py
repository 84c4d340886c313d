"""The interface of a sandbox: the values and methods that all backends share, and all that the evaluator uses."""

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
    """The layers of protection that can be switched off for a run; participants' code runs with all of them.

    Only `layer_check.probe` switches one off, around code of ours, to learn what the others stop by themselves.
    """

    seccomp: bool = True
    landlock: bool = True
    kernel_limits: bool = True
    control_groups: bool = True


@dataclass(frozen=True)
class Code:
    """A measure.

    Attributes
    ----------
    files : mapping of str to bytes
        Contents by relative path; ``complexity.py`` defines ``complexity``.
    digest : str
        Identifies the upload.
    track : {"standard", "extended"}
        On the extended track the measure is called with a context.
    """

    files: Mapping[str, bytes]
    digest: str
    track: Track = "standard"


@dataclass(frozen=True)
class ContextFiles:
    """Further files of one network for measures of the extended track. None: the zoo does not offer them.

    Attributes
    ----------
    siblings : tuple of Path or None
        Weights of networks with the same architecture and hyperparameters, trained with other seeds.
    unlabelled : Path or None
        Unlabelled inputs.
    trajectory : tuple of (float, Path) or None
        Epochs, each with the weights after it.
    """

    siblings: tuple[Path, ...] | None
    unlabelled: Path | None
    trajectory: tuple[tuple[float, Path], ...] | None

    @property
    def named(self) -> list[tuple[str, Path]]:
        """All files, each with the name under which the harness receives it."""
        own = [] if self.unlabelled is None else [("unlabelled", self.unlabelled)]
        siblings = [("sibling", path) for path in self.siblings or ()]
        return [*siblings, *own, *(("trajectory", path) for _, path in self.trajectory or ())]


@dataclass(frozen=True)
class NetworkFiles:
    """What a sandbox gets of one network: an architecture and files to open, but no id and no hyperparameter.

    Attributes
    ----------
    architecture : mapping
        As in the zoo's ``networks.json``.
    weights, training_data : Path
    initial : Path or None
        The weights before training, where the zoo has them.
    classes : int
    architecture_file : Path or None
        The zoo's own ``architecture.py``, executed inside the sandbox before the measure.
    context : ContextFiles or None
        None for measures of the standard track.
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
        """All files, each with the name under which the harness receives it."""
        named = [("weights", self.weights), ("training_data", self.training_data)]
        named += [] if self.initial is None else [("initial", self.initial)]
        named += [] if self.architecture_file is None else [("architecture", self.architecture_file)]
        return named if self.context is None else [*named, *self.context.named]


@dataclass(frozen=True)
class LineTime:
    """The seconds that one line of the measure took, what it calls included."""

    file: str
    line: int
    seconds: float


@dataclass(frozen=True)
class Profile:
    """Where the time of one network went. Measuring makes the measure itself slower.

    Attributes
    ----------
    load_s : float
        Loading the network, its data and the measure's own files.
    forward_s : float
        The network's forward passes, with `forward_passes` their number.
    measure_s : float
        The whole call of the measure, forward passes included, and `import_s` what importing it took.
    lines : tuple of LineTime
        The slowest lines of the measure's own files, the slowest first.
    """

    load_s: float
    import_s: float
    measure_s: float
    forward_s: float
    forward_passes: int
    lines: tuple[LineTime, ...]


@dataclass(frozen=True)
class Value:
    """The measure's result for one network, and its cost.

    Attributes
    ----------
    value : float
        Finite float64.
    wall_s, cpu_s : float
        Seconds by the clock; processor seconds, None where they are not known.
    peak_bytes : int or None
        Peak resident memory, None where it is not known.
    log : str or None
        The end of the printed output. For the author's own machine only: a server records nothing of it.
    profile : Profile or None
        Where the time went, if that was asked for.
    """

    value: float
    wall_s: float
    cpu_s: float | None
    peak_bytes: int | None
    log: str | None = None
    profile: Profile | None = None


@dataclass(frozen=True)
class Failure:
    """A failure that is the measure's own fault.

    Attributes
    ----------
    reason : Reason
    detail : str
        One line for the author.
    file, line : str, int or None
        Where in the author's own code it failed.
    message, log : str or None
        The exception's text, and the end of the printed output. Shown only in phases that show logs.
    wall_s, cpu_s, peak_bytes : float, float, int or None
        The cost of the run until it ended, as in `Value`.
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
    """The sandbox could not run the measure. This is our fault, so the run is retried."""


class ZooCodeError(SandboxError):
    """The zoo's own ``architecture.py`` failed before the measure began."""


Outcome = Value | Failure


class Sandbox(Protocol):
    """A place to run measures, kept warm between them, used by one thread at a time."""

    @property
    def layers(self) -> Mapping[str, bool]:
        """Which layers of protection held when they were tried, by name; tried once for a pool."""

    def forget_layers(self) -> None:
        """Try the layers again at the next request, as where one was missing for a passing reason."""

    def warm(self) -> None:
        """Start what a measure needs, before there is one.

        Raises
        ------
        SandboxError
            If the sandbox does not start.
        """

    def start(self, measure: Code, limits: Limits) -> None:
        """Set the measure for the evaluations that follow, and its limits.

        Raises
        ------
        SandboxError
            If the sandbox does not start.
        """

    def evaluate(self, network: NetworkFiles, seed: int, *, is_profiled: bool = False) -> Outcome:
        """Evaluate the measure on one network in a fresh process.

        Parameters
        ----------
        network : NetworkFiles
            Its files are opened for this evaluation only.
        seed : int
            For all random number generators that the measure finds; see `seed_of`.
        is_profiled : bool, optional
            Whether to measure where the time goes, which takes time itself.

        Returns
        -------
        Value or Failure
            A fault of the measure is returned as a `Failure`, never raised.

        Raises
        ------
        SandboxError
            If the sandbox fails or is interrupted.
        """

    def interrupt(self) -> None:
        """End the evaluation in progress, which raises SandboxError. Called from another thread."""

    def close(self) -> None:
        """End every process and remove every file of this sandbox."""


def seed_of(code_digest: str, network_id: str) -> int:
    """Return the seed of a measure on a network, the same wherever it is evaluated.

    Parameters
    ----------
    code_digest : str
        SHA-256 of the upload.
    network_id : str
        The network's id in its zoo.

    Returns
    -------
    int
        63 bits of a SHA-256 of both.
    """
    digest = hashlib.sha256(f"{code_digest}:{network_id}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1
