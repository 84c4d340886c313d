"""Pictures for pages: in the page's colours, and without anything that a page must not contain, whatever their text."""

import re
from xml.etree import ElementTree as ET

import pytest

from server.charts import page_svg as drawing
from server.charts.page_svg import page_svg
from server.charts.result_charts import bars_by_axis, heat_map
from server.charts.specifications import Spec, value_against_target
from submissions.results.submission_result import AxisNumber, SetCmi
from submissions.results.values_and_targets import Point, ZooPoints

HOSTILE = '</text><script>alert(1)</script><a href="javascript:x" onload="y">&\'"'


def _heat() -> Spec:
    return heat_map([SetCmi(("a", "b"), 0.0, True), SetCmi(("a", "c"), 5.0, False), SetCmi(("b", "c"), 10.0, False)])


def _values(axis: str, settings: int) -> Spec:
    points = tuple(Point(f"n{place}", place, place / 10, {axis: place % settings}) for place in range(10))
    return value_against_target(ZooPoints("zoo", "Zoo", "gap", (axis,), points))


def test_a_picture_has_the_colours_of_the_page_and_no_others() -> None:
    for spec in (_heat(), _values("width", 3), _values("width", 9), bars_by_axis([AxisNumber("width", 0.5)])):
        text = page_svg(spec, "p")
        found = set(re.findall(r'(?:fill|stroke|stop-color)="([^"]*)"', text))
        assert len(found) > 3
        for colour in found:
            assert re.fullmatch(r"none|transparent|url\(#p-[\w-]+\)|var\(--[\w-]+\)|color-mix\(in lch, .*\)", colour)
        assert "font-family" not in text
        assert "style=" not in text


def test_the_middle_of_a_scale_is_the_middle_of_its_colours() -> None:
    mixes = set(re.findall(r"--accent\) (\d+)%, var\(--wash", page_svg(_heat(), "p")))
    assert mixes == {"0", "50", "100"}
    dots = re.findall(r"<circle [^>]*--(ramp-\d)\) (\d+)%, var\(--(ramp-\d)", page_svg(_values("width", 10), "p"))
    assert [(first, second, round(int(share) / 33)) for second, share, first in dots[:10]] == [
        *(("ramp-1", "ramp-2", thirds) for thirds in (0, 1, 2, 3)),
        *(("ramp-2", "ramp-4", thirds) for thirds in (1, 2, 3)),
        *(("ramp-4", "ramp-5", thirds) for thirds in (1, 2, 3)),
    ]


def test_hostile_text_stays_text() -> None:
    for spec in (bars_by_axis([AxisNumber(HOSTILE, 0.5)]), _values(HOSTILE, 3)):
        whole = {**spec, "description": HOSTILE}
        text = page_svg(whole, "p")
        root = ET.fromstring(f'<div xmlns:xlink="http://www.w3.org/1999/xlink">{text}</div>')
        elements = list(root.iter())
        assert {element.tag for element in elements[1:]} <= drawing.ELEMENTS | {"circle"}
        assert {key for element in elements for key in element.attrib} <= drawing.ATTRIBUTES | drawing.COLOURS | {
            "class",
            "viewBox",
            "role",
            "aria-label",
            "r",
        }
        assert root[0].get("aria-label") == HOSTILE
        assert any((element.text or "").startswith("</text><sc") for element in elements)  # as long as its place allows


@pytest.mark.parametrize(
    "text",
    [
        "<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>",
        "<svg xmlns='http://www.w3.org/2000/svg'><path d='M0&quot;onload=x'/></svg>",
        "<svg xmlns='http://www.w3.org/2000/svg'><html:p xmlns:html='http://www.w3.org/1999/xhtml'/></svg>",
    ],
)
def test_what_is_not_known_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vl_convert.vegalite_to_svg", lambda *_, **__: text)
    with pytest.raises(ValueError, match="The picture contains"):
        page_svg(_heat(), "p")


def test_what_cannot_be_drawn_is_an_error() -> None:
    with pytest.raises(ValueError):
        page_svg({"mark": "nothing", "height": 1, "data": {"values": []}}, "p")
