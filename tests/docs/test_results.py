"""The page of results says what its file of numbers says, about every shipped measure and every zoo."""

import csv
import re

import pytest

from submissions.baselines import BASELINES
from tests.docs.tables import DOCS

PAGE = (DOCS / "results.md").read_text()
with (DOCS / "results.csv").open() as _file:
    NUMBERS = {(line["zoo"], line["measure"]): line for line in csv.DictReader(_file) if line["group"] != "reference"}
ZOOS = sorted({zoo for zoo, _ in NUMBERS})


def shown(number: str, digits: int, error: str = "") -> str:
    """As the page shows a number of the file, with its standard error."""
    if number == "":
        return "–"
    return f"{float(number):.{digits}f}" + (f" ± {float(error):.{digits}f}" if error else "")


def section(zoo: str) -> str:
    return PAGE.split(f"## All measures on {zoo}\n")[1].split("\n## ")[0]


def test_the_results_are_of_four_zoos_and_of_measures_that_ship() -> None:
    """A measure that is new may lack until the results are made anew; one that is gone or renamed may not stay."""
    assert len(ZOOS) == 4
    measured = {zoo: {measure for of, measure in NUMBERS if of == zoo} for zoo in ZOOS}
    assert measured[ZOOS[0]] <= {baseline.name for baseline in BASELINES}
    assert all(measured[zoo] == measured[ZOOS[0]] for zoo in ZOOS)


@pytest.mark.parametrize("zoo", ZOOS)
def test_the_tables_hold_the_numbers_of_the_file(zoo: str) -> None:
    rows = dict(re.findall(r"^\| (?!measure)(.+?) \| (.+) \|$", section(zoo), re.MULTILINE))
    scored = {measure: line for (of, measure), line in NUMBERS.items() if of == zoo and line["score"]}
    assert rows.keys() == scored.keys()
    for measure, line in scored.items():
        assert rows[measure].split(" | ") == [
            shown(line["score"], 2, line["standard_error"]),
            shown(line["kendall_tau"], 3, line["kendall_standard_error"]),
            shown(line["psi"], 3),
            shown(line["sign_error_mean"], 3),
            shown(line["sign_error_maximum"], 3),
            shown(line["cpu_seconds"], 2),
        ]


@pytest.mark.parametrize("zoo", ZOOS)
def test_what_has_no_score_is_named_with_its_reason(zoo: str) -> None:
    named = re.findall(r"^- (.+?): .+", section(zoo), re.MULTILINE)
    assert sorted(named) == sorted(m for (of, m), line in NUMBERS.items() if of == zoo and not line["score"])


def test_its_pictures_are_there() -> None:
    pictures = re.findall(r"\]\((images/[^)]+)\)", PAGE)
    assert len(pictures) == 3
    assert all((DOCS / picture).stat().st_size < 200_000 for picture in pictures)
