"""The pictures of a submission's result as Vega-Lite specifications.

Called by `server.charts.result_pictures`, which has the same numbers as tables. Each picture is as wide as its box and
exactly `HEIGHT_PX` high, with axes and legend, so that the page does not move when it appears. Marks name a style, and
charts.js takes the colours from the style sheet.
"""

from collections.abc import Sequence
from typing import Any

from server.charts.specifications import FITTED, Spec, chart, quantity, scale_of, target_name
from submissions.results.rounded_times import TimeBin, is_wide
from submissions.results.submission_result import AxisNumber, SetCmi, Step

HEIGHT_PX = 340
_HALF = 0.5  # a coin's sign error
_STRONG = 0.6  # of the largest cell: above it the text is in the colour for dark grounds


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
    cmi = {"field": "cmi", "type": "quantitative"}
    scale = {"domain": [0, largest or 1.0]}
    layers: list[Spec] = [
        {"mark": {"type": "rect"}, "encoding": {"color": {**cmi, "scale": scale, "legend": None}, "tooltip": shown}},
        *(
            part | {"encoding": {"text": {**cmi, "format": ".3~g"}}}
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
        "x": quantity("psi", "ψ", scale={"domain": [-1, 1]}, axis={"tickCount": 5}),
        "tooltip": [{"field": "axis"}, {"field": "psi", "title": "ψ", "format": ".3f"}],
    }
    known = [one.number for one in numbers if one.number is not None]
    layers = _split("psi", known, 0.0, {"type": "bar"}, ("wrong", "strong"))
    return _spec(f"Granulated Kendall's ψ of {len(numbers)} axes as bars.", rows, encoding=encoding, layer=layers)


def cumulative(steps: Sequence[Step]) -> Spec:
    """Return the share of changes with a sign error of at most x; a coin toss is wrong half of the time."""
    rows = [{"error": 0.0, "share": 0.0}, *({"error": step.sign_error, "share": step.share} for step in steps)]
    rows.append({"error": 1.0, "share": 1.0})
    share: Spec = {"axis": {"format": "~%", "tickCount": 5}, "scale": {"domain": [0, 1]}}
    encoding = {"x": quantity("error", "sign error", **share), "y": quantity("share", "share of changes", **share)}
    tooltip = [
        {"field": "error", "title": "sign error at most", "format": ".1%"},
        {"field": "share", "title": "share of changes", "format": ".0%"},
    ]
    layers: list[Spec] = [
        {
            "data": {"values": [{"error": _HALF}]},
            "mark": {"type": "rule", "style": "quiet"},
            "encoding": {"x": {"field": "error", "type": "quantitative"}},
        },
        {"mark": {"type": "line", "style": "line", "interpolate": "step-after"}, "encoding": encoding},
        {"mark": {"type": "point", "style": "dot"}, "encoding": {**encoding, "tooltip": tooltip}},
    ]
    return _spec("Share of changes by their sign error, cumulated.", rows, layer=layers)


def histogram(bins: Sequence[TimeBin]) -> Spec:
    """Return a histogram of seconds per network."""
    rows = [{"from": one.from_s, "to": one.to_s, "networks": one.networks} for one in bins]
    is_log = is_wide(bins[0].from_s, bins[-1].to_s) if bins else False
    encoding = {
        "x": quantity(
            "from",
            "seconds per network",
            scale={"type": "log"} if is_log else {"zero": False},
            axis={"format": "~g", "tickCount": 6, "grid": False},
        ),
        "x2": {"field": "to"},
        "y": quantity("networks", "networks", axis={"tickMinStep": 1}),
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
    grid = {"tickCount": 6, "grid": False}
    legend = {"orient": "top", "gradientLength": 160, "tickCount": 4}
    encoding = {
        "x": quantity("first", f"value of {names[0]}", axis=grid, scale=scale_of([row[0] for row in rows])),
        "y": quantity("second", f"value of {names[1]}", axis=grid, scale=scale_of([row[1] for row in rows])),
        "color": quantity("target", target_name(target), legend=legend),
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


def _spec(description: str, values: list[dict[str, Any]], **rest: Any) -> Spec:
    return chart(description, values, HEIGHT_PX, **FITTED, **rest)
