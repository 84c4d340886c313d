"""`gengap score`: scores a file of values against a file with the truth; needs no server and no database.

It reads the files strictly and writes JSON and CSV for scripts. `scoring` computes the score, and
`server.commands.local.score_tables` prints it for people.
"""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import NormalDist
from typing import NoReturn

import click
from rich.progress import BarColumn, MofNCompleteColumn, TimeRemainingColumn

import scoring
from scoring import DERIVED_TARGETS, TEST_SETS, VARIANTS, Draws, ScoringError, TestSets, Truth, Variant, ZooReport
from scoring.plain import Row, csv_cell, plain, rows
from server.commands.bars import bars
from server.commands.errors import InputError
from server.commands.local.score_tables import Compared, Scored, print_report

STANDARD_ERRORS_OF_95_PERCENT = NormalDist().inv_cdf(0.975)
MOST_TEST_EXAMPLES = 10**12  # what can be redrawn
FILE = click.Path(path_type=Path)
Values = dict[str, float]


@click.command()
@click.option(
    "--truth",
    "truth_file",
    required=True,
    type=FILE,
    metavar="FILE",
    help="A zoo's private/truth.json, or PGDL's model_configs.json.",
)
@click.option(
    "--values",
    "values_file",
    required=True,
    type=FILE,
    metavar="FILE",
    help="A JSON object: network id to number (PGDL's .predict).",
)
@click.option(
    "--compare",
    "other_file",
    type=FILE,
    metavar="FILE",
    help="Another measure's values: is the difference of the two scores more than chance?",
)
@click.option(
    "--variant",
    type=click.Choice(VARIANTS),
    default="pgdl2020",
    show_default=True,
    help="Which conditional mutual information to compute.",
)
@click.option(
    "--target",
    default="gap",
    show_default=True,
    metavar="NAME",
    help=f"What the values should order: {', '.join(DERIVED_TARGETS)}, or any metric that the truth records.",
)
@click.option(
    "--test-examples",
    type=click.IntRange(1, MOST_TEST_EXAMPLES),
    metavar="N",
    help="The size of the test set, if the truth does not record it.",
)
@click.option(
    "--test-sets",
    type=click.Choice(TEST_SETS),
    default="independent",
    show_default=True,
    help="Which bound weighs the robust sign-error: the published one, which needs a test set of its own for each "
    "network, or one that also holds if they share theirs.",
)
@click.option(
    "--draws",
    type=click.IntRange(0),
    default=1000,
    show_default=True,
    metavar="N",
    help="Permutations and random predictors; test sets are redrawn 3/10 as often; 0 omits all of them.",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    metavar="N",
    help="Random seed of the draws; the same seed gives the same numbers.",
)
@click.option("--all-axes", is_flag=True, help="Also print the tables by axis, conditioning set and environment.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with everything, unrounded.")
@click.option("--csv", "as_csv", is_flag=True, help="Print everything as CSV (metric,of,value), unrounded.")
def command(
    truth_file: Path,
    values_file: Path,
    other_file: Path | None,
    variant: Variant,
    target: str,
    test_examples: int | None,
    test_sets: TestSets,
    draws: int,
    seed: int,
    all_axes: bool,
    as_json: bool,
    as_csv: bool,
) -> None:
    """Score values against a truth.

    Prints the conditional mutual information (CMI) with its standard error, the scores of random values and of the
    hyperparameters, rank correlations, the robust sign-error and regressions; docs/metrics.md explains them. Exit
    status: 0 scored, 2 wrong usage or input.
    """
    if as_json and as_csv:
        raise click.UsageError("--json and --csv exclude each other; choose one.")
    truth_content = read_json(truth_file, "truth")
    values = _read_values(values_file, "values")
    other_values = None if other_file is None else _read_values(other_file, "compare")
    with _blaming(truth_file, "truth"):
        truth = scoring.parse_truth(truth_content, target)
    if test_examples is not None:
        truth = replace(truth, test_examples=test_examples)
    with _blaming(values_file, "values"):
        truth.align(values)
    other: ZooReport | None = None
    if other_file is not None and other_values is not None:
        with _blaming(other_file, "compare"):
            truth.align(other_values)
    with _blaming(truth_file, "truth"):
        if other_values is not None:
            other = scoring.report(truth, other_values, variant)
        report = _report(truth, values, variant, test_sets, draws, seed)
    compared = None if other is None else compare(report, other)
    if as_json:
        comparison = {} if compared is None else {"comparison": plain(compared)}
        click.echo(json.dumps(report.as_json() | comparison, allow_nan=False))
    elif as_csv:
        click.echo(_as_csv(_all_rows(report, compared)), nl=False)
    else:
        print_report(report, truth, all_axes=all_axes, compared=compared, other=str(other_file))


