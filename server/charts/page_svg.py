"""Pictures of charts for pages: SVG that follows the page's colours and font, drawn by a worker without a browser.

`server.charts.picture_maker` starts this module as a child process, because the converter takes 150 MB and may fail. It
reads a JSON list of specifications on stdin and writes a list of pictures on stdout, null for one that failed.

The converter draws with made-up colours, each of which stands for one of the style sheet: so one picture serves light
and dark mode. What it returns is rebuilt of known elements and attributes alone, whatever text a specification has.
"""

import ctypes
import json
import re
import signal
import sys
from collections.abc import Iterator
from functools import lru_cache
from typing import Any
from xml.etree import ElementTree as ET

import vl_convert
from markupsafe import escape

from server.charts.specifications import Spec
from server.charts.theme import CONTINUOUS, HEAT, theme

WIDTHS = {"wide": 474, "narrow": 250}  # of a picture's box on a desktop and on a phone; the style sheet chooses
_NAMES = ("ink", "muted", "line", "accent", "accent-ink", "gap", *(f"ramp-{step}" for step in range(1, 7)))
_MEASURED = "Liberation Sans"  # the converter has it, and the page's font is a little narrower
_PR_SET_PDEATHSIG = 1
_SOLID = 1  # the red part of a made-up colour whose blue part is a place among the names
# Greys, by their lightness, for the colours between the ends of a scale.
_HEAT_L, _CONTINUOUS_L = (0.0, 45.0), (55.0, 100.0)
_SVG = "{http://www.w3.org/2000/svg}"
ELEMENTS = frozenset(
    {"svg", "g", "path", "line", "rect", "text", "tspan", "defs", "linearGradient", "stop", "clipPath"}
)
COLOURS = frozenset({"fill", "stroke", "stop-color"})
_SHARES = frozenset({"offset", "opacity", "fill-opacity", "stroke-opacity"})
_PLACES = frozenset({"d", "transform", "x", "y", "x1", "x2", "y1", "y2", "width", "height"})
_LOOKS = frozenset({"stroke-width", "stroke-dasharray", "text-anchor", "font-size", "font-weight"})
ATTRIBUTES = _SHARES | _PLACES | _LOOKS | {"id", "clip-path", "gradientUnits"}
_DEFAULTS = {("opacity", "1"), ("stroke-width", "1"), ("text-anchor", "start"), ("transform", "translate(0,0)")}
_PLAIN = re.compile(r"[-\w\s.,()#%]*")
_COLOUR = re.compile(r"#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})|rgb\((\d+), (\d+), (\d+)\)")
_LONG_NUMBER = re.compile(r"-?\d+\.\d{2,}(?:e-?\d+)?")
_CIRCLE = re.compile(r"M([\d.]+),0A\1,\1,0,1,1,-\1,0A\1,\1,0,1,1,\1,0(Z?)")
_LINK = re.compile(r"url\(#([\w-]+)\)")


def page_svg(spec: Spec, name: str) -> str:
    """Return the picture in each of `WIDTHS`, as markup to put into a page. name: unique in the page, for ids.

    Raises ValueError, or ParseError of XML, if the converter cannot draw it or draws what a page must not contain.
    """
    return "".join(_drawn(spec, name, kind, width) for kind, width in WIDTHS.items())


def _drawn(spec: Spec, name: str, kind: str, width: int) -> str:
    text = vl_convert.vegalite_to_svg({**spec, "width": width}, config=_made_up_theme(), allowed_base_urls=[])
    root = ET.fromstring(text)  # noqa: S314  (without a document type: the converter writes none)
    label = escape(spec.get("description", ""))
    inner = "".join("".join(_rebuilt(child, f"{name}-{kind}-")) for child in root)
    box = f"0 0 {width} {spec['height']}"
    return f'<svg class="drawn {kind}" viewBox="{box}" fill="none" role="img" aria-label="{label}">{inner}</svg>'


