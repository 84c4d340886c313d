"""`gengap score` as people read it: tables that hold every number, say what is missing, and fit the terminal."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from click.testing import Result

from scoring import parse_truth, report
from tests.scoring.golden import GoldenTask, golden_tasks
from tests.server.commands.score_files import OTHER_VALUES, VALUES, score, truth_content, write_file

Write = Callable[[str, object], Path]
FEW = ("--draws", "20")
NUMBER = re.compile(r"-?\d+\.\d+")


@pytest.fixture
def write(tmp_path: Path) -> Write:
    return partial(write_file, tmp_path)


@pytest.fixture
def truth(write: Write) -> Path:
    return write("truth", truth_content())


@pytest.fixture
def values(write: Write) -> Path:
    return write("values", VALUES)


@pytest.fixture(scope="module")
def task() -> GoldenTask:
    """PGDL's first task: 96 networks."""
    return next(task for task in golden_tasks() if task.networks == 96)


@pytest.fixture
def golden(write: Write, task: GoldenTask) -> tuple[Path, Path]:
    return write("model_configs.json", task.model_configs), write(".predict", task.predictions["WCV"])


def text(result: Result) -> str:
    """What is printed, each run of white space as one space."""
    assert (result.exit_code, result.stderr) == (0, "")
    return " ".join(result.stdout.split())


def rows(result: Result, title: str) -> list[list[str]]:
    """The cells of a table under its title and headings, where cells are two spaces or more apart."""
    after = result.stdout.split(f"\n{title}\n", maxsplit=1)[1].splitlines()
    rule = next(index for index, line in enumerate(after) if set(line.strip()) == {"─"})
    body = after[rule + 1 :]
    end = body.index("") if "" in body else len(body)
    return [re.split(r"\s{2,}", line.strip()) for line in body[:end]]


def test_pgdls_first_task_has_the_official_numbers(golden: tuple[Path, Path]) -> None:
    shown = text(score(*golden))
    assert "score 27.75 ± 4.77 smallest, with num_conv_blocks × bs held fixed" in shown
    assert "p against chance 0.000999 1000 permutations (seed 0)" in shown
    assert "random predictors 0.43 95 % below 1.02" in shown
    assert "hyperparameter oracle 22.50" in shown
    assert "not distinguishable" not in shown


def test_pgdls_tasks_have_the_official_scores(write: Write) -> None:
    errors = {54: {"WCV": "37.44 ± 6.60", "VPM_1": "6.44 ± 5.32"}, 96: {"WCV": "27.75 ± 4.77", "VPM_1": "6.07 ± 2.11"}}
    for task in golden_tasks():
        truth = write("model_configs.json", task.model_configs)
        for submission, official in task.official_cmi.items():
            shown = text(score(truth, write(".predict", task.predictions[submission]), "--draws", "0"))
            expected = errors[task.networks][submission]
            assert expected.startswith(f"{100 * official:.2f} ")
            assert f"score {expected} smallest" in shown


def test_every_metric_is_shown(golden: tuple[Path, Path], task: GoldenTask) -> None:
    result = report(parse_truth(task.model_configs), task.predictions["WCV"], test_examples=10000)
    shown = text(score(*golden, "--test-examples", "10000", *FEW))
    assert result.sign_error is not None
    assert result.kendall.standard_error_a is not None
    for name, number in {
        "τ-b": result.kendall.tau_b,
        "Ψ": result.granulated.psi,
        "ρ": result.correlations.spearman,
        "Pearson's r": result.correlations.pearson,
        "mean": result.sign_error.mean,
        "90th percentile": result.sign_error.percentile_90,
        "maximum": result.sign_error.maximum,
        "R²": result.regression.r2,
        "adjusted R²": result.regression.adjusted_r2,
        "R², hyperparameters": result.regression.hyperparameters_r2,
        "ΔR²": result.regression.delta_r2,
    }.items():
        assert f"{name} {number:.4f}" in shown
    assert f"τ-a {result.kendall.tau_a:.4f} ± {result.kendall.standard_error_a:.4f}" in shown
    assert f"MAE {result.regression.mae:.4g}" in shown
    assert f"environments {result.sign_error.surviving} of {result.sign_error.total} survived" in shown
    assert "weights independent a bound on chance if each network has its own test set" in shown
    assert "sign +1 larger values go with larger targets" in shown
    assert "networks 96 test examples 10000 target gap variant pgdl2020" in shown


