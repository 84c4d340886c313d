"""Pictures of charts as files, SVG or PNG, without a browser. static/charts.js draws the same specifications in pages.

The colours are those of the style sheet's light side.
"""

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import vl_convert

from server.charts.specifications import Spec
from server.charts.theme import CONTINUOUS, HEAT, theme

WIDTH_PX = 640
PNG_SCALE = 2.0
_STYLE_SHEET = Path(__file__).parents[1] / "static" / "app.css"


def drawn(spec: Spec, suffix: str) -> bytes:
    """Return the picture of a specification as a file's content; suffix: ".svg" or ".png"."""
    whole = {**spec, "width": WIDTH_PX if spec.get("width") == "container" else spec.get("width", WIDTH_PX)}
    if suffix == ".png":
        png: bytes = vl_convert.vegalite_to_png(whole, scale=PNG_SCALE, config=_light_theme())
        return png
    svg: str = vl_convert.vegalite_to_svg(whole, config=_light_theme())
    return svg.encode()


@lru_cache
def _light_theme() -> dict[str, Any]:
    light = _STYLE_SHEET.read_text().partition("prefers-color-scheme: dark")[0]
    colours = {name: value.strip() for name, value in re.findall(r"--([a-z0-9-]+):\s*([^;]+);", light)}
    return theme(
        colours.__getitem__,
        continuous=[colours[name] for name in CONTINUOUS],
        heat=[colours[name] for name in HEAT],
        background=colours["raised"],
    )
