"""The page of results says what its file of numbers says, about every shipped measure and every zoo."""

import csv
import re

import pytest

from submissions.baselines import BASELINES
from tests.docs.tables import DOCS

PAGE = (DOCS / "results.md").read_text()
with (DOCS / "results.csv").open() as _file:
    _LINES = list(csv.DictReader(_file))
NUMBERS = {(line["zoo"], line["measure"]): line for line in _LINES if line["group"] != "reference"}
REFERENCES = {(line["zoo"], line["measure"]): float(line["score"]) for line in _LINES if line["group"] == "reference"}
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


FLOORS = {zoo: REFERENCES[zoo, "random predictors, 95 % below"] for zoo in ZOOS}


def test_margins_over_the_floor_are_in_standard_errors_of_the_score() -> None:
    table = PAGE.split("## Above the floor on every zoo\n")[1].split("\n## ")[0]
    zoos = re.findall(r"([\w-]+) \(over the floor\)", table)
    rows = re.findall(r"^\| (?!measure|none)(.+?) \| (.+) \| \*\*", table, re.MULTILINE)
    assert sorted(zoos) == ZOOS
    for measure, cells in rows:
        for zoo, cell in zip(zoos, cells.split(" | "), strict=True):
            line = NUMBERS[zoo, measure]
            margin = (float(line["score"]) - FLOORS[zoo]) / float(line["standard_error"])
            score = shown(line["score"], 2, line["standard_error"])
            assert margin > 0
            assert cell == f"{score} ({margin:+.1f} SE)"


def test_what_adds_nothing_to_two_hyperparameters_is_what_stays_under_the_floor_on_every_zoo() -> None:
    paragraph = PAGE.split("**Nothing beyond two hyperparameters.**")[1].split("\n\n")[0]
    listed = " ".join(paragraph.split("four zoos:")[1].split()).split(". This does")[0].split(", ")
    measures = {measure for (_, measure), line in NUMBERS.items() if line["group"] != "references"}
    lines = {measure: [NUMBERS[zoo, measure] for zoo in ZOOS] for measure in measures}
    scored = {measure: rows for measure, rows in lines.items() if all(row["score"] for row in rows)}
    for measure, rows in scored.items():
        over = [float(row["score"]) - FLOORS[zoo] for zoo, row in zip(ZOOS, rows, strict=True)]
        assert (max(over) <= 0) == (measure in listed)
    assert set(listed) <= scored.keys()
