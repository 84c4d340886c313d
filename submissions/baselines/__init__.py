"""The measures shipped with Gengap: one file each, a valid submission as it stands. The demo submits them.

Importing this package imports none of them (and no torch): what they say of themselves is read as text.
"""

import ast
from dataclasses import dataclass
from pathlib import Path

FILENAMES = (
    "parameter_count.py",
    "squared_norm.py",
    "distance_from_initialization.py",
    "inverse_squared_margin.py",
    "label_wise_mixup.py",
)


@dataclass(frozen=True)
class Baseline:
    """A shipped measure: its name on the leaderboard, its file, the paper it comes from, its track."""

    name: str
    filename: str
    source: str
    track: str


def _read(filename: str) -> Baseline:
    constants: dict[str, str] = {}
    for statement in ast.parse(_content(filename)).body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str(text))):
                constants[name] = text
    return Baseline(constants["NAME"], filename, constants["SOURCE"], constants["TRACK"])


def _content(filename: str) -> bytes:
    return (Path(__file__).parent / filename).read_bytes()


BASELINES: tuple[Baseline, ...] = tuple(_read(filename) for filename in FILENAMES)
_FILENAME_OF = {baseline.name: baseline.filename for baseline in BASELINES}


def baseline_source(name: str) -> bytes:
    """The file of the baseline called `name`, as it is submitted. Raises KeyError for an unknown name."""
    return _content(_FILENAME_OF[name])
