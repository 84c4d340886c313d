"""The scores of the shipped measures on a zoo: a row of metrics for each, and the zoo's reference scores.

Computes the numbers of `gengap baselines run` and their CSV and JSON; `baselines_tables` prints them in a terminal and
`baselines_page` as a page.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

import scoring
from model_zoo import Zoo
from scoring.plain import csv_cell, plain
from server.commands.local.baselines_values import Kept, State
from submissions.baselines import Baseline

DRAWS = 1000


@dataclass(frozen=True)
class Row:
    """One measure on one zoo. All metrics are None unless `state` is complete; why: the reason otherwise.

    score, standard_error: 100 × CMI, from 0 to 100. kendall_tau: τ-a with its standard error. psi: granulated Kendall.
    sign_error_*: robust sign-error over the environments that survived, None also if it is undefined; the numbers of
    these and of all environments. seconds, cpu_seconds: mean over the evaluated networks, None if there are none.
    networks: number of networks with a value.
    """

    measure: str
    group: str
    source: str
    track: str
    cost: str
    state: State
    why: str
    score: float | None
    standard_error: float | None
    kendall_tau: float | None
    kendall_standard_error: float | None
    psi: float | None
    sign_error_mean: float | None
    sign_error_percentile_90: float | None
    sign_error_maximum: float | None
    sign_error_surviving: int | None
    sign_error_environments: int | None
    seconds: float | None
    cpu_seconds: float | None
    networks: int


@dataclass(frozen=True)
class Floor:
    """The scores of random values and of the hyperparameters' additive model, from 0 to 100."""

    random_mean: float
    random_percentile_95: float
    hyperparameter_oracle: float
    draws: int


@dataclass(frozen=True)
class ZooScores:
    """All requested measures on one zoo: rows by descending score, those without a score last."""

    zoo: str
    title: str
    manifest_sha256: str
    target: str
    networks: int
    floor: Floor
    rows: tuple[Row, ...]
    values: Mapping[str, Mapping[str, float]]
    reports: Mapping[str, scoring.ZooReport]


def floor(truth: scoring.Truth) -> Floor:
    """Return the zoo's reference scores. Raises ScoringError if it cannot be scored."""
    references = scoring.references(truth, draws=DRAWS)
    random = references.random_floor
    return Floor(100 * random.mean, 100 * random.percentile_95, 100 * references.hyperparameter_oracle, random.draws)


def zoo_scores(zoo: Zoo, truth: scoring.Truth, reference: Floor, kept: Sequence[tuple[Baseline, Kept]]) -> ZooScores:
    """Return the rows of measures on a zoo. Raises ScoringError."""
    values = {each.measure: {id_: value.value for id_, value in each.values.items()} for _, each in kept}
    reports = {
        each.measure: scoring.report(truth, values[each.measure]) for _, each in kept if each.state is State.COMPLETE
    }
    rows = [_row(baseline, each, reports.get(each.measure)) for baseline, each in kept]
    rows.sort(key=lambda row: (row.score is None, -(row.score or 0.0), row.measure))
    return ZooScores(
        zoo=zoo.name,
        title=zoo.manifest.title,
        manifest_sha256=zoo.manifest_sha256,
        target=truth.target,
        networks=len(zoo.networks),
        floor=reference,
        rows=tuple(rows),
        values=values,
        reports=reports,
    )


def _row(baseline: Baseline, kept: Kept, report: scoring.ZooReport | None) -> Row:
    errors = None if report is None else report.sign_error
    walls = [value.wall_s for value in kept.values.values()]
    cpus = [value.cpu_s for value in kept.values.values() if value.cpu_s is not None]
    return Row(
        measure=baseline.name,
        group=baseline.group,
        source=baseline.source,
        track=baseline.track,
        cost=baseline.cost,
        state=kept.state,
        why=kept.why,
        score=report.score if report else None,
        standard_error=report.standard_error if report else None,
        kendall_tau=report.kendall.tau_a if report else None,
        kendall_standard_error=report.kendall.standard_error_a if report else None,
        psi=report.granulated.psi if report else None,
        sign_error_mean=errors.mean if errors else None,
        sign_error_percentile_90=errors.percentile_90 if errors else None,
        sign_error_maximum=errors.maximum if errors else None,
        sign_error_surviving=errors.surviving if errors else None,
        sign_error_environments=errors.total if errors else None,
        seconds=fmean(walls) if walls else None,
        cpu_seconds=fmean(cpus) if cpus else None,
        networks=len(kept.values),
    )


def environments(rows: Sequence[Row]) -> str:
    """Return on how many environments the sign-errors of a zoo rest, as words; they are the same for all measures."""
    counted = next((row for row in rows if row.sign_error_surviving is not None), None)
    if counted is None:
        return "over no environment"
    return f"over {counted.sign_error_surviving} of {counted.sign_error_environments} environments"


def as_json(zoos: Sequence[ZooScores]) -> dict[str, Any]:
    """Return everything, unrounded: each row with the measure's values and its whole report."""
    return {
        "zoos": [
            {
                "zoo": zoo.zoo,
                "manifest_sha256": zoo.manifest_sha256,
                "target": zoo.target,
                "networks": zoo.networks,
                "references": asdict(zoo.floor),
                "measures": [
                    {
                        **asdict(row),
                        "values": plain(dict(zoo.values[row.measure])),
                        "report": zoo.reports[row.measure].as_json() if row.measure in zoo.reports else None,
                    }
                    for row in zoo.rows
                ],
            }
            for zoo in zoos
        ]
    }


def as_csv(zoos: Sequence[ZooScores]) -> str:
    """Return a line for each zoo and measure, unrounded; the references are lines in the group `reference`."""
    text = io.StringIO()
    fields = ["zoo", "target", *Row.__dataclass_fields__]
    writer = csv.DictWriter(text, fields, lineterminator="\n", restval="")
    writer.writeheader()
    for zoo in zoos:
        where = {"zoo": zoo.zoo, "target": zoo.target}
        for row in zoo.rows:
            cells = {**where, **asdict(row), "state": row.state.value}
            writer.writerow({name: csv_cell(cell) for name, cell in cells.items()})
        for name, score in reference_scores(zoo.floor):
            writer.writerow({**where, "measure": name, "group": "reference", "score": score})
    return text.getvalue()


def reference_scores(reference: Floor) -> tuple[tuple[str, float], ...]:
    """Return the reference scores by name."""
    return (
        ("hyperparameter oracle", reference.hyperparameter_oracle),
        ("random predictors, 95 % below", reference.random_percentile_95),
        ("random predictors, mean", reference.random_mean),
    )
