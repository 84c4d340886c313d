"""Pictures of charts as files, SVG or PNG, without a browser. static/charts.js draws the same specifications in pages.

The colours are those of the style sheet's light side.
"""

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import vl_convert

from server.charts.specifications import Spec

WIDTH_PX = 640
PNG_SCALE = 2.0
_STYLE_SHEET = Path(__file__).parents[1] / "static" / "app.css"


def drawn(spec: Spec, suffix: str) -> bytes:
    """Return the picture of a specification as a file's content; suffix: ".svg" or ".png"."""
    whole = {**spec, "width": WIDTH_PX if spec.get("width") == "container" else spec.get("width", WIDTH_PX)}
    if suffix == ".png":
        png: bytes = vl_convert.vegalite_to_png(whole, scale=PNG_SCALE, config=_theme())
        return png
    svg: str = vl_convert.vegalite_to_svg(whole, config=_theme())
    return svg.encode()


@lru_cache
def _theme() -> dict[str, Any]:
    light = _STYLE_SHEET.read_text().partition("prefers-color-scheme: dark")[0]
    colours = {name: value.strip() for name, value in re.findall(r"--([a-z0-9-]+):\s*([^;]+);", light)}
    ramp = [colours[f"ramp-{step}"] for step in range(1, 7)]
    font = "Source Sans 3, Segoe UI, system-ui, sans-serif"
    text = {
        "labelFont": font,
        "titleFont": font,
        "labelFontSize": 13,
        "titleFontSize": 14,
        "labelColor": colours["muted"],
        "titleColor": colours["ink"],
    }
    return {
        "background": colours["raised"],
        "font": font,
        "axis": {**text, "gridColor": colours["line"], "domainColor": colours["muted"], "tickColor": colours["line"]},
        "legend": {**text, "symbolSize": 90},
        "range": {
            "ordinal": ramp,
            "category": ramp,
            "ramp": [ramp[0], ramp[1], ramp[3], ramp[4]],
            "heatmap": [colours["wash"], colours["accent"]],
        },
        "view": {"stroke": None},
        "style": {
            "strong": {"color": colours["accent"]},
            "wrong": {"color": colours["gap"]},
            "line": {"color": colours["accent"], "strokeWidth": 2.5},
            "dot": {"color": colours["accent"], "filled": True, "size": 56, "opacity": 0.85},
            "quiet": {"color": colours["muted"], "strokeDash": [5, 4]},
            "frame": {"fillOpacity": 0, "stroke": colours["gap"], "strokeWidth": 3, "strokeOpacity": 1},
            "on-weak": {"color": colours["ink"], "fontSize": 13},
            "on-strong": {"color": colours["accent-ink"], "fontSize": 13},
        },
    }
