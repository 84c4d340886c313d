"""Runs a training in a child process, so that the caller does not load torch.

The child reports its progress as JSON lines on stdout: `{"done": 3, "total": 96, "loss": 0.2, "left_s": 40.0}`, with
null for unknown numbers, and finally `{"folder": "…"}` or `{"error": "…"}`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from model_zoo.child_process import child_process
from model_zoo.manifest import ZooError


@dataclass(frozen=True)
class Progress:
    """Progress of a training.

    Attributes
    ----------
    done, total : int
        Networks.
    loss : float or None
        Median training loss of the group that reported last.
    left_s : float or None
        Estimated seconds left.
    """

    done: int
    total: int
    loss: float | None = None
    left_s: float | None = None


Watcher = Callable[[Progress], None]


@dataclass(frozen=True)
class TrainingOptions:
    """Where to train.

    Attributes
    ----------
    data : Path or None
        Folder of downloaded datasets.
    device : {"cpu", "cuda"}
    jobs : int or None
        Number of processes; None: one per core.
    key : Path or None
        File with the key of a zoo with hidden truth; None: a new key.
    """

    data: Path | None = None
    device: str = "cpu"
    jobs: int | None = None
    key: Path | None = None

    def arguments(self) -> list[str]:
        """Format them as arguments of the child's command line."""
        data = [] if self.data is None else ["--data", str(self.data)]
        jobs = [] if self.jobs is None else ["--jobs", str(self.jobs)]
        key = [] if self.key is None else ["--key", str(self.key)]
        return ["--device", self.device, *data, *jobs, *key]


ON_THIS_MACHINE = TrainingOptions()


def train_in_child(recipe: str, out: Path, watch: Watcher, options: TrainingOptions = ON_THIS_MACHINE) -> Path:
    """Train a recipe in a child process.

    A training that was killed continues where it stopped.

    Parameters
    ----------
    recipe : str
        Name of a shipped recipe, or path of a TOML file.
    out : Path
        New folder of the zoo.
    watch : callable
        Called with a Progress.
    options : TrainingOptions

    Returns
    -------
    Path
        `out`.

    Raises
    ------
    ZooError
        If the training fails.
    """
    arguments = [recipe, "--out", str(out), *options.arguments()]
    with child_process("model_zoo.training", "--json-progress", *arguments) as (child, messages):
        for message in messages:
            match message:
                case {"folder": str(folder)}:
                    return Path(folder)
                case {"error": str(error)}:
                    raise ZooError(error)
                case progress:
                    watch(Progress(**progress))
    raise ZooError(f"the training process ended with {child.returncode}; run it again, it goes on where it stood")