def test_other_test_sets_have_mean_and_spread(truth: Path, values: Path) -> None:
    shown = text(score(truth, values))
    noise = re.search(
        r"other test sets (\S+) mean of 300 redrawn test sets standard deviation (\S+) 5–95 %: (\S+) to (\S+)", shown
    )
    assert noise is not None
    mean, deviation, low, high = map(float, noise.groups())
    assert deviation > 0
    assert low < mean < high


def test_larger_values_that_go_with_smaller_gaps_are_warned_of(write: Write, truth: Path) -> None:
    values = write("values", {network: -value for network, value in VALUES.items()})
    assert "sign -1 warning: larger values go with smaller targets" in text(score(truth, values, *FEW))


def test_a_score_that_chance_gets_too_is_called_so(write: Write, truth: Path, values: Path) -> None:
    constant = write("constant", dict.fromkeys(VALUES, 1))
    said = "not distinguishable from a random predictor: p > 0.05; more than 5 % of those score as much"
    assert said in text(score(truth, constant))
    assert "not distinguishable" not in text(score(truth, values))


def test_too_few_permutations_are_no_doubt_in_the_measure(truth: Path, values: Path) -> None:
    shown = text(score(truth, values, "--draws", "18"))
    assert "permutations (seed 0) too few for p ≤ 0.05" in shown
    assert "not distinguishable" not in shown
    assert "too few" not in text(score(truth, values, "--draws", "19"))


@pytest.mark.parametrize(
    ("options", "content", "reasons"),
    [
        (
            (),
            truth_content(test_size=None),
            [
                "other test sets — the size of the test set is not known: --test-examples",
                "sign-error — the size of the test set is not known: --test-examples",
            ],
        ),
        (
            ("--target", "train_loss"),
            truth_content(),
            [
                "other test sets — the target is not made of test accuracies",
                "sign-error — the target is not made of test accuracies",
            ],
        ),
        (("--draws", "0"), truth_content(), ["against chance — not drawn: gengap score --draws N"]),
        (
            (),
            truth_content(),
            [f"{name} — no environment survived" for name in ("mean", "90th percentile", "maximum")],
        ),
        (
            ("--variant", "paper"),
            truth_content((0.1,) * 7 + (0.5,)),
            ["no standard error: without one of the networks nothing is left to predict"],
        ),
    ],
)
def test_what_is_undefined_has_a_reason(
    write: Write, values: Path, options: tuple[str, ...], content: object, reasons: list[str]
) -> None:
    shown = text(score(write("truth", content), values, *FEW, *options))
    for reason in reasons:
        assert reason in shown


def test_constant_values_have_no_correlation(write: Write, truth: Path) -> None:
    shown = text(score(truth, write("values", dict.fromkeys(VALUES, 1)), *FEW))
    for name in ("Kendall's τ-b", "Spearman's ρ", "Pearson's r"):
        assert f"{name} — the values are all equal" in shown
    assert "sign 0 values and targets agree as often as not" in shown


def test_values_of_any_size_are_readable(write: Write, truth: Path) -> None:
    huge = write("values", {network: (-1) ** place * 1.7e308 for place, network in enumerate(VALUES)})
    assert "MAE 1.7e+308" in text(score(truth, huge, *FEW))


