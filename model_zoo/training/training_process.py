"""Runs a training in a child process, so that the caller does not load torch.

The child reports its progress as JSON lines on stdout: `{"done": 3, "total": 96, "loss": 0.2, "left_s": 40.0}`, with
null for unknown numbers, and finally `{"folder": "…"}` or `{"error": "…"}`.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

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

    def line(self) -> str:
        """Format it as one line of JSON."""
        return json.dumps(asdict(self))


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
    """

    data: Path | None = None
    device: str = "cpu"
    jobs: int | None = None

    def arguments(self) -> list[str]:
        """Format them as arguments of the child's command line."""
        data = [] if self.data is None else ["--data", str(self.data)]
        jobs = [] if self.jobs is None else ["--jobs", str(self.jobs)]
        return ["--device", self.device, *data, *jobs]


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
    return _run([recipe, "--out", str(out), *options.arguments()], watch)


def _run(arguments: Sequence[str], watch: Watcher) -> Path:
    command = [sys.executable, "-P", "-m", "model_zoo.training", "--json-progress", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        try:
            for line in child.stdout:
                match json.loads(line):
                    case {"folder": str(folder)}:
                        return Path(folder)
                    case {"error": str(message)}:
                        raise ZooError(message)
                    case progress:
                        watch(Progress(**progress))
        finally:
            child.terminate()
    raise ZooError(f"the training process ended with {child.returncode}; run it again, it goes on where it stood")
