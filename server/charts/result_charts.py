"""The pictures of a submission's result as Vega-Lite specifications.

Called by `server.charts.result_pictures`, which has the same numbers as tables. Each picture is as wide as its box and
exactly `HEIGHT_PX` high, with axes and legend, so that the page does not move when it appears. Marks name a style, and
charts.js takes the colours from the style sheet.
"""

from collections.abc import Sequence
from typing import Any

from server.charts.specifications import LOG_SCALE_RATIO, SCHEMA, target_name
from submissions.results.rounded_times import TimeBin, is_wide
from submissions.results.submission_result import AxisNumber, SetCmi, Step

HEIGHT_PX = 340
_HALF = 0.5  # a coin's sign error
_STRONG = 0.6  # of the largest cell: above it the text is in the colour for dark grounds
Spec = dict[str, Any]


def heat_map(sets: Sequence[SetCmi]) -> Spec:
    """Return the CMI of each pair of axes as a symmetric heat map; the pair that determines the score has a frame."""
    axes = list(dict.fromkeys(axis for entry in sets for axis in entry.axes))
    cells = [
        {"row": row, "column": column, "cmi": entry.cmi, "attains": entry.attains}
        for entry in sets
        if len(entry.axes) == 2
        for row, column in (entry.axes, entry.axes[::-1])
    ]
    known = [entry.cmi for entry in sets if entry.cmi is not None]
    largest = max(known, default=0.0)
    place = {"type": "nominal", "sort": axes, "title": None}
    x = {"field": "column", **place, "axis": {"labelAngle": -45, "labelLimit": 100, "orient": "top", "domain": False}}
    y = {"field": "row", **place, "axis": {"labelLimit": 120, "domain": False}}
    shown = [
        {"field": "row", "title": "axis"},
        {"field": "column", "title": "and axis"},
        {"field": "cmi", "title": "CMI", "format": ".2f"},
    ]
    number = {"field": "cmi", "type": "quantitative", "format": ".3~g"}
    scale = {"domain": [0, largest or 1.0]}
    layers: list[Spec] = [
        {
            "mark": {"type": "rect"},
            "encoding": {
                "color": {"field": "cmi", "type": "quantitative", "scale": scale, "legend": None},
                "tooltip": shown,
            },
        },
        *(
            part | {"encoding": {"text": number}}
            for part in _split("cmi", known, _STRONG * largest, {"type": "text"}, ("on-weak", "on-strong"))
        ),
        {
            "transform": [{"filter": "datum.attains"}],
            "mark": {"type": "rect", "style": "frame"},
            "encoding": {"tooltip": shown},
        },
    ]
    return _spec(f"CMI of each pair of {len(axes)} axes as a heat map.", cells, encoding={"x": x, "y": y}, layer=layers)


def bars_by_axis(numbers: Sequence[AxisNumber]) -> Spec:
    """Return bars of ψ from −1 to 1 for each axis, in the zoo's order."""
    rows = [{"axis": one.axis, "psi": one.number} for one in numbers]
    encoding = {
        "y": {
            "field": "axis",
            "type": "nominal",
            "scale": {"domain": [one.axis for one in numbers]},
            "title": None,
            "axis": {"labelLimit": 130, "domain": False, "tickSize": 0},
        },
        "x": {
            "field": "psi",
            "type": "quantitative",
            "title": "ψ",
            "scale": {"domain": [-1, 1]},
            "axis": {"tickCount": 5},
        },
        "tooltip": [{"field": "axis"}, {"field": "psi", "title": "ψ", "format": ".3f"}],
    }
    known = [one.number for one in numbers if one.number is not None]
    layers = _split("psi", known, 0.0, {"type": "bar"}, ("wrong", "strong"))
    return _spec(f"Granulated Kendall's ψ of {len(numbers)} axes as bars.", rows, encoding=encoding, layer=layers)


