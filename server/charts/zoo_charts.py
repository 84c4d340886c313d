"""The pictures of a zoo's check as Vega-Lite specifications. Called by commands and pages.

The page that draws them chooses colours and fonts. Each picture is as wide as its box, also on a phone.
"""

from collections.abc import Callable, Mapping
from typing import Any

from model_zoo.checks.report import CheckReport
from server.charts.specifications import Spec, axis_field, axis_fields, chart, quantity

_BINS = 24
_ROW_PX = 22
_FEWEST_ROWS = 6
_HEIGHT_PX = 280


def histogram(report: CheckReport) -> Spec:
    """Return a histogram of the gaps."""
    return chart(
        f"Histogram of the gaps of {len(report.numbers.networks)} networks.",
        [{"gap": network.gap} for network in report.numbers.networks],
        _HEIGHT_PX,
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
    names = [axis.name for axis in report.numbers.axes]
    row = {"labelLimit": 160, "grid": True, "tickSize": 0, "domain": False}
    place = {
        "y": {"field": "setting", "type": "nominal", "sort": labels, "title": None, "axis": row},
        "color": {"field": "axis", "type": "nominal", "legend": None, "sort": names},
    }
    setting = {"field": "setting", "title": "setting"}
    layers = [
        {
            "mark": {"type": "tick", "opacity": 0.35, "thickness": 1.5},
            "encoding": place
            | {
                "x": _share_axis("gap", "generalization gap"),
                "tooltip": [setting, {"field": "gap", "format": ".2%"}, {"field": "network"}],
            },
        },
        {
            "mark": {"type": "point", "filled": True, "size": 90, "opacity": 1},
            "encoding": place
            | {
                "x": _share_axis("gap", "generalization gap", aggregate="mean"),
                "tooltip": [setting, {"field": "gap", "aggregate": "mean", "title": "mean gap", "format": ".2%"}],
            },
        },
    ]
    description = f"Gaps at each value of {len(names)} axes, with their means."
    return chart(description, ticks, _ROW_PX * max(len(rows), _FEWEST_ROWS), layer=layers)


def training_against_test(report: CheckReport) -> Spec:
    """Return a point per network: training accuracy on x, test accuracy on y, coloured by the first axis."""
    axes = [axis.name for axis in report.numbers.axes]
    rows = [
        {
            "network": network.id,
            "train": network.train_acc,
            "test": network.test_acc,
            **axis_fields(axes, network.hyperparameters),
        }
        for network in report.numbers.networks
    ]
    encoding: Spec = {
        "x": _share_axis("train", "training accuracy"),
        "y": _share_axis("test", "test accuracy"),
        "tooltip": [
            {"field": "network", "title": "network"},
            {"field": "train", "title": "training accuracy", "format": ".2%"},
            {"field": "test", "title": "test accuracy", "format": ".2%"},
            *({"field": axis_field(index), "title": name} for index, name in enumerate(axes)),
        ],
    }
    if axes:
        legend = {"orient": "top", "direction": "horizontal"}
        encoding["color"] = {"field": axis_field(0), "type": "ordinal", "title": axes[0], "legend": legend}
    return chart(
        f"Training against test accuracy of {len(rows)} networks.",
        rows,
        _HEIGHT_PX,
        mark={"type": "point", "filled": True, "size": 64, "opacity": 0.85},
        encoding=encoding,
    )


PICTURES: Mapping[str, tuple[str, Callable[[CheckReport], Spec]]] = {
    "gaps": ("Distribution of the gaps", histogram),
    "axes": ("The gap along each axis", gap_by_axis),
    "accuracies": ("Training against test accuracy", training_against_test),
}


def _share_axis(field: str, title: str, **rest: Any) -> Spec:
    """Return a position for a share from 0 to 1, shown in per cent, on a scale that need not begin at 0."""
    return quantity(field, title, axis={"format": "~%", "tickCount": 6}, scale={"zero": False}, **rest)


def _setting(axis_name: str, value: object) -> str:
    return f"{axis_name} = {str(value).lower() if isinstance(value, bool) else value}"
