"""The measures shipped with Gengap: one file each, a valid submission as it stands, in a folder for each group.

What they share is the package `gengap_measures` beside them, which every sandbox holds. The demo submits `DEMO`.
Importing this package imports none of them (and no torch): what they say of themselves is read as text.
"""

import ast
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
HELPERS = FOLDER / "gengap_measures"

GROUPS = (
    "size",
    "norms",
    "output",
    "flatness",
    "gradients",
    "margins",
    "robustness",
    "representations",
    "spectra",
    "modules",
    "memorisation",
    "siblings",
    "unlabelled",
    "trajectory",
    "competition",
    "references",
)
_DEMO_NAMES = (
    "Parameter count",
    "Squared norm",
    "Distance from initialization",
    "Inverse squared margin",
    "Label-wise mixup",
)


@dataclass(frozen=True)
class Baseline:
    """A shipped measure: its name on the leaderboard, its file and the folder of it, the paper it comes from, its
    track, and what it costs on a network of the demo's size: s (at most 0.2 s), m (2 s) or h (5 s).

    needs: what of the extended track it cannot do without, as `submissions.zoos.tracks` has it.
    """

    name: str
    group: str
    filename: str
    source: str
    track: str
    cost: str
    needs: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        """The file, which is what is submitted."""
        return FOLDER / self.group / self.filename

    @property
    def slug(self) -> str:
        """Its name in addresses, such as path-norm-over-margin."""
        return self.filename.removesuffix(".py").replace("_", "-")


def _read(path: Path) -> Baseline:
    constants: dict[str, str] = {}
    needs: tuple[str, ...] = ()
    for statement in ast.parse(path.read_bytes()).body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str(text))):
                constants[name] = text
            case ast.Assign(targets=[ast.Name(id="NEEDS")], value=ast.Tuple() as value):
                needs = ast.literal_eval(value)
    return Baseline(
        name=constants["NAME"],
        group=path.parent.name,
        filename=path.name,
        source=constants["SOURCE"],
        track=constants["TRACK"],
        cost=constants["COST"],
        needs=needs,
    )


BASELINES: tuple[Baseline, ...] = tuple(
    _read(path) for group in GROUPS for path in sorted((FOLDER / group).glob("*.py"))
)
_BY_NAME = {baseline.name: baseline for baseline in BASELINES}
DEMO: tuple[Baseline, ...] = tuple(_BY_NAME[name] for name in _DEMO_NAMES)


def baseline_path(name: str) -> Path:
    """The file of the baseline called `name`. Raises KeyError for an unknown name."""
    return _BY_NAME[name].path


def baseline_source(name: str) -> bytes:
    """The file of the baseline called `name`, as it is submitted. Raises KeyError for an unknown name."""
    return baseline_path(name).read_bytes()
