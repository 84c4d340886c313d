"""The pictures of a zoo's check as Vega-Lite specifications. Called by commands and pages.

The page that draws them chooses colours and fonts. Each picture is as wide as its box, also on a phone.
"""

from collections.abc import Callable, Mapping
from typing import Any

from model_zoo.checks.report import AxisNumbers, CheckReport, NetworkNumbers
from server.charts.specifications import SCHEMA

_BINS = 24
_ROW_PX = 22
_FEWEST_ROWS = 6
Spec = dict[str, Any]


def histogram(report: CheckReport) -> Spec:
    """Return a histogram of the gaps."""
    return _spec(
        f"Histogram of the gaps of {len(report.numbers.networks)} networks.",
        [{"gap": network.gap} for network in report.numbers.networks],
        mark={"type": "bar", "binSpacing": 1},
        encoding={
            "x": _share_axis("gap", "generalization gap", bin={"maxbins": _BINS}),
            "y": {"aggregate": "count", "type": "quantitative", "title": "networks", "axis": {"tickMinStep": 1}},
            "color": {"datum": "networks", "type": "nominal", "legend": None},
            "tooltip": [
                {"field": "gap", "bin": {"maxbins": _BINS}, "title": "gap", "format": ".1%"},
                {"aggregate": "count", "title": "networks"},
            ],
        },
    )


def gap_by_axis(report: CheckReport) -> Spec:
    """Return a row per value of each axis: a tick for each network's gap, a point for their mean."""
    rows = [(axis, value) for axis in report.numbers.axes for value in axis.values]
    labels = [_setting(axis.name, value) for axis, value in rows]
    ticks = [
        {"setting": _setting(axis.name, value), "axis": axis.name, "gap": network.gap, "network": network.id}
        for axis, value in rows
        for network in report.numbers.networks
        if network.hyperparameters[axis.name] == value
    ]
    place = {
        "field": "setting",
        "type": "nominal",
        "sort": labels,
        "title": None,
        "axis": {"labelLimit": 160, "grid": True, "tickSize": 0, "domain": False},
    }
    colour = {"field": "axis", "type": "nominal", "legend": None, "sort": [axis.name for axis in report.numbers.axes]}
    layers = [
        {
            "mark": {"type": "tick", "opacity": 0.35, "thickness": 1.5},
            "encoding": {
                "y": place,
                "x": _share_axis("gap", "generalization gap"),
                "color": colour,
                "tooltip": [
                    {"field": "setting", "title": "setting"},
                    {"field": "gap", "format": ".2%"},
                    {"field": "network"},
                ],
            },
        },
        {
            "mark": {"type": "point", "filled": True, "size": 90, "opacity": 1},
            "encoding": {
                "y": place,
                "x": _share_axis("gap", "generalization gap", aggregate="mean"),
                "color": colour,
                "tooltip": [
                    {"field": "setting", "title": "setting"},
                    {"field": "gap", "aggregate": "mean", "title": "mean gap", "format": ".2%"},
                ],
            },
        },
    ]
    spec = _spec(f"Gaps at each value of {len(report.numbers.axes)} axes, with their means.", ticks)
    return spec | {"height": _ROW_PX * max(len(rows), _FEWEST_ROWS), "layer": layers}


def training_against_test(report: CheckReport) -> Spec:
    """Return a point per network: training accuracy on x, test accuracy on y, coloured by the first axis."""
    axes = report.numbers.axes
    shown = [("network", "network"), ("train", "training accuracy"), ("test", "test accuracy")]
    encoding: Spec = {
        "x": _share_axis("train", "training accuracy"),
        "y": _share_axis("test", "test accuracy"),
        "tooltip": [
            {"field": field, "title": title, **({} if field == "network" else {"format": ".2%"})}
            for field, title in shown
        ]
        + [{"field": _field(index), "title": axis.name} for index, axis in enumerate(axes)],
    }
    if axes:
        encoding["color"] = {
            "field": _field(0),
            "type": "ordinal",
            "title": axes[0].name,
            "legend": {"orient": "top", "direction": "horizontal"},
        }
    return _spec(
        f"Training against test accuracy of {len(report.numbers.networks)} networks.",
        [_point(network, axes) for network in report.numbers.networks],
        mark={"type": "point", "filled": True, "size": 64, "opacity": 0.85},
        encoding=encoding,
    )


PICTURES: Mapping[str, tuple[str, Callable[[CheckReport], Spec]]] = {
    "gaps": ("Distribution of the gaps", histogram),
    "axes": ("The gap along each axis", gap_by_axis),
    "accuracies": ("Training against test accuracy", training_against_test),
}


def _spec(description: str, values: list[dict[str, Any]], **rest: Any) -> Spec:
    return {
        "$schema": SCHEMA,
        "description": description,
        "width": "container",
        "height": 280,
        "data": {"values": values},
        **rest,
    }


def _share_axis(field: str, title: str, **rest: Any) -> Spec:
    """Return a position for a share from 0 to 1, shown in per cent, on a scale that need not begin at 0."""
    return {
        "field": field,
        "type": "quantitative",
        "title": title,
        "axis": {"format": "~%", "tickCount": 6},
        "scale": {"zero": False},
        **rest,
    }


def _point(network: NetworkNumbers, axes: list[AxisNumbers]) -> dict[str, Any]:
    hyperparameters = {_field(index): network.hyperparameters[axis.name] for index, axis in enumerate(axes)}
    return {"network": network.id, "train": network.train_acc, "test": network.test_acc, **hyperparameters}


def _field(axis_index: int) -> str:
    """Return the field name of an axis: Vega would read a dot in the axis's own name as a path."""
    return f"axis{axis_index}"


def _setting(axis_name: str, value: object) -> str:
    return f"{axis_name} = {str(value).lower() if isinstance(value, bool) else value}"
