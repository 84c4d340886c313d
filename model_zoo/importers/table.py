"""Reads the table of `gengap zoo import torch`: a row for each network, as CSV or JSON.

Columns: `network` (its file in the folder), `hp.<axis>`, `metric.<name>`, and optionally `initial` and `architecture`.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from model_zoo.importers.hidden_truth import (
    HiddenTruth,
    find_value,
    finite_metrics,
    require_complete,
    require_different_names,
    written_values,
)
from model_zoo.importers.plain_files import plain_file, read_json
from model_zoo.manifest import Axis, AxisValue, ZooError

_AXIS, _METRIC = "hp.", "metric."
_FILES = ("network", "initial", "architecture")


@dataclass(frozen=True)
class Row:
    """The files of one network, relative to the folder; None for an empty cell."""

    network: str
    initial: str | None
    architecture: str | None


def read_table(path: Path) -> tuple[list[Row], HiddenTruth]:
    """Read a table, JSON if its name ends so, else CSV.

    Returns
    -------
    rows : list of Row
        In order.
    truth : HiddenTruth
        What they say about the networks, by the name of the network's file.

    Raises
    ------
    ZooError
        If a row is wrong; the message names file and row.
    """
    cells = _json_rows(plain_file(path)) if path.suffix.lower() == ".json" else _csv_rows(plain_file(path))
    if not cells:
        raise ZooError(f"{path}: no rows; write one for each network")
    _require_known_columns(path, cells)
    names = [name for name in cells[0] if name.startswith(_AXIS)]
    if not names:
        raise ZooError(f"{path}: no column {_AXIS}<axis>; a zoo needs the hyperparameters that were varied")
    require_different_names(names, "the columns", path)
    axes = [Axis(name=name.removeprefix(_AXIS), values=_values(path, name, cells)) for name in names]
    rows: list[Row] = []
    hyperparameters: dict[str, dict[str, AxisValue]] = {}
    metrics: dict[str, dict[str, float]] = {}
    for number, cell in enumerate(cells, 1):
        place = f"{path}: row {number}"
        files = [_file(cell, column, place) for column in _FILES]
        name = files[0]
        if name is None:
            raise ZooError(f"{place}: the cell network is empty; it names the file with the weights")
        if name in hyperparameters:
            raise ZooError(f"{place}: the network {name} has a row already")
        rows.append(Row(name, *files[1:]))
        hyperparameters[name] = {
            axis.name: find_value(cell[f"{_AXIS}{axis.name}"], axis.values, f"{place}: {axis.name}") for axis in axes
        }
        written = ((key.removeprefix(_METRIC), value) for key, value in cell.items() if key.startswith(_METRIC))
        metrics[name] = finite_metrics(written, place)
    require_different_names(hyperparameters, "the networks", path)
    truth = HiddenTruth(axes, hyperparameters, metrics)
    require_complete(truth, path)
    return rows, truth


def _csv_rows(path: Path) -> list[dict[str, object]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            columns = reader.fieldnames or []
            if len(set(columns)) < len(columns):
                raise ZooError(f"{path}: a column is there twice: {', '.join(columns)}")
            rows: list[dict[str, object]] = []
            for number, row in enumerate(reader, 1):
                if None in row or None in row.values():
                    raise ZooError(f"{path}: row {number} has not as many cells as there are columns")
                rows.append({key: value.strip() for key, value in row.items()})
            return rows
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ZooError(f"{path}: not a CSV table in UTF-8 ({error})") from None


def _json_rows(path: Path) -> list[dict[str, object]]:
    content = read_json(path)
    if not isinstance(content, list) or not all(isinstance(row, dict) for row in content):
        raise ZooError(f"{path}: must be a list of objects, one for each network")
    return content


def _require_known_columns(path: Path, cells: list[dict[str, object]]) -> None:
    for number, cell in enumerate(cells, 1):
        if cell.keys() != cells[0].keys():
            odd = min(cell.keys() ^ cells[0].keys())
            raise ZooError(f"{path}: row {number}: the column {odd} is not in all rows")
    unknown = [name for name in cells[0] if name not in _FILES and not name.startswith((_AXIS, _METRIC))]
    if unknown:
        raise ZooError(
            f"{path}: the column {unknown[0]!r} is unknown; known are {', '.join(_FILES)}, {_AXIS}<axis> and "
            f"{_METRIC}<name>"
        )


def _values(path: Path, name: str, cells: list[dict[str, object]]) -> list[AxisValue]:
    """List the different values of a column; numbers ascending, otherwise in the order of first occurrence."""
    different = list({(type(cell[name]), str(cell[name])): cell[name] for cell in cells}.values())
    values = written_values(different, f"{path}: {name}")
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return sorted(values, key=float)
    return values


def _file(cell: Mapping[str, object], column: str, place: str) -> str | None:
    value = cell.get(column)
    if value is not None and not isinstance(value, str):
        raise ZooError(f"{place}: {column} must be the name of a file, not {value!r}")
    return value or None