def cumulative(steps: Sequence[Step]) -> Spec:
    """Return the share of changes with a sign error of at most x; a coin toss is wrong half of the time."""
    rows = [{"error": 0.0, "share": 0.0}, *({"error": step.sign_error, "share": step.share} for step in steps)]
    rows.append({"error": 1.0, "share": 1.0})
    position = {"axis": {"format": "~%", "tickCount": 5}, "type": "quantitative"}
    encoding = {
        "x": {"field": "error", "title": "sign error", "scale": {"domain": [0, 1]}, **position},
        "y": {"field": "share", "title": "share of changes", "scale": {"domain": [0, 1]}, **position},
    }
    layers: list[Spec] = [
        {
            "data": {"values": [{"error": _HALF}]},
            "mark": {"type": "rule", "style": "quiet"},
            "encoding": {"x": {"field": "error", "type": "quantitative"}},
        },
        {"mark": {"type": "line", "style": "line", "interpolate": "step-after"}, "encoding": encoding},
        {
            "mark": {"type": "point", "style": "dot"},
            "encoding": encoding
            | {
                "tooltip": [
                    {"field": "error", "title": "sign error at most", "format": ".1%"},
                    {"field": "share", "title": "share of changes", "format": ".0%"},
                ]
            },
        },
    ]
    return _spec("Share of changes by their sign error, cumulated.", rows, layer=layers)


def histogram(bins: Sequence[TimeBin]) -> Spec:
    """Return a histogram of seconds per network."""
    rows = [{"from": one.from_s, "to": one.to_s, "networks": one.networks} for one in bins]
    is_log = is_wide(bins[0].from_s, bins[-1].to_s) if bins else False
    encoding = {
        "x": {
            "field": "from",
            "type": "quantitative",
            "title": "seconds per network",
            "scale": {"type": "log"} if is_log else {"zero": False},
            "axis": {"format": "~g", "tickCount": 6, "grid": False},
        },
        "x2": {"field": "to"},
        "y": {"field": "networks", "type": "quantitative", "title": "networks", "axis": {"tickMinStep": 1}},
        "y2": {"datum": 0},
        "tooltip": [
            {"field": "from", "title": "from, seconds", "format": "~g"},
            {"field": "to", "title": "to, seconds", "format": "~g"},
            {"field": "networks"},
        ],
    }
    mark = {"type": "rect", "style": "strong"}
    return _spec(
        f"Histogram of seconds of {sum(one.networks for one in bins)} networks.", rows, mark=mark, encoding=encoding
    )


def first_against_second(rows: Sequence[tuple[float, float, float]], names: tuple[str, str], target: str) -> Spec:
    """Return a scatter plot of two measures' values, coloured by the target.

    rows: first value, second value, target.
    """
    values = [{"first": first, "second": second, "target": told} for first, second, told in rows]
    encoding = {
        **{
            channel: {
                "field": field,
                "type": "quantitative",
                "title": f"value of {name}",
                "axis": {"tickCount": 6, "grid": False},
                "scale": _scale([row[field] for row in values]),
            }
            for channel, field, name in (("x", "first", names[0]), ("y", "second", names[1]))
        },
        "color": {
            "field": "target",
            "type": "quantitative",
            "title": target_name(target),
            "legend": {"orient": "top", "gradientLength": 160, "tickCount": 4},
        },
        "tooltip": [
            {"field": "first", "title": names[0], "format": ".6g"},
            {"field": "second", "title": names[1], "format": ".6g"},
            {"field": "target", "title": target_name(target), "format": ".4~g"},
        ],
    }
    mark = {"type": "point", "style": "dot"}
    return _spec(f"Values of two measures on {len(rows)} networks.", values, mark=mark, encoding=encoding)


def _split(field: str, numbers: Sequence[float], border: float, mark: Spec, styles: tuple[str, str]) -> list[Spec]:
    """Return a layer for the numbers up to the border and one for those above, each in its style.

    None without numbers, because a group without marks means nothing to a screen reader.
    """
    sides = (("<=", any(number <= border for number in numbers)), (">", any(number > border for number in numbers)))
    return [
        {
            "transform": [{"filter": f"datum.{field} !== null && datum.{field} {side} {border}"}],
            "mark": mark | {"style": style},
        }
        for (side, has_any), style in zip(sides, styles, strict=True)
        if has_any
    ]


def _scale(numbers: Sequence[float]) -> Spec:
    """Return a logarithmic scale if the numbers are positive and span more than two orders of magnitude."""
    wide = bool(numbers) and min(numbers) > 0 and max(numbers) > LOG_SCALE_RATIO * min(numbers)
    return {"type": "log"} if wide else {"zero": False}


def _spec(description: str, values: list[dict[str, Any]], **rest: Any) -> Spec:
    return {
        "$schema": SCHEMA,
        "description": description,
        "width": "container",
        "height": HEIGHT_PX,
        "autosize": {"type": "fit", "contains": "padding"},
        "data": {"values": values},
        **rest,
    }
