"""Training a recipe's zoo from a process without torch: it runs in a child. Commands and background jobs call it.

The child tells its progress as JSON lines on its standard output: `{"done": 3, "total": 96, "loss": 0.2,
"left_s": 40.0}`, numbers null where unknown, and at last `{"folder": "…"}` or `{"error": "…"}`.
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
    """How far a training is: networks done of all, the median loss in the group last heard of, and seconds left.

    `loss` and `left_s` are None as long as nobody knows.
    """

    done: int
    total: int
    loss: float | None = None
    left_s: float | None = None

    def line(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self))


Watcher = Callable[[Progress], None]


@dataclass(frozen=True)
class TrainingOptions:
    """Where and on what to train. data: the folder of downloaded datasets. jobs: processes, None for one a core."""

    data: Path | None = None
    device: str = "cpu"
    jobs: int | None = None

    def arguments(self) -> list[str]:
        """As the child's command line has them."""
        data = [] if self.data is None else ["--data", str(self.data)]
        jobs = [] if self.jobs is None else ["--jobs", str(self.jobs)]
        return ["--device", self.device, *data, *jobs]


ON_THIS_MACHINE = TrainingOptions()


def train_in_child(recipe: str, out: Path, watch: Watcher, options: TrainingOptions = ON_THIS_MACHINE) -> Path:
    """Train the shipped recipe `recipe`, or the one in that TOML file, to the new folder `out`; returns `out`.

    A training that was killed goes on where it stood. Raises ZooError with the child's reason.
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
