"""Checks a zoo for processes that do not import torch: a child process measures it, scoring adds its rows here.

Called by `worker.zoo_intake.zoo_check.check`, which handles zoos with code of their own itself.
"""

import itertools
import tempfile
from collections.abc import Callable
from pathlib import Path

import scoring
from model_zoo import ZooError, ZooTruth, open_zoo
from model_zoo.checks.report import CheckReport, Item, ReferenceNumbers, error, ok, warning
from model_zoo.child_process import child_process

Watch = Callable[[int, int, str], None]
DRAWS = 400  # random predictors of the floor: its 95th percentile within a tenth of itself
FEWEST_DRAWS = 50
CELLS_AT_MOST = 2 * 10**7  # of all draws' tables, some ten seconds: an axis of 256 values would take minutes
HIGH_FLOOR = 5.0  # on the scale from 0 to 100
HIGH_ORACLE = 60.0
_TOLD_LINES = 3  # of the end of a failed child's output
_SCALE = 100.0


class CheckError(Exception):
    """The check could not be carried out: our fault or the machine's, since a faulty zoo gets a report."""


def check_in_child(folder: Path, watch: Watch, *, jobs: int | None = None) -> CheckReport:
    """Return the whole report of the zoo in `folder`: measured by torch in a child process, references added.

    watch: called with the number of checked networks, of all networks, and the current step; if it raises, the child is
    ended. jobs: networks evaluated at a time (default: one per processor). Raises CheckError.
    """
    options = [] if jobs is None else ["--jobs", str(jobs)]
    report: CheckReport | None = None
    with tempfile.TemporaryFile() as told:
        with child_process("model_zoo.checks", str(folder), *options, stderr=told) as (child, messages):
            for content in messages:
                if "report" in content:
                    report = CheckReport.model_validate(content["report"])
                else:
                    watch(content["done"], content["total"], content["text"])
        if report is None or child.returncode != 0:
            told.seek(0)
            last = " ".join(told.read().decode(errors="replace").splitlines()[-_TOLD_LINES:]) or "it said nothing"
            raise CheckError(f"{folder}: the check ended with {child.returncode} and no report: {last}")
    return with_references(folder, report, watch)


def with_references(folder: Path, report: CheckReport, watch: Watch) -> CheckReport:
    """Add the references to the report of the zoo in `folder`, if there is a truth to compute them from."""
    if not report.numbers.networks:
        return report
    try:
        return references(report, open_zoo(folder).truth(), watch)
    except ZooError as fault:
        raise CheckError(f"the zoo was changed while it was checked: {fault}") from None


def references(report: CheckReport, truth: ZooTruth, watch: Watch | None = None) -> CheckReport:
    """Add the random floor and the hyperparameter oracle of the zoo to `report`, for each of its targets.

    An error of scoring becomes an error item. watch: as in `check_in_child`.
    """
    content = truth.model_dump(mode="json")
    items: list[Item] = []
    rows: list[ReferenceNumbers] = []

    def progress(what: str, done: int, total: int) -> None:
        if watch is not None:
            watch(len(truth.networks), len(truth.networks), f"{what}: {done} of {total}")

    for target in report.targets:
        name = f"scoring: {target}"
        try:
            parsed = scoring.parse_truth(content, target)
            found = scoring.references(parsed, draws=_draws(truth), progress=progress)
        except scoring.ScoringError as fault:
            items.append(error(name, f"{fault}.", "Correct the truth: no measure can be scored on it."))
            continue
        row = ReferenceNumbers(
            target=target,
            random_floor=_SCALE * found.random_floor.mean,
            random_floor_percentile_95=_SCALE * found.random_floor.percentile_95,
            hyperparameter_oracle=_SCALE * found.hyperparameter_oracle,
        )
        rows.append(row)
        items.append(_verdict(name, row))
    return report.with_items(items, report.numbers.model_copy(update={"references": rows}))


def _draws(truth: ZooTruth) -> int:
    sizes = [len(axis.values) for axis in truth.axes]
    cells = sum((first * second) ** 2 for first, second in itertools.combinations(sizes, 2))
    return max(FEWEST_DRAWS, min(DRAWS, CELLS_AT_MOST // max(1, cells)))


def _verdict(name: str, row: ReferenceNumbers) -> Item:
    text = (
        f"Of 100, chance gets {row.random_floor:.1f} (95 % of it below {row.random_floor_percentile_95:.1f}) and the "
        f"hyperparameters alone {row.hyperparameter_oracle:.1f}."
    )
    if row.random_floor_percentile_95 >= HIGH_FLOOR:
        return warning(
            name,
            f"{text} Scores below {row.random_floor_percentile_95:.1f} may be chance on this zoo.",
            "More networks lower the floor: add values to the axes, or another axis, for example the seed.",
        )
    if row.hyperparameter_oracle >= HIGH_ORACLE:
        return warning(
            name,
            f"{text} Measures that recognise hyperparameters will score high.",
            "Vary more hyperparameters, or choose values whose effects depend on each other.",
        )
    return ok(name, text)
