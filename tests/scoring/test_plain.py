"""Results as JSON content and as rows: every number once, with a name that tells which it is."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring import VARIANTS, Draws, Variant, competition, report
from scoring.errors import NoUncertaintyError
from scoring.plain import Plain, csv_cell, plain, rows, set_name
from scoring.statistics.cmi import ConditioningSet
from tests.scoring.grids import Zoo, zoos


@dataclass(frozen=True)
class Step:
    at: float
    share: float


@dataclass(frozen=True)
class Change:
    axis: str
    pairs: int
    first: str
    error: float | None


@dataclass(frozen=True)
class Part:
    mean: float
    steps: tuple[Step, ...]
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class Example:
    name: str
    part: Part
    missing: Part | None
    by_axis: Mapping[str, float | None]
    table: Mapping[ConditioningSet, float]
    parts: Mapping[str, Part]
    attained_by: ConditioningSet
    empty: ConditioningSet
    sets: tuple[ConditioningSet, ...]
    hidden: tuple[float, ...] = field(repr=False)


STEPS = (Step(0.0, 0.25), Step(0.5, 1.0))
EXAMPLE = Example(
    name="example",
    part=Part(0.5, STEPS, (Change("depth", 12, "2", 0.25), Change("width", 8, "16", None))),
    missing=None,
    by_axis={"depth": 1.0, "width": None},
    table={(): 0.1, ("depth",): 0.2, ("depth", "width"): 0.3},
    parts={"digits": Part(0.7, (), ())},
    attained_by=("depth", "width"),
    empty=(),
    sets=(("depth",), ()),
    hidden=(1.0, 2.0),
)


def test_rows_name_every_number_of_a_result() -> None:
    assert list(rows(EXAMPLE)) == [
        ("name", "", "example"),
        ("part.mean", "", 0.5),
        ("part.steps", "0.0", 0.25),
        ("part.steps", "0.5", 1.0),
        ("part.changes.pairs", "depth 2", 12),
        ("part.changes.error", "depth 2", 0.25),
        ("part.changes.pairs", "width 16", 8),
        ("part.changes.error", "width 16", None),
        ("missing", "", None),
        ("by_axis", "depth", 1.0),
        ("by_axis", "width", None),
        ("table", "none", 0.1),
        ("table", "depth", 0.2),
        ("table", "depth × width", 0.3),
        ("parts.mean", "digits", 0.7),
        ("attained_by", "", "depth × width"),
        ("empty", "", "none"),
        ("sets", "1", "depth"),
        ("sets", "2", "none"),
    ]


def test_json_keeps_the_shape_of_a_result() -> None:
    content = plain(EXAMPLE)
    assert isinstance(content, dict)
    assert "hidden" not in content
    assert content["by_axis"] == {"depth": 1.0, "width": None}
    assert content["table"] == [
        {"axes": [], "value": 0.1},
        {"axes": ["depth"], "value": 0.2},
        {"axes": ["depth", "width"], "value": 0.3},
    ]
    assert content["sets"] == [["depth"], []]
    assert content["parts"] == {"digits": {"mean": 0.7, "steps": [], "changes": []}}


@given(zoos(), st.sampled_from(VARIANTS))
def test_rows_and_json_hold_the_same_numbers_whatever_the_report(zoo: Zoo, variant: Variant) -> None:
    try:
        result = report(zoo.truth(), zoo.named_values, variant, test_examples=10**6, draws=Draws(3, 3))
    except NoUncertaintyError:
        return
    listed = list(rows(result))
    assert len({(metric, of) for metric, of, _ in listed}) == len(listed)
    # The steps of the distribution are named by a number.
    named = [float(of) for metric, of, _ in listed if metric == "sign_error.cdf"]
    numbers = [value for _, _, value in listed if isinstance(value, int | float)]
    assert sorted(numbers + named) == sorted(_numbers(plain(result)))
    named_parts = {name for name, part in plain_object(result).items() if part != {}}  # an empty mapping has no row
    assert {metric.partition(".")[0] for metric, _, _ in listed} == named_parts


def test_the_rows_of_a_competition_are_told_apart_by_their_zoos() -> None:
    zoo = Zoo((2, 2), [(0, 0), (0, 1), (1, 0), (1, 1)], [1.0, 2.0, 3.0, 4.0], [0.1, 0.3, 0.2, 0.4])
    one = report(zoo.truth(), zoo.named_values)
    listed = {(metric, of): value for metric, of, value in rows(competition({"first": one, "second": one}))}
    assert listed["zoos.cmi.minimum", "second"] == one.cmi.minimum
    assert listed["zoos.granulated.psi_by_axis", "first axis0"] == one.granulated.psi_by_axis["axis0"]
    assert listed["score", ""] == pytest.approx(one.score)


def test_a_conditioning_set_is_named_by_its_axes() -> None:
    assert [set_name(()), set_name(("depth",)), set_name(("depth", "width"))] == ["none", "depth", "depth × width"]


@pytest.mark.parametrize("content", [object(), {1.0, 2.0}, [{"deep": b"bytes"}]])
def test_what_is_no_result_is_refused(content: object) -> None:
    with pytest.raises(TypeError, match="is no result of scoring"):
        plain(content)
    with pytest.raises(TypeError, match="is no result of scoring"):
        list(rows(content))


def plain_object(result: object) -> dict[str, Plain]:
    content = plain(result)
    assert isinstance(content, dict)
    return content


def _numbers(content: Plain) -> Iterator[float]:
    if isinstance(content, dict):
        content = list(content.values())
    if isinstance(content, list):
        for entry in content:
            yield from _numbers(entry)
    elif isinstance(content, int | float):
        yield content


@pytest.mark.parametrize(
    "begin", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "﹢", "﹣", " =", "\u00a0=", "\u3000＠"]
)
def test_no_cell_is_a_formula_for_a_spreadsheet(begin: str) -> None:
    assert csv_cell(f"{begin}SUM(A1)") == f"'{begin}SUM(A1)"


@given(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.from_regex(r"\w.*", fullmatch=True))
def test_numbers_and_plain_texts_stay_as_they_are(content: bool | int | float | str | None) -> None:
    assert csv_cell(content) is content
