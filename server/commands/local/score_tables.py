"""A zoo's report, and the comparison of two measures, as terminal tables: rounded, with a reason for missing numbers.

Called by `server.commands.local.score` and `server.commands.local.evaluate`.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import click
from rich import box
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text

from scoring import Truth, ZooReport
from scoring.plain import set_name
from scoring.statistics.uncertainty import ROUNDING, Permutation

SIGNIFICANT = 0.05
NARROW = 60  # columns; below, a note stands under its number instead of beside it
UNDEFINED = "—"
NO_SIZE = "the size of the test set is not known: --test-examples"
NOT_OF_ACCURACY = "the target is not made of test accuracies"
LONE_NETWORK = "without one of the networks nothing is left to predict"
WEIGHTS = {
    "independent": "a bound on chance if each network has its own test set",
    "shared": "a bound on chance also if all share one test set",
}
DIRECTION = {
    1: "larger values go with larger targets",
    0: "values and targets agree as often as not",
    -1: "warning: larger values go with smaller targets",
}


@dataclass(frozen=True)
class Scored:
    """One of two compared measures. score, standard_error: from 0 to 100."""

    score: float
    standard_error: float | None
    sign: int


@dataclass(frozen=True)
class Compared:
    """The paired test of two measures on one zoo, on the scale from 0 to 100.

    difference: first − second. lowest, highest: its 95 % interval. All but the scores and the difference are None if a
    jackknife is missing; z also if the standard error is 0.
    """

    first: Scored
    second: Scored
    difference: float
    standard_error: float | None
    lowest: float | None
    highest: float | None
    z: float | None
    p_value: float | None


@dataclass(frozen=True)
class Line:
    """A line of the summary: a number (or none) with its note, or the title of a group (no number)."""

    name: str
    number: str = ""
    note: str = ""
    bold: bool = False


def print_report(
    report: ZooReport, truth: Truth, *, all_axes: bool = False, compared: Compared | None = None, other: str = ""
) -> None:
    """Print the report of values on stdout; with all_axes, also by axis, conditioning set and environment.

    compared: the comparison with the measure called `other`.
    """
    console = Console(highlight=False)
    parts: list[RenderableType] = [_summary(list(_lines(report, truth, compared, other)), console.width)]
    if report.cmi.without_uncertainty:
        parts.append(Text(_certain_sets(report)))
    if compared is not None:
        parts.append(Text(_verdict(compared), style="bold"))
    if all_axes:
        parts += [_by_axis(report, truth), _by_set(report)]
        if report.sign_error is not None and report.sign_error.surviving:
            parts += [_environments(report), _cdf(report)]
    with console.capture() as captured:
        for part in parts:
            console.print(part)
    lines = "".join(f"{line.rstrip()}\n" for line in captured.get().splitlines())
    click.echo(lines.encode(console.encoding, errors="replace").decode(console.encoding), nl=False, color=True)


def _verdict(compared: Compared) -> str:
    """Return the outcome of the paired test as a sentence."""
    if compared.p_value is None:
        return f"Not compared: {LONE_NETWORK}."
    p = f"(p = {_p(compared.p_value)})"
    if compared.p_value > SIGNIFICANT:
        return f"No difference shown: chance can explain it {p}."
    better = "first" if compared.difference > 0 else "second"
    return f"The {better} is better by {abs(compared.difference):.2f}: more than chance explains {p}."


def _lines(report: ZooReport, truth: Truth, compared: Compared | None, other: str) -> Iterator[Line]:
    yield from _score_lines(report, truth)
    yield from _rank_lines(report)
    yield from _sign_error_lines(report, truth)
    yield from _regression_lines(report)
    yield Line("Zoo")
    yield Line("networks", str(report.networks))
    if truth.test_examples is not None:
        yield Line("test examples", str(truth.test_examples))
    yield Line("target", report.target)
    yield Line("variant", report.variant)
    if compared is not None:
        yield from _compared_lines(compared, other)


def _score_lines(report: ZooReport, truth: Truth) -> Iterator[Line]:
    yield Line("Score (100 × CMI)")
    note = f"smallest, with {set_name(report.cmi.attained_by)} held fixed"
    if report.standard_error is None:
        note += f"\nno standard error: {LONE_NETWORK}"
    yield Line("score", _with_error(report.score, report.standard_error, ".2f"), note, bold=True)
    doubts = list(_doubts(report))
    if doubts:
        yield Line("", "", f"not distinguishable from a random predictor: {'; '.join(doubts)}", bold=True)
    if report.permutation is None and report.references is None:
        yield Line("against chance", UNDEFINED, "not drawn: gengap score --draws N")
        return
    if report.permutation is not None:
        permutation = report.permutation
        note = f"{permutation.draws} permutations (seed {permutation.seed})"
        if not _can_be_significant(permutation):
            note += f"\ntoo few for p ≤ {SIGNIFICANT}"
        yield Line("p against chance", _p(permutation.p_value), note)
    if report.references is not None:
        floor = report.references.random_floor
        yield Line("random predictors", f"{100 * floor.mean:.2f}", f"95 % below {100 * floor.percentile_95:.2f}")
        oracle = f"{100 * report.references.hyperparameter_oracle:.2f}"
        yield Line("hyperparameter oracle", oracle, "the axes' additive model, fitted")
    yield _noise_line(report, truth)


def _doubts(report: ZooReport) -> Iterator[str]:
    permutation = report.permutation
    if permutation is not None and permutation.p_value > SIGNIFICANT and _can_be_significant(permutation):
        yield f"p > {SIGNIFICANT}"
    if report.references is not None and report.cmi.minimum <= report.references.random_floor.percentile_95 + ROUNDING:
        yield "more than 5 % of those score as much"


def _can_be_significant(permutation: Permutation) -> bool:
    return 1 / (permutation.draws + 1) <= SIGNIFICANT


def _noise_line(report: ZooReport, truth: Truth) -> Line:
    name, noise = "other test sets", report.noise
    if noise is not None:
        spread = f"{100 * noise.percentile_5:.2f} to {100 * noise.percentile_95:.2f}"
        note = (
            f"mean of {noise.draws} redrawn test sets\n"
            f"standard deviation {100 * noise.standard_deviation:.2f}\n"
            f"5–95 %: {spread}"
        )
        return Line(name, f"{100 * noise.mean:.2f}", note)
    missing = _missing_test_set(truth)
    if missing is None and truth.test_accuracies() is None:
        missing = "the truth does not record every network's test_acc"
    return Line(name, UNDEFINED, missing or "all redrawn test sets leave nothing to predict")


def _missing_test_set(truth: Truth) -> str | None:
    if not truth.is_of_test_accuracy:
        return NOT_OF_ACCURACY
    return NO_SIZE if truth.test_examples is None else None


def _rank_lines(report: ZooReport) -> Iterator[Line]:
    kendall = report.kendall
    yield Line("Rank correlation")
    yield Line("Kendall's τ-a", _with_error(kendall.tau_a, kendall.standard_error_a, ".4f"), "ties count 0")
    yield _number("Kendall's τ-b", kendall.tau_b, "corrected for ties", missing="the values are all equal")
    yield _number(
        "granulated Ψ", report.granulated.psi, "τ-a where one axis varies, averaged", missing="no axis varies"
    )
    correlations = report.correlations
    yield _number("Spearman's ρ", correlations.spearman, missing="the values are all equal")
    yield _number("Pearson's r", correlations.pearson, missing="the values are all equal")
    yield Line("sign", f"{report.sign:+d}" if report.sign else "0", DIRECTION[report.sign], bold=report.sign < 0)


def _sign_error_lines(report: ZooReport, truth: Truth) -> Iterator[Line]:
    yield Line("Robust sign-error")
    errors = report.sign_error
    if errors is None:
        yield Line("sign-error", UNDEFINED, _missing_test_set(truth) or "")
        return
    missing = "no environment survived"
    yield _number("mean", errors.mean, "0 always right, 0.5 like a coin", missing=missing)
    yield _number("90th percentile", errors.percentile_90, missing=missing)
    yield _number("maximum", errors.maximum, missing=missing)
    yield Line("environments", f"{errors.surviving} of {errors.total}", "survived: 12 pairs or more beyond noise")
    yield Line("weights", errors.test_sets, WEIGHTS[errors.test_sets])


def _regression_lines(report: ZooReport) -> Iterator[Line]:
    regression = report.regression
    yield Line("Regression of the target")
    constant, lone = "the target is constant", "a network alone determines a coefficient"
    yield _number("R²", regression.r2, "on the values", missing=constant)
    yield _number("adjusted R²", regression.adjusted_r2, missing="fewer than 3 networks")
    yield _number(
        "R², hyperparameters", regression.hyperparameters_r2, "on the axes alone, leave-one-out", missing=lone
    )
    yield _number("ΔR²", regression.delta_r2, "what the values add to that", missing=lone)
    mae = regression.mae
    note = "if the values estimate the target"
    yield Line("MAE", UNDEFINED if mae is None else f"{mae:.4g}", "exceeds float64" if mae is None else note)


def _compared_lines(compared: Compared, other: str) -> Iterator[Line]:
    first, second = compared.first, compared.second
    yield Line("Comparison")
    yield Line("first", _with_error(first.score, first.standard_error, ".2f"), "this measure")
    note = other if second.sign >= 0 else f"{other}\n{DIRECTION[-1]}"
    yield Line("second", _with_error(second.score, second.standard_error, ".2f"), note)
    difference = _with_error(compared.difference, compared.standard_error, ".2f")
    if compared.lowest is None or compared.highest is None or compared.p_value is None:
        yield Line("difference", difference, f"no standard error: {LONE_NETWORK}")
        return
    yield Line("difference", difference, f"95 % interval {compared.lowest:.2f} to {compared.highest:.2f}")
    z = compared.z
    yield Line("z", UNDEFINED if z is None else f"{z:.2f}", "no network moves the difference" if z is None else "")
    yield Line("p", _p(compared.p_value), "two-sided")


def _summary(lines: list[Line], width: int) -> Table:
    """Return lines in groups. On a narrow terminal, notes are below the numbers."""
    table = Table(show_header=False, box=None, pad_edge=False)
    narrow = width < NARROW
    table.add_column(overflow="fold", no_wrap=not narrow)
    table.add_column(justify="right", overflow="fold", max_width=16)
    if not narrow:
        table.add_column(overflow="fold")
    for place, line in enumerate(lines):
        is_title = not (line.number or line.note)
        if is_title and place:
            table.add_row()
        style = "bold" if line.bold or is_title else ""
        name, number, note = (Text(_printable(text)) for text in (line.name, line.number, line.note))
        name.pad_left(0 if is_title else 2)
        if not narrow:
            table.add_row(name, number, note, style=style)
            continue
        if line.name:
            table.add_row(name, number, style=style)
        if line.note:
            table.add_row(Padding(note, (0, 0, 0, 4)), style=style)
    return table


def _certain_sets(report: ZooReport) -> str:
    sets = report.cmi.without_uncertainty
    more = f" and {len(sets) - 3} more" if len(sets) > 3 else ""
    names = "; ".join(set_name(axes) for axes in sets[:3])
    what = "such sets count 0, as in PGDL" if report.variant == "pgdl2020" else "such sets are left out"
    return _printable(
        f"Held fixed, these axes determine the order of the target, so values can add no information ({what}): "
        f"{names}{more}."
    )


def _by_axis(report: ZooReport, truth: Truth) -> Table:
    table = _table("By axis", _text("axis"), *map(_figure, ("values", "ψ", "mean sign-error", "environments")))
    errors = report.sign_error
    surviving = Counter(environment.axis for environment in errors.environments) if errors else Counter()
    for axis in truth.grid.axes:
        k = len(axis.values)
        table.add_row(
            Text(_printable(axis.name)),
            str(k),
            _rounded(report.granulated.psi_by_axis[axis.name]),
            _rounded(errors.by_axis[axis.name] if errors else None),
            f"{surviving[axis.name]} of {k * (k - 1) // 2}" if errors else UNDEFINED,
        )
    return table


def _by_set(report: ZooReport) -> Table:
    table = _table("CMI by conditioning set", _text("axes held fixed"), _figure("100 × CMI"), _text(""))
    for axes, value in report.cmi.table.items():
        notes = []
        if axes == report.cmi.attained_by:
            notes.append("smallest")
        if axes in report.cmi.without_uncertainty:
            notes.append("nothing left to predict")
        table.add_row(
            Text(_printable(set_name(axes))),
            UNDEFINED if value is None else f"{100 * value:.2f}",
            ", ".join(notes),
            style="bold" if axes == report.cmi.attained_by else None,
        )
    return table


def _environments(report: ZooReport) -> Table:
    assert report.sign_error is not None
    numbers = map(_figure, ("pairs", "effective pairs", "sign-error"))
    table = _table("Surviving environments of the robust sign-error", _text("axis"), _text("change"), *numbers)
    for environment in report.sign_error.environments:
        table.add_row(
            Text(_printable(environment.axis)),
            Text(_printable(f"{environment.first} to {environment.second}")),
            str(environment.pairs),
            f"{environment.effective_pairs:.1f}",
            _rounded(environment.sign_error),
        )
    return table


def _cdf(report: ZooReport) -> Table:
    assert report.sign_error is not None
    table = _table("Distribution of the sign-errors", _figure("sign-error at most"), _figure("of the surviving"))
    for step in report.sign_error.cdf:
        table.add_row(_rounded(step.sign_error), f"{100 * step.fraction:.1f} %")
    return table


def _table(title: str, *columns: Column) -> Table:
    return Table(
        *columns, title=f"\n{title}", title_justify="left", title_style="bold", header_style="", box=box.SIMPLE_HEAD
    )


def _text(heading: str) -> Column:
    return Column(heading, overflow="fold")


def _figure(heading: str) -> Column:
    return Column(heading, justify="right")


def _number(name: str, number: float | None, note: str = "", *, missing: str) -> Line:
    return Line(name, _rounded(number), missing if number is None else note)


def _rounded(number: float | None) -> str:
    if number is None:
        return UNDEFINED
    return f"{number:.4f}" if abs(number) < 1000 else f"{number:.4g}"


def _with_error(number: float, standard_error: float | None, digits: str) -> str:
    return format(number, digits) + ("" if standard_error is None else f" ± {standard_error:{digits}}")


def _p(p_value: float) -> str:
    return f"{p_value:.3g}"


def _printable(text: str) -> str:
    # Names come from files: they may hold what no stream can encode, or what steers a terminal.
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)
