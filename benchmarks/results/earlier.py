"""Reads docs/results.csv back, so that `benchmarks.results` can evaluate a few measures and keep the others' rows."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import TypeAdapter

from server.commands.local.baselines_scores import Floor, Row, ZooScores

_ROW = TypeAdapter(Row)


def with_earlier_rows(results: Sequence[ZooScores], file: Path) -> list[ZooScores]:
    """The results with the rows of the file for all other measures, and with the file's reference scores."""
    with file.open(encoding="utf-8", newline="") as opened:
        lines = list(csv.DictReader(opened))
    merged = []
    for zoo in results:
        new = {row.measure for row in zoo.rows}
        own = [line for line in lines if line["zoo"] == zoo.zoo]
        references = {
            line["measure"]: float(line["score"]) for line in own if line["group"] == "reference" and line["score"]
        }
        earlier = [_row(line) for line in own if line["state"] and line["measure"] not in new]
        rows = sorted([*zoo.rows, *earlier], key=lambda row: (row.score is None, -(row.score or 0.0), row.measure))
        floor = Floor(
            references["random predictors, mean"],
            references["random predictors, 95 % below"],
            references["hyperparameter oracle"],
            zoo.floor.draws,
        )
        merged.append(replace(zoo, rows=tuple(rows), floor=floor))
    return merged


def _row(line: Mapping[str, str]) -> Row:
    return _ROW.validate_python(
        {name: line.get(name) or None for name in Row.__dataclass_fields__} | {"why": line["why"]}
    )
