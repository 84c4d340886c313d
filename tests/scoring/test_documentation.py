"""docs/metrics.md: its worked example comes out as printed, and the steps by hand add up."""

import doctest
import math
import re
from pathlib import Path

import pytest

from scoring import VARIANTS
from tests.scoring import literal

METRICS = Path(__file__).parents[2] / "docs" / "metrics.md"


def test_the_worked_example_runs_as_printed() -> None:
    blocks = re.findall(r"```python\n(.*?)```", METRICS.read_text(), flags=re.DOTALL)
    example = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, METRICS.name, str(METRICS), 0)
    assert len(example.examples) > 60
    report: list[str] = []
    outcome = doctest.DocTestRunner().run(example, out=report.append)
    assert outcome.failed == 0, "".join(report)


def test_the_steps_by_hand_add_up() -> None:
    mixed: literal.Table = {(1, 1): 2, (1, -1): 1, (-1, -1): 1}
    alike: literal.Table = {(1, 1): 1, (-1, -1): 3}
    opposite: literal.Table = {(1, -1): 1, (-1, 1): 1, (-1, -1): 2}
    cells = [mixed] * 4 + [alike] * 3 + [opposite]
    information = math.fsum(literal.mutual_information(table) for table in cells)
    entropy = math.fsum(literal.target_entropy(table) for table in cells)
    found = [round(literal.mutual_information(table), 4) for table in (mixed, alike, opposite)]
    assert found == [0.3113, 0.8113, 0.1226]
    assert (round(information, 4), round(entropy, 4)) == (3.8015, 6.4902)
    assert information / entropy == pytest.approx(0.5857, abs=5e-5)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_has_its_section(variant: str) -> None:
    assert re.search(rf"^### `{variant}`", METRICS.read_text(), flags=re.MULTILINE)


def test_every_link_to_a_section_finds_it() -> None:
    text = METRICS.read_text()
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    links = re.findall(r"\]\(#([^)]+)\)", text)
    assert len(links) > 10
    assert set(links) <= anchors
