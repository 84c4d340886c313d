"""A small truth with values, files of them, and `gengap score` run on such files; for the tests of that command."""

import json
from itertools import product
from pathlib import Path

from click.testing import CliRunner, Result

from server.cli import main

AXES: dict[str, list[float]] = {"width": [16, 32], "depth": [1, 2], "dropout": [0.0, 0.5]}
GAPS = (0.1, 0.5, 0.2, 0.4, 0.8, 0.3, 0.7, 0.6)
VALUES = {f"n{index}": value for index, value in enumerate((1.0, 5.0, 2.0, 3.0, 8.0, 4.0, 7.0, 6.0))}
OTHER_VALUES = {f"n{index}": value for index, value in enumerate((2.0, 1.0, 4.0, 3.0, 5.0, 8.0, 6.0, 7.0))}


def truth_content(gaps: tuple[float, ...] = GAPS, test_size: int | None = 100) -> dict[str, object]:
    """Gengap's truth.json of 8 networks on a grid of 2·2·2 that learnt their training data by heart."""
    return {
        "format": 1,
        "axes": [{"name": name, "values": values} for name, values in AXES.items()],
        "test_size": test_size,
        "networks": {
            f"n{index}": {
                "hyperparameters": dict(zip(AXES, place, strict=True)),
                "metrics": {"train_acc": 1.0, "test_acc": 1 - gap, "train_loss": 0.01 * index, "test_loss": 0.3},
                "source": None,
            }
            for index, (gap, place) in enumerate(zip(gaps, product(*AXES.values()), strict=True))
        },
    }


def write_file(folder: Path, name: str, content: object) -> Path:
    """Bytes and texts are written as they are, anything else as JSON."""
    path = folder / name
    if isinstance(content, str):
        content = content.encode()
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


def score(truth: Path, values: Path, *more: str, columns: int = 120, **environment: str) -> Result:
    """`gengap score` as if piped, in a terminal of so many columns."""
    arguments = ["score", "--truth", str(truth), "--values", str(values), *more]
    return CliRunner(env={"COLUMNS": str(columns)} | environment).invoke(main, arguments)
