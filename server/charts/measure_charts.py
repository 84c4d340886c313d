"""Pictures that compare measures: their results over zoos, scores against cost, and how far they agree.

Called by the pages of measures, of public zoos, and of a leaderboard; each page has the same numbers as a table.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from server.charts.specifications import FITTED, Spec, chart, quantity
from submissions.results.known_measures import Chance, KnownResult
from submissions.results.similarity import Agreement

_ROW_PX = 26
_CELL_PX = 13
_LEAST_PX = 200
_HEIGHT_PX = 380
_CMI, _TAU = "CMI (score / 100)", "Kendall's τ"


@dataclass(frozen=True)
class Cost:
    """A measure in the picture of scores against cost. kind: baseline, reference, or submission."""

    name: str
    kind: str
    score: float
    seconds: float


def over_zoos(results: Sequence[tuple[str, KnownResult]]) -> Spec:
    """Return a row for each zoo, with the CMI and Kendall's τ of one measure and a standard error to each side."""
    rows = []
    for zoo, one in results:
        error = None if one.standard_error is None else one.standard_error / 100
        for number, metric, deviation in ((one.score / 100, _CMI, error), (one.kendall_tau, _TAU, one.tau_error)):
            if number is not None:
                around = deviation or 0.0
                rows.append(
                    {"zoo": zoo, "metric": metric, "number": number, "low": number - around, "high": number + around}
                )
    axis = {"labelLimit": 180, "grid": True, "tickSize": 0, "domain": False}
    encoding = {
        "y": {"field": "zoo", "type": "nominal", "sort": [zoo for zoo, _ in results], "title": None, "axis": axis},
        "yOffset": {"field": "metric", "type": "nominal", "sort": [_CMI, _TAU]},
        "color": {
            "field": "metric",
            "type": "nominal",
            "sort": [_CMI, _TAU],
            "legend": {"orient": "top", "title": None, "labelLimit": 240},
        },
        "tooltip": [{"field": "zoo"}, {"field": "metric"}, {"field": "number", "title": "value", "format": ".3f"}],
    }
    layers: list[Spec] = [
        {
            "data": {"values": [{"number": 0.0}]},
            "mark": {"type": "rule", "style": "quiet"},
            "encoding": {"x": {"field": "number", "type": "quantitative"}},
        },
        {
            "mark": {"type": "rule", "strokeWidth": 2},
            "encoding": {**encoding, "x": _share("low"), "x2": {"field": "high"}},
        },
        {
            "mark": {"type": "point", "filled": True, "size": 80, "opacity": 1},
            "encoding": {**encoding, "x": _share("number")},
        },
    ]
    height = max(_LEAST_PX, 2 * _ROW_PX * len(results))
    return chart(f"CMI and Kendall's τ on {len(results)} zoos.", rows, height, layer=layers)


def score_against_cost(costs: Sequence[Cost], chance: Chance | None = None) -> Spec:
    """Return a scatter plot: seconds per network on x, on a logarithmic scale, and the score on y.

    chance: dashed lines mark the 95th percentile of random measures, and the hyperparameters alone.
    """
    rows = [vars(one) for one in costs if one.seconds > 0]
    kinds = list(dict.fromkeys(one.kind for one in costs))
    encoding = {
        "x": quantity("seconds", "seconds per network", scale={"type": "log"}, axis={"format": "~g", "tickCount": 6}),
        "y": quantity("score", "score", scale={"zero": True}, axis={"tickCount": 6}),
        "color": {
            "field": "kind",
            "type": "nominal",
            "sort": kinds,
            "legend": {"orient": "top", "title": None} if len(kinds) > 1 else None,
        },
        "tooltip": [
            {"field": "name", "title": "measure"},
            {"field": "score", "format": ".2f"},
            {"field": "seconds", "title": "seconds per network", "format": ".2~g"},
        ],
    }
    points = {"mark": {"type": "point", "filled": True, "size": 80, "opacity": 0.85}, "encoding": encoding}
    return chart(
        f"Score against seconds per network of {len(rows)} measures.",
        rows,
        _HEIGHT_PX,
        **FITTED,
        layer=[*_lines(chance), points],
    )


def agreement_map(found: Agreement) -> Spec:
    """Return a heat map of |ρ| between every two measures; similar ones are beside each other."""
    names = [measure.name for measure in found.measures]
    rows = [
        {"measure": row, "other": column, "rho": round(rho, 3)}
        for row, numbers in zip(names, found.rho, strict=True)
        for column, rho in zip(names, numbers, strict=True)
        if rho is not None
    ]
    place = {"type": "nominal", "sort": names, "title": None}
    encoding = {
        "y": {"field": "measure", **place, "axis": {"labelLimit": 170, "labelFontSize": 11, "domain": False}},
        "x": {"field": "other", **place, "axis": None},
        "color": {
            "field": "strength",
            "type": "quantitative",
            "title": "|ρ|",
            "scale": {"domain": [0, 1]},
            "legend": {"orient": "top", "gradientLength": 160, "tickCount": 5},
        },
        "tooltip": [
            {"field": "measure"},
            {"field": "other", "title": "and"},
            {"field": "rho", "title": "ρ", "format": ".3f"},
        ],
    }
    return chart(
        f"How far {len(names)} measures agree on {found.networks} networks, as a heat map of rank correlations.",
        rows,
        max(_LEAST_PX, _CELL_PX * len(names)),
        transform=[{"calculate": "abs(datum.rho)", "as": "strength"}],
        mark={"type": "rect"},
        encoding=encoding,
    )


def _lines(chance: Chance | None) -> list[Spec]:
    if chance is None:
        return []
    named = (
        ("95 % of random measures are below", chance.percentile_95),
        ("hyperparameters", chance.hyperparameter_oracle),
    )
    lines = {"data": {"values": [{"line": name, "score": score} for name, score in named]}}
    y = {"field": "score", "type": "quantitative"}
    text = {"type": "text", "style": "on-weak", "align": "right", "baseline": "bottom", "dx": -4, "dy": -3}
    return [
        lines | {"mark": {"type": "rule", "style": "quiet"}, "encoding": {"y": y}},
        lines | {"mark": text, "encoding": {"y": y, "x": {"value": "width"}, "text": {"field": "line"}}},
    ]


def _share(field: str) -> Spec:
    return quantity(field, "CMI and τ", scale={"domain": [-1, 1]}, axis={"tickCount": 5})
