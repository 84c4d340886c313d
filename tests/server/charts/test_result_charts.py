"""The pictures of a result as specifications: what they draw, and how they show what matters."""

from typing import Any

import pytest

from server.charts.result_charts import bars_by_axis, cumulative, first_against_second, heat_map, histogram
from submissions.results.rounded_times import time_bins
from submissions.results.submission_result import AxisNumber, SetCmi, Step

SETS = (
    SetCmi(("width", "learning.rate"), 12.5, False),
    SetCmi(("width", "depth"), 3.25, True),
    SetCmi(("learning.rate", "depth"), None, False),
)


def _marks(spec: dict[str, Any]) -> list[tuple[str, str | None]]:
    return [(layer["mark"]["type"], layer["mark"].get("style")) for layer in spec["layer"]]


def test_a_heat_map_shows_each_pair_both_ways_and_frames_the_score() -> None:
    spec = heat_map(SETS)
    cells = {(cell["row"], cell["column"]): (cell["cmi"], cell["attains"]) for cell in spec["data"]["values"]}
    assert cells == {
        ("width", "learning.rate"): (12.5, False),
        ("learning.rate", "width"): (12.5, False),
        ("width", "depth"): (3.25, True),
        ("depth", "width"): (3.25, True),
        ("learning.rate", "depth"): (None, False),
        ("depth", "learning.rate"): (None, False),
    }
    assert spec["encoding"]["x"]["sort"] == spec["encoding"]["y"]["sort"] == ["width", "learning.rate", "depth"]
    (framed,) = [layer for layer in spec["layer"] if layer["mark"].get("style") == "frame"]
    assert framed["transform"] == [{"filter": "datum.attains"}]
    assert spec["layer"][0]["encoding"]["color"]["scale"] == {"domain": [0, 12.5]}


def test_a_heat_map_of_a_measure_without_information_has_a_scale() -> None:
    spec = heat_map([SetCmi(("a", "b"), 0.0, True)])
    assert spec["layer"][0]["encoding"]["color"]["scale"] == {"domain": [0, 1.0]}


def test_bars_say_which_axes_are_the_wrong_way_round() -> None:
    spec = bars_by_axis([AxisNumber("width", 0.5), AxisNumber("depth", -0.25), AxisNumber("seed", None)])
    assert [row["psi"] for row in spec["data"]["values"]] == [0.5, -0.25, None]
    assert [layer["transform"][0]["filter"] for layer in spec["layer"]] == [
        "datum.psi !== null && datum.psi <= 0.0",
        "datum.psi !== null && datum.psi > 0.0",
    ]
    assert _marks(spec) == [("bar", "wrong"), ("bar", "strong")]
    assert _marks(bars_by_axis([AxisNumber("width", 0.5)])) == [("bar", "strong")]
    assert spec["encoding"]["x"]["scale"] == {"domain": [-1, 1]}


def test_a_cumulated_curve_goes_from_none_to_all() -> None:
    spec = cumulative([Step(0.1, 0.25), Step(0.4, 1.0)])
    points = [(row["error"], row["share"]) for row in spec["data"]["values"]]
    assert points == [(0.0, 0.0), (0.1, 0.25), (0.4, 1.0), (1.0, 1.0)]


@pytest.mark.parametrize(("seconds", "scale"), [([0.1, 0.3], {"zero": False}), ([0.01, 3.0], {"type": "log"})])
def test_widely_spread_times_get_a_log_scale(seconds: list[float], scale: dict[str, object]) -> None:
    spec = histogram(time_bins(seconds))
    assert spec["encoding"]["x"]["scale"] == scale
    assert sum(row["networks"] for row in spec["data"]["values"]) == 2


def test_two_measures_have_their_own_scales_and_the_target_as_colour() -> None:
    spec = first_against_second([(1.0, 0.5, 0.1), (900.0, -0.5, 0.2)], ("norm", "margin"), "gap")
    encoding = spec["encoding"]
    assert [encoding[axis]["title"] for axis in "xy"] == ["value of norm", "value of margin"]
    assert [encoding[axis]["scale"] for axis in "xy"] == [{"type": "log"}, {"zero": False}]
    assert encoding["color"]["title"] == "generalization gap"


@pytest.mark.parametrize(
    "spec",
    [
        heat_map(SETS),
        bars_by_axis([AxisNumber("width", 0.5)]),
        cumulative([Step(0.1, 1.0)]),
        histogram(time_bins([0.1])),
        first_against_second([(1.0, 2.0, 3.0)], ("a", "b"), "gap"),
    ],
)
def test_every_picture_has_its_height_with_everything_around_it(spec: dict[str, Any]) -> None:
    """So that nothing on the page moves when it is drawn."""
    assert (spec["height"], spec["width"]) == (340, "container")
    assert spec["autosize"] == {"type": "fit", "contains": "padding"}
    assert spec["description"]