def _rebuilt(element: ET.Element, prefix: str) -> Iterator[str]:
    """Yield the markup of an element; none if it draws nothing."""
    kind = element.tag.removeprefix(_SVG)
    if kind not in ELEMENTS:
        raise ValueError(f"The picture contains a {kind}.")
    is_unseen = element.get("display") == "none" or element.get("opacity") == "0"  # as labels that would overlap
    if is_unseen or (kind == "path" and element.get("d", "") in ("", "M0,0h0v0h0Z")):
        return
    attributes = dict(_attributes(element, prefix))
    if kind == "path" and not attributes.keys() & {"fill", "stroke"}:
        return
    if kind == "path" and (circle := _CIRCLE.fullmatch(element.get("d", ""))):
        kind = "circle"
        attributes = {"r": f"{float(circle[1]):.2g}"} | {key: one for key, one in attributes.items() if key != "d"}
    content = "".join(part for child in element for part in _rebuilt(child, prefix))
    if kind in ("text", "tspan"):
        content = str(escape(element.text or "")) + content
    if kind == "g" and not (attributes and content):
        yield content
        return
    if kind in ("text", "tspan", "defs", "clipPath") and not content:
        return
    opening = " ".join([kind, *(f'{key}="{value}"' for key, value in attributes.items())])
    yield f"<{opening}>{content}</{kind}>" if content else f"<{opening}/>"


def _attributes(element: ET.Element, prefix: str) -> Iterator[tuple[str, str]]:
    for key, value in element.attrib.items():
        if (key not in ATTRIBUTES and key not in COLOURS) or (key, value) in _DEFAULTS:
            continue
        if not _PLAIN.fullmatch(value):
            raise ValueError(f"The picture contains {key}={value!r}.")
        if link := _LINK.fullmatch(value):
            yield key, f"url(#{prefix}{link[1]})"
        elif key == "id":
            yield key, prefix + value
        elif key in COLOURS:
            yield key, _meant(value)
        elif key in _PLACES:
            yield key, _LONG_NUMBER.sub(lambda number: f"{round(float(number[0]), 1):g}", value)
        else:
            yield key, value


def _meant(colour: str) -> str:
    """Return what a made-up colour stands for, as CSS."""
    if colour in ("none", "transparent"):
        return colour
    found = _COLOUR.fullmatch(colour)
    parts = [] if found is None else [int(one, 16) for one in found.groups()[:3] if one is not None]
    red, green, blue = parts or ([int(one) for one in found.groups()[3:]] if found is not None else (0, 0, 0))
    if red == green == blue:
        return _between(_lightness(red))
    return f"var(--{_NAMES[blue]})" if red == _SOLID else "var(--ink)"


def _between(lightness: float) -> str:
    """Return the colour of a scale that a grey stands for. The converter mixes colours in CIE LCH, and so does CSS."""
    names, (low, high) = (HEAT, _HEAT_L) if lightness < _CONTINUOUS_L[0] - 1 else (CONTINUOUS, _CONTINUOUS_L)
    place = min(1.0, max(0.0, (lightness - low) / (high - low))) * (len(names) - 1)
    stop = min(int(place), len(names) - 2)
    first, second = names[stop : stop + 2]
    return f"color-mix(in lch, var(--{second}) {100 * (place - stop):.0f}%, var(--{first}))"


def _lightness(grey: int) -> float:
    """Return CIE L* of a grey of sRGB."""
    share = grey / 255
    linear = share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4
    return 116 * linear ** (1 / 3) - 16 if linear > (6 / 29) ** 3 else linear * (29 / 3) ** 3


def _greys(lightness: tuple[float, float], count: int) -> list[str]:
    low, high = lightness
    wanted = [low + (high - low) * place / (count - 1) for place in range(count)]
    nearest = [min(range(256), key=lambda grey: abs(_lightness(grey) - one)) for one in wanted]
    return [f"#{grey:02x}{grey:02x}{grey:02x}" for grey in nearest]


@lru_cache
def _made_up_theme() -> dict[str, Any]:
    return theme(
        lambda name: f"#{_SOLID:02x}00{_NAMES.index(name):02x}",
        continuous=_greys(_CONTINUOUS_L, len(CONTINUOUS)),
        heat=_greys(_HEAT_L, len(HEAT)),
        background="transparent",
        font=_MEASURED,
    )


def main() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # and nothing without the worker that wants it
    answer: list[str | None] = []
    for request in json.load(sys.stdin):
        try:
            answer.append(page_svg(request["spec"], request["name"]))
        except (ValueError, ET.ParseError) as error:
            sys.stderr.write(f"{error}\n")
            answer.append(None)
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
