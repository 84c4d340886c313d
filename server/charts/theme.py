"""The look of the charts as a Vega-Lite configuration: colours, fonts and the styles that marks name.

`static/charts.js` has the same for browsers. The colours are those of the style sheet, by name.
"""

from collections.abc import Callable, Sequence
from typing import Any

VERSION = 1  # of the pictures in pages: a larger one makes workers draw all of them again
FONT = "Source Sans 3, Segoe UI, system-ui, sans-serif"
RAMP = tuple(f"ramp-{step}" for step in range(1, 7))
CONTINUOUS = (RAMP[0], RAMP[1], RAMP[3], RAMP[4])  # between these lie the colours of a continuous scale
HEAT = ("wash", "accent")


def theme(
    colour: Callable[[str], str], *, continuous: Sequence[str], heat: Sequence[str], background: str, font: str = FONT
) -> dict[str, Any]:
    """Return the configuration. colour: of a name in the style sheet; continuous, heat: the ends of scales."""
    text = {
        "labelFont": font,
        "titleFont": font,
        "labelFontSize": 13,
        "titleFontSize": 14,
        "titleFontWeight": 600,
        "labelColor": colour("muted"),
        "titleColor": colour("ink"),
    }
    ramp = [colour(name) for name in RAMP]
    lines = {"gridColor": colour("line"), "domainColor": colour("muted"), "tickColor": colour("line")}
    return {
        "background": background,
        "font": font,
        "axis": {**text, **lines, "titlePadding": 10},
        "legend": {**text, "symbolSize": 90},
        "range": {"ordinal": ramp, "category": ramp, "ramp": [*continuous], "heatmap": [*heat]},
        "view": {"stroke": None},
        "style": {
            "strong": {"color": colour("accent")},
            "wrong": {"color": colour("gap")},
            "line": {"color": colour("accent"), "strokeWidth": 2.5},
            "dot": {"color": colour("accent"), "filled": True, "size": 56, "opacity": 0.85},
            "quiet": {"color": colour("muted"), "strokeDash": [5, 4]},
            "frame": {"fillOpacity": 0, "stroke": colour("gap"), "strokeWidth": 3, "strokeOpacity": 1},
            "on-weak": {"color": colour("ink"), "fontSize": 13},
            "on-strong": {"color": colour("accent-ink"), "fontSize": 13},
        },
    }
