"""The registry of metrics: the same numbers as the report's parts, a reason for each gap, and how to add one."""

import importlib
import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring import (
    METRICS,
    VARIANTS,
    Direction,
    Metric,
    Truth,
    Undefined,
    Variant,
    ZooReport,
    competition,
    mean_over_zoos,
    report,
)
from scoring.errors import NoUncertaintyError
from scoring.metrics import collect
from tests.scoring.grids import Zoo, zoos

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "metrics.md"
TOY = '''"""How many of the values are positive."""

from scoring.metric import Direction, Metric

METRIC = Metric(
    key="positive_share",
    title="Positive values",
    symbol="+",
    help="share of the values that are positive",
    group="Toys",
    direction=Direction.HIGHER,
    order=15,
    compute=lambda zoo: float((zoo.values > 0).mean()),
)
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of scoring/metrics as a package of another name."""
    copied = tmp_path / "copied_metrics"
    shutil.copytree(Path(str(importlib.import_module("scoring.metrics").__file__)).parent, copied)
    (copied / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield copied
    for name in [name for name in sys.modules if name.partition(".")[0] == "copied_metrics"]:
        del sys.modules[name]


def test_the_metrics_and_their_order() -> None:
    assert list(METRICS) == [
        "cmi", "kendall_tau", "tau_b", "granulated_kendall", "spearman", "pearson", "sign_error",
        "sign_error_percentile_90", "sign_error_maximum", "r2", "delta_r2", "mae",
    ]  # fmt: skip
    assert [key for key, metric in METRICS.items() if metric.on_leaderboard] == [
        "cmi", "kendall_tau", "granulated_kendall", "sign_error",
    ]  # fmt: skip
    assert all(key == metric.key for key, metric in METRICS.items())
    assert len({metric.address_name for metric in METRICS.values()}) == len(METRICS)


def test_lower_is_better_for_errors_alone() -> None:
    lower = [key for key, metric in METRICS.items() if not metric.higher_is_better]
    assert lower == ["sign_error", "sign_error_percentile_90", "sign_error_maximum", "mae"]
    assert METRICS["sign_error"].description.endswith("; lower is better")
    assert METRICS["cmi"].description == "100 × conditional mutual information; higher is better"


def test_every_metric_has_its_row_in_the_documentation() -> None:
    text = DOCUMENTATION.read_text()
    missing = [metric.key for metric in METRICS.values() if f"| `{metric.key}` | {metric.title} |" not in text]
    assert missing == []


@given(zoos(), st.sampled_from(VARIANTS))
def test_metrics_are_the_numbers_of_the_reports_parts(zoo: Zoo, variant: Variant) -> None:
    try:
        result = report(zoo.truth(), zoo.named_values, variant, test_examples=10**6)
    except NoUncertaintyError:
        return
    assert result.metrics == parts_of(result)
    assert {key for key, value in result.metrics.items() if value is None} == set(result.undefined)
    jackknife, tau_error = result.jackknife, result.kendall.standard_error_a
    errors = {"cmi": None if jackknife is None else jackknife.standard_error, "kendall_tau": tau_error}
    assert result.metric_errors == {key: error for key, error in errors.items() if error is not None}


def test_what_is_undefined_has_a_reason() -> None:
    zoo = some_zoo()
    assert report(zoo.truth(), zoo.named_values).undefined == dict.fromkeys(
        ("sign_error", "sign_error_percentile_90", "sign_error_maximum"), "the size of the test set is not known"
    )
    constant = report(zoo.truth(), dict.fromkeys(zoo.ids, 1.0), test_examples=10)
    assert constant.undefined == {
        **dict.fromkeys(("tau_b", "spearman", "pearson"), "the values are all equal"),
        **dict.fromkeys(
            ("sign_error", "sign_error_percentile_90", "sign_error_maximum"), "none of 5 environments survived"
        ),
    }
    axes = {name: list(range(size)) for name, size in zip("abc", zoo.shape, strict=True)}
    of_loss = Truth.from_arrays(zoo.ids, np.array(zoo.targets), axes, np.array(zoo.rows), "loss_gap", test_examples=10)
    assert report(of_loss, zoo.named_values).undefined["sign_error"] == "the target is not made of test accuracies"


def test_a_coefficient_of_one_network_and_an_error_beyond_float64_have_reasons() -> None:
    values, targets = [1.7e308, -1.7e308, 1.6e308, -1.6e308], [-1.7e308, 1.7e308, -1.6e308, 1.6e308]
    square = Zoo((2, 2), list(np.ndindex(2, 2)), values, targets)
    undefined = report(square.truth(), square.named_values).undefined
    assert undefined["delta_r2"] == "a network alone determines a coefficient"
    assert undefined["mae"] == "exceeds float64"


def test_a_competitions_metrics_are_the_means_of_its_zoos() -> None:
    zoo = some_zoo()
    large = report(zoo.truth(), zoo.named_values, test_examples=10**9)
    small = report(zoo.truth(), {network: -value for network, value in zoo.named_values.items()})
    found = competition({"a": large, "b": small}).metrics
    assert list(found) == list(METRICS)
    assert found["kendall_tau"] == 0
    assert found["cmi"] == pytest.approx((large.cmi.minimum + small.cmi.minimum) / 2)
    assert found["sign_error"] is None  # the second zoo has none
    assert competition({"a": large}).metrics == large.metrics


def test_the_mean_over_zoos_needs_every_zoo() -> None:
    assert mean_over_zoos([0.5, 0.25, 0.75]) == 0.5
    assert mean_over_zoos([0.0]) == 0
    assert mean_over_zoos([0.5, None]) is None
    assert mean_over_zoos([]) is None


@pytest.mark.parametrize(
    ("key", "value", "shown", "text"),
    [
        ("cmi", 0.123456, 12.35, "12.35"),
        ("cmi", 1.0, 100.0, "100.00"),
        ("kendall_tau", 0.5, 0.5, "+0.500"),
        ("kendall_tau", -0.12345, -0.123, "−0.123"),
        ("sign_error", 0.25, 0.25, "0.250"),
        ("mae", 12345.678, 12350.0, "1.235e+04"),
        ("mae", 0.000123456, 0.0001235, "0.0001235"),
        ("r2", None, None, "—"),
    ],
)
def test_how_a_metric_is_shown(key: str, value: float | None, shown: float | None, text: str) -> None:
    assert METRICS[key].shown(value) == shown
    assert METRICS[key].text(value) == text


def test_a_metric_without_a_short_name_is_addressed_by_its_key() -> None:
    names = {metric.key: metric.address_name for metric in METRICS.values() if metric.on_leaderboard}
    assert names == {"cmi": "cmi", "kendall_tau": "tau", "granulated_kendall": "psi", "sign_error": "sign"}
    assert METRICS["pearson"].address_name == "pearson"


def test_a_module_in_the_folder_is_a_metric_of_every_report(folder: Path) -> None:
    (folder / "positive_share.py").write_text(TOY)
    metrics = collect([str(folder)], "copied_metrics")
    assert list(metrics)[:3] == ["cmi", "positive_share", "kendall_tau"]  # by its order, 15
    zoo = some_zoo()
    values = dict(zip(zoo.ids, [-1.0] * 3 + [2.0] * 9, strict=True))
    result = report(zoo.truth(), values, metrics=metrics)
    assert result.metrics["positive_share"] == 0.75
    assert json.loads(json.dumps(result.as_json()))["metrics"]["positive_share"] == 0.75
    negative = report(zoo.truth(), dict(zip(zoo.ids, range(-12, 0), strict=True)), metrics=metrics)
    assert competition({"a": result, "b": negative}).metrics["positive_share"] == 0.375


def test_a_metric_can_be_undefined_on_a_zoo(folder: Path) -> None:
    metrics: Mapping[str, Metric] = {
        "never": Metric(
            key="never",
            title="Never",
            symbol="n",
            help="never defined",
            group="Toys",
            direction=Direction.LOWER,
            order=1,
            compute=lambda _: Undefined("it never is"),
            standard_error=lambda _: None,
        )
    }
    zoo = some_zoo()
    result = report(zoo.truth(), zoo.named_values, metrics=metrics)
    assert (result.metrics, result.metric_errors, result.undefined) == ({"never": None}, {}, {"never": "it never is"})


@pytest.mark.parametrize("content", ["METRIC = None\n", "", TOY])  # the toy's key is not the module's name
def test_a_module_that_declares_no_metric_is_an_error_that_names_it(folder: Path, content: str) -> None:
    (folder / "wrong.py").write_text(content)
    with pytest.raises(TypeError, match=r"copied_metrics\.wrong must declare METRIC, .* with the key 'wrong'"):
        collect([str(folder)], "copied_metrics")


def parts_of(result: ZooReport) -> dict[str, float | None]:
    errors = result.sign_error
    return {
        "cmi": result.cmi.minimum,
        "kendall_tau": result.kendall.tau_a,
        "tau_b": result.kendall.tau_b,
        "granulated_kendall": result.granulated.psi,
        "spearman": result.correlations.spearman,
        "pearson": result.correlations.pearson,
        "sign_error": None if errors is None else errors.mean,
        "sign_error_percentile_90": None if errors is None else errors.percentile_90,
        "sign_error_maximum": None if errors is None else errors.maximum,
        "r2": result.regression.r2,
        "delta_r2": result.regression.delta_r2,
        "mae": result.regression.mae,
    }


def some_zoo() -> Zoo:
    random = np.random.default_rng(0)
    rows = list(np.ndindex(2, 3, 2))
    targets = random.random(12)
    return Zoo((2, 3, 2), rows, (targets + 0.3 * random.random(12)).tolist(), targets.tolist())
