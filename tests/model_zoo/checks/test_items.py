"""Every item of a check fires on a zoo that is broken in one way, and says what to do."""

import re
from pathlib import Path

import pytest

from model_zoo.checks import Verdict
from tests.model_zoo.checks.breaking import Break
from tests.model_zoo.checks.breaks import BREAKS
from tests.model_zoo.checks.zoos import check, item


@pytest.mark.parametrize(("broken", "name", "verdict", "text"), BREAKS.values(), ids=BREAKS)
def test_what_is_wrong_with_a_zoo_is_told(folder: Path, broken: Break, name: str, verdict: Verdict, text: str) -> None:
    broken(folder)
    found = item(check(folder), name)
    assert found.verdict is verdict
    assert re.search(text, found.text), found.text
    assert found.advice
    assert str(folder) not in found.text


def test_the_documentation_lists_every_item_in_the_reports_order(sound_zoo: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "zoo-check.md").read_text()
    rows = re.findall(r"^\| (`.+?`) \|", page, re.MULTILINE)
    listed = [name for row in rows for name in re.findall(r"`(.+?)`", row)]
    found = [each.name for each in check(sound_zoo).items]
    found = [re.sub(": gap$", ": TARGET", name) for name in ["opens", *found, "scoring: gap"]]
    assert [name for name in listed if name != "unlabelled data"] == found
    assert {re.sub(": gap$", ": TARGET", name) for _, name, _, _ in BREAKS.values()} <= set(listed)
