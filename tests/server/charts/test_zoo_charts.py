"""The pictures of a zoo's check, as the browser gets them."""

import json

import pytest

from model_zoo.checks.report import AxisNumbers, CheckReport, NetworkNumbers, Numbers
from server.charts.zoo_charts import PICTURES, gap_by_axis, histogram, training_against_test


def report_of(*networks: NetworkNumbers, axes: list[AxisNumbers]) -> CheckReport:
    numbers = Numbers(networks=list(networks), axes=axes)
    return CheckReport(zoo="zoo", title="A zoo", manifest_sha256=None, items=[], numbers=numbers)


def axis(name: str, *values: bool | float) -> AxisNumbers:
    return AxisNumbers(name=name, values=list(values), mean_gaps=[None] * len(values), tau_b=None, share=None)


@pytest.fixture
def report() -> CheckReport:
    networks = [
        NetworkNumbers(id="n1", hyperparameters={"l.r[0]": 0.1, "bn": True}, train_acc=1.0, test_acc=0.75),
        NetworkNumbers(id="n2", hyperparameters={"l.r[0]": 0.2, "bn": False}, train_acc=0.5, test_acc=0.25),
        NetworkNumbers(id="n3", hyperparameters={"l.r[0]": 0.2, "bn": True}, train_acc=0.5, test_acc=0.5),
    ]
    return report_of(*networks, axes=[axis("l.r[0]", 0.1, 0.2), axis("bn", False, True)])


def test_the_histogram_counts_gaps(report: CheckReport) -> None:
    spec = histogram(report)
    assert spec["data"]["values"] == [{"gap": 0.25}, {"gap": 0.25}, {"gap": 0.0}]
    assert (spec["mark"]["type"], spec["encoding"]["x"]["field"], spec["encoding"]["y"]["aggregate"]) == (
        "bar",
        "gap",
        "count",
    )


def test_the_gap_along_each_axis_has_a_row_per_value_in_the_axes_order(report: CheckReport) -> None:
    spec = gap_by_axis(report)
    ticks, means = spec["layer"]
    rows = ["l.r[0] = 0.1", "l.r[0] = 0.2", "bn = false", "bn = true"]
    assert ticks["encoding"]["y"]["sort"] == means["encoding"]["y"]["sort"] == rows
    assert [(tick["setting"], tick["gap"], tick["network"]) for tick in spec["data"]["values"]] == [
        (rows[0], 0.25, "n1"),
        (rows[1], 0.25, "n2"),
        (rows[1], 0.0, "n3"),
        (rows[2], 0.25, "n2"),
        (rows[3], 0.25, "n1"),
        (rows[3], 0.0, "n3"),
    ]
    assert "aggregate" not in ticks["encoding"]["x"]
    assert means["encoding"]["x"]["aggregate"] == "mean"


def test_training_against_test_has_a_point_per_network_with_its_hyperparameters(report: CheckReport) -> None:
    spec = training_against_test(report)
    assert spec["data"]["values"][0] == {"network": "n1", "train": 1.0, "test": 0.75, "axis0": 0.1, "axis1": True}
    assert (spec["encoding"]["x"]["field"], spec["encoding"]["y"]["field"]) == ("train", "test")
    assert (spec["encoding"]["color"]["field"], spec["encoding"]["color"]["title"]) == ("axis0", "l.r[0]")
    assert [shown["title"] for shown in spec["encoding"]["tooltip"]][3:] == ["l.r[0]", "bn"]


def test_a_zoo_without_axes_can_be_drawn() -> None:
    bare = report_of(NetworkNumbers(id="n", hyperparameters={}, train_acc=1.0, test_acc=0.5), axes=[])
    assert "color" not in training_against_test(bare)["encoding"]
    assert gap_by_axis(bare)["data"]["values"] == []


def test_every_picture_is_plain_json_as_wide_as_its_box(report: CheckReport) -> None:
    assert list(PICTURES) == ["gaps", "axes", "accuracies"]
    for title, make in PICTURES.values():
        spec = json.loads(json.dumps(make(report)))
        assert title
        assert spec["width"] == "container"
        assert spec["$schema"].startswith("https://vega.github.io/schema/vega-lite/v6")