def test_a_grid_whose_model_has_a_coefficient_for_each_network_leaves_nothing_to_regress(write: Write) -> None:
    networks = {
        f"n{index}": {
            "hyperparameters": {"width": width, "depth": 1},
            "metrics": {"train_acc": 1.0, "test_acc": 0.9 - index / 10},
        }
        for index, width in enumerate((1, 2, 3))
    }
    axes = [{"name": "width", "values": [1, 2, 3]}, {"name": "depth", "values": [1]}]
    truth = write("truth", {"format": 1, "axes": axes, "networks": networks})
    shown = text(score(truth, write("values", {"n0": 1, "n1": 3, "n2": 2}), *FEW))
    assert "R², hyperparameters — a network alone determines a coefficient" in shown
    assert "ΔR² — a network alone determines a coefficient" in shown


def test_axes_that_fix_the_gap_are_pointed_out(write: Write, values: Path) -> None:
    truth = write("truth", truth_content((0.1, 0.1, 0.2, 0.2, 0.3, 0.3, 0.4, 0.4)))
    shown = text(score(truth, values, *FEW, "--all-axes"))
    assert "values can add no information (such sets count 0, as in PGDL): width × depth." in shown
    result = score(truth, values, *FEW, "--variant", "paper", "--all-axes")
    assert "(such sets are left out): width × depth." in text(result)
    table = rows(result, "CMI by conditioning set")
    assert ["width × depth", "—", "nothing left to predict"] in table


def test_all_axes_adds_the_tables(golden: tuple[Path, Path], task: GoldenTask) -> None:
    truth = parse_truth(task.model_configs)
    direct = report(truth, task.predictions["WCV"], "paper", test_examples=10000)
    options = ("--variant", "paper", "--test-examples", "10000", *FEW)
    assert "By axis" not in score(*golden, *options).stdout
    assert "Surviving environments" not in score(*golden, *FEW, "--all-axes").stdout  # the test set's size is unknown
    result = score(*golden, *options, "--all-axes")
    errors = direct.sign_error
    assert errors is not None

    by_axis = {row[0]: row[1:] for row in rows(result, "By axis")}
    assert list(by_axis) == [axis.name for axis in truth.grid.axes]
    for axis in truth.grid.axes:
        psi, error = direct.granulated.psi_by_axis[axis.name], errors.by_axis[axis.name]
        surviving = sum(environment.axis == axis.name for environment in errors.environments)
        k = len(axis.values)
        assert by_axis[axis.name] == [
            str(k), f"{psi:.4f}", "—" if error is None else f"{error:.4f}", f"{surviving} of {k * (k - 1) // 2}"
        ]  # fmt: skip

    assert rows(result, "CMI by conditioning set") == [
        [" × ".join(axes) or "none", f"{100 * value:.2f}", *(["smallest"] if axes == direct.cmi.attained_by else [])]
        for axes, value in direct.cmi.table.items()
        if value is not None
    ]
    assert rows(result, "Surviving environments of the robust sign-error") == [
        [e.axis, f"{e.first} to {e.second}", str(e.pairs), f"{e.effective_pairs:.1f}", f"{e.sign_error:.4f}"]
        for e in errors.environments
    ]
    assert rows(result, "Distribution of the sign-errors") == [
        [f"{step.sign_error:.4f}", f"{100 * step.fraction:.1f} %"] for step in errors.cdf
    ]


def test_comparing_says_which_measure_is_better(write: Write, task: GoldenTask) -> None:
    truth = write("model_configs.json", task.model_configs)
    better, worse = (write(name, task.predictions[name]) for name in ("WCV", "VPM_1"))
    first = text(score(truth, better, "--draws", "0", "--compare", str(worse), columns=300))
    assert f"first 27.75 ± 4.77 this measure second 6.07 ± 2.11 {worse}" in first
    compared = re.search(r"difference 21.68 ± (\S+) 95 % interval (\S+) to (\S+) z (\S+) p (\S+) two-sided", first)
    assert compared is not None
    assert f"The first is better by 21.68: more than chance explains (p = {compared[5]})." in first
    second = text(score(truth, worse, "--draws", "0", "--compare", str(better)))
    assert "difference -21.68 ±" in second
    assert "The second is better by 21.68: more than chance explains" in second


