"""Chart specifications, as the browser gets them."""

import json

import pytest

from server.charts.specifications import value_against_target
from submissions.results.values_and_targets import Point, ZooPoints
from tests.server.site import Site


def _points(values: list[float], axis: str = "width", target: str = "gap") -> ZooPoints:
    points = tuple(Point(f"n{i}", value, 0.01 * i, {axis: 2**i}) for i, value in enumerate(values))
    return ZooPoints("zoo", "A zoo", target, (axis,), points)


def test_a_chart_has_every_point_with_its_hyperparameters() -> None:
    spec = value_against_target(_points([1.0, 2.5], "learning.rate[0]"))
    assert spec["data"]["values"] == [
        {"value": 1.0, "truth": 0.0, "axis0": 1},
        {"value": 2.5, "truth": 0.01, "axis0": 2},
    ]
    assert spec["encoding"]["color"] | {"legend": None} == {
        "field": "axis0",
        "type": "ordinal",
        "title": "learning.rate[0]",
        "legend": None,
    }
    assert [shown["title"] for shown in spec["encoding"]["tooltip"]] == [
        "value",
        "generalization gap",
        "learning.rate[0]",
    ]


@pytest.mark.parametrize(
    ("target", "title", "number"),
    [("gap", "generalization gap", ".0%"), ("loss_gap", "loss gap", ".3~g"), ("true_risk", "true_risk", ".3~g")],
)
def test_the_axis_upwards_says_what_was_to_be_predicted(target: str, title: str, number: str) -> None:
    upwards = value_against_target(_points([1.0], target=target))["encoding"]["y"]
    assert (upwards["title"], upwards["axis"]["format"]) == (title, number)


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        ([1.0, 50.0], {"zero": False}),
        ([1.0, 101.0], {"type": "log"}),
        ([0.0, 1e9], {"zero": False}),
        ([-5.0, 1e9], {"zero": False}),
        ([], {"zero": False}),
    ],
)
def test_only_positive_values_over_orders_of_magnitude_get_a_log_scale(
    values: list[float], scale: dict[str, object]
) -> None:
    assert value_against_target(_points(values))["encoding"]["x"]["scale"] == scale


def test_the_chart_of_a_scored_submission_is_public_json(site: Site) -> None:
    submission = site.submission(site.phase(), cmi=(0.1, 0.2))
    answer = site.browser().get(f"/submissions/{submission}/zoos/digits-cnn/drawings/values.json")
    spec = json.loads(answer.data)
    assert answer.mimetype == "application/json"
    assert len(spec["data"]["values"]) == 12
    assert spec["$schema"].startswith("https://vega.github.io/schema/vega-lite/v6")


def test_there_is_no_chart_of_an_unscored_zoo_nor_of_a_secret_truth(site: Site) -> None:
    running = site.submission(site.phase(), done=12)
    secret = site.phase("secret", zoos=("hidden-mlp",), truth_public=False)
    scored = site.submission(secret, cmi=(0.4,))
    browser = site.browser("olga")
    assert browser.get(f"/submissions/{running}/zoos/digits-mlp/drawings/values.json").status_code == 404
    assert browser.get(f"/submissions/{scored}/zoos/hidden-mlp/drawings/values.json").status_code == 404
