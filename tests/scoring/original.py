"""The competition's scoring program by its structure: text keys, ordered pairs of axes, a dictionary per lookup.

The rival in benchmarks/scoring.py, and one more twin for the golden tasks. Told in our own words after the
scoring program of the NeurIPS 2020 competition; what it mangles (docs/metrics.md) is mangled here too.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

Specifications = Mapping[str, Any]


def conditional_mutual_information(predictions: Mapping[str, float], model_configs: Specifications) -> float:
    """The least quotient over ordered pairs of axes. model_configs: the parsed model_configs.json."""
    gaps = {
        name: config["metrics"]["train_acc"] - config["metrics"]["test_acc"] for name, config in model_configs.items()
    }
    hparams = next(iter(model_configs.values()))["hparams"]
    smallest = np.inf
    for first in hparams:
        for second in hparams:
            if first != second:
                possible = {axis: hparams[axis]["possible_values"] for axis in (first, second)}
                smallest = min(smallest, _quotient(_table(predictions, gaps, model_configs, possible)))
    return float(smallest)


def _table(
    predictions: Mapping[str, float],
    gaps: Mapping[str, float],
    model_configs: Specifications,
    possible: Mapping[str, list[Any]],
) -> np.ndarray:
    cells = [""]
    for values in possible.values():
        cells = [cell + str(v) + str(w) for cell in cells for v in values for w in values]
    rows, columns, layers = {"+gap": 0, "-gap": 1}, {"+measure": 0, "-measure": 1}, {c: i for i, c in enumerate(cells)}
    table = np.zeros((2, 2, len(cells)))
    for one in model_configs:
        for other in model_configs:
            row = "+gap" if gaps[one] > gaps[other] else "-gap"
            column = "+measure" if predictions[one] > predictions[other] else "-measure"
            cell = ""
            for axis in possible:
                cell += str(model_configs[one]["hparams"][axis]["current_value"])
                cell += str(model_configs[other]["hparams"][axis]["current_value"])
            table[rows[row], columns[column], layers[cell]] += 1
    return table


def _quotient(table: np.ndarray) -> float:
    information = entropy = 0.0
    for layer in range(table.shape[2]):
        joint = table[:, :, layer] / table[:, :, layer].sum()
        by_row, by_column = joint.sum(axis=1), joint.sum(axis=0)
        for i in range(2):
            for j in range(2):
                if joint[i, j]:
                    information += joint[i, j] * np.log2(joint[i, j] / (by_row[i] * by_column[j]))
        entropy -= np.sum(by_row * np.log2(by_row + 1e-12))
    return float(information / entropy)