def _report(truth: Truth, values: Values, variant: Variant, test_sets: TestSets, draws: int, seed: int) -> ZooReport:
    """Return the report with its random draws; progress on stderr if that is a terminal. Raises ScoringError."""
    if not draws:
        return scoring.report(truth, values, variant, test_sets=test_sets)
    with bars(BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()) as progress:
        references = scoring.references(truth, variant, draws=draws, seed=seed, progress=progress)
        return scoring.report(
            truth,
            values,
            variant,
            test_sets=test_sets,
            draws=Draws(permutations=draws, test_sets=-(-3 * draws // 10), seed=seed),
            references=references,
            progress=progress,
        )


def compare(first: ZooReport, second: ZooReport) -> Compared:
    """Return the paired test of two measures' reports on one zoo. Raises ScoringError if their networks differ."""
    ours, theirs = (Scored(report.score, report.standard_error, report.sign) for report in (first, second))
    if first.jackknife is None or second.jackknife is None:
        return Compared(ours, theirs, first.score - second.score, None, None, None, None, None)
    test = scoring.compare({"zoo": first.jackknife}, {"zoo": second.jackknife})
    reach = STANDARD_ERRORS_OF_95_PERCENT * test.standard_error
    return Compared(
        ours,
        theirs,
        difference=test.difference,
        standard_error=test.standard_error,
        lowest=test.difference - reach,
        highest=test.difference + reach,
        z=test.z,
        p_value=test.p_value,
    )


def _all_rows(report: ZooReport, compared: Compared | None) -> Iterator[Row]:
    yield "score", "", report.score
    yield "standard_error", "", report.standard_error
    yield "sign", "", report.sign
    yield from rows(report)
    if compared is not None:
        for metric, of, value in rows(compared):
            yield f"comparison.{metric}", of, value


def _as_csv(content: Iterator[Row]) -> bytes:
    """Return the CSV as UTF-8, whatever the terminal's encoding; characters that UTF-8 cannot encode are escaped."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("metric", "of", "value"))
    writer.writerows((metric, csv_cell(of), csv_cell(value)) for metric, of, value in content)
    return text.getvalue().encode(errors="backslashreplace")


def _read_values(path: Path, role: str) -> Values:
    content = read_json(path, role)
    if not isinstance(content, dict):
        raise InputError(f"the {role} file {str(path)!r} must hold a JSON object: network id → number")
    return content


@contextmanager
def _blaming(path: Path, role: str) -> Iterator[None]:
    """Turn a ScoringError into an InputError that names this file."""
    try:
        yield
    except ScoringError as error:
        raise InputError(f"the {role} file {str(path)!r}: {error}") from error


def read_json(path: Path, role: str) -> object:
    """Return the file's content. Raises InputError, naming the file and the place, for anything but strict JSON."""
    where = f"the {role} file {str(path)!r}"
    try:
        text = path.read_bytes().decode("utf-8-sig")
        return json.loads(text, object_pairs_hook=_refuse_repeated_keys, parse_constant=_refuse_constant)
    except OSError as error:
        raise InputError(f"{where} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"{where} is not UTF-8 text: byte {error.start} is {error.object[error.start]:#04x}"
        ) from error
    except json.JSONDecodeError as error:
        raise InputError(f"{where} is not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where} cannot be used: {error}") from error


def _refuse_repeated_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    content = dict(pairs)
    if len(content) < len(pairs):
        key, times = Counter(key for key, _ in pairs).most_common(1)[0]
        raise ValueError(f"the key {key!r} occurs {times} times in one object; keep one")
    return content


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"it holds {constant}, which is not JSON; every number must be finite")