def test_comparing_with_itself_shows_no_difference(truth: Path, values: Path) -> None:
    shown = text(score(truth, values, *FEW, "--compare", str(values), columns=300))
    assert "difference 0.00 ± 0.00 95 % interval 0.00 to 0.00 z — no network moves the difference p 1 two" in shown
    assert "No difference shown: chance can explain it (p = 1)." in shown


def test_comparing_warns_of_the_other_measures_sign(write: Write, truth: Path, values: Path) -> None:
    other = write("other", {network: -value for network, value in OTHER_VALUES.items()})
    shown = text(score(truth, values, *FEW, "--compare", str(other), columns=300))
    assert "other warning: larger values go with smaller targets" in shown


def test_without_a_jackknife_nothing_is_compared(write: Write, values: Path) -> None:
    truth = write("truth", truth_content((0.1,) * 7 + (0.5,)))
    shown = text(score(truth, values, *FEW, "--variant", "paper", "--compare", str(values)))
    assert "difference 0.00 no standard error: without one of the networks nothing is left to predict" in shown
    assert "Not compared: without one of the networks nothing is left to predict." in shown


@pytest.mark.parametrize("columns", [30, 40, 59, 60, 80, 200])
def test_every_width_shows_every_number_whole(golden: tuple[Path, Path], columns: int) -> None:
    options = ("--test-examples", "10000", *FEW, "--all-axes")
    summary = NUMBER.findall(score(*golden, *options, columns=1000).stdout.split("By axis")[0])
    result = score(*golden, *options, columns=columns)
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= columns
    assert not [line for line in lines if line != line.rstrip()]
    assert NUMBER.findall(result.stdout.split("By axis")[0]) == summary
    if columns == 80:
        assert "…" not in result.stdout


def test_in_80_columns_numbers_stand_in_one_column(golden: tuple[Path, Path]) -> None:
    lines = score(*golden, *FEW, columns=80).stdout.splitlines()
    starts = {"  score ", "  random predictors ", "  adjusted R² ", "  Spearman's ρ ", "  networks ", "  target "}
    ends = {
        re.match(r"  .+?  +(?:-?[\d.]+(?: ± [\d.]+)?|gap)(?=  |$)", line)
        for line in lines
        if any(line.startswith(start) for start in starts)
    }
    assert len({match.end() for match in ends if match}) == 1
    assert len(ends) == len(starts)


def test_no_control_sequence_reaches_a_pipe_not_even_in_a_name(write: Write, values: Path) -> None:
    content = truth_content()
    assert "\x1b" not in score(write("truth", content), values, *FEW, "--all-axes").stdout
    hostile = write("truth", str_replaced(content, "dropout", "\x1b[31mred\x07\u202e\ud800[bold]"))
    result = score(hostile, values, *FEW, "--all-axes")
    assert "?[31mred???[bold]" in text(result)
    assert result.exception is None


def test_a_terminal_gets_bold_and_no_colour(golden: tuple[Path, Path]) -> None:
    result = score(*golden, "--test-examples", "10000", *FEW, "--all-axes", FORCE_COLOR="1", TERM="xterm-256color")
    assert set(re.findall(r"\x1b\[([^m]*)m", result.stdout)) == {"0", "1"}
    assert re.search(r"\x1b\[1m +27\.75 ± 4\.77\x1b\[0m", result.stdout)


def test_a_terminal_without_unicode_is_no_traceback(truth: Path, values: Path) -> None:
    command = [sys.executable, "-P", "-m", "server.cli", "score", "--truth", str(truth), "--values", str(values)]
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    run = subprocess.run([*command, *FEW], capture_output=True, env=environment, check=True)
    assert b"Score (100 ? CMI)" in run.stdout
    assert run.stderr == b""


def str_replaced(content: dict[str, object], old: str, new: str) -> object:
    """The content with an axis renamed."""

    def renamed(part: object) -> object:
        if isinstance(part, dict):
            return {new if key == old else key: renamed(value) for key, value in part.items()}
        if isinstance(part, list):
            return [renamed(entry) for entry in part]
        return new if part == old else part

    return renamed(content)
