"""The simulation behind docs/metrics.md's table of standard errors, and that table itself."""

import re
from itertools import product

import numpy as np
import pytest

from benchmarks.standard_errors import (
    BEGIN,
    END,
    KINDS,
    PAGE,
    SHAPES,
    TIES,
    Estimates,
    estimates,
    qualities,
    true_values,
    zoos,
)
from scoring import Truth, report

CELL = re.compile(r"(-?[\d.]+): (\d+) %, ([\d.]+)(?:, none in \d+ %)?")


def documented() -> dict[tuple[str, str, int, str], tuple[float, float, float]]:
    """(statistic, ties, networks, measure) → true value, share held, size: as the page says."""
    text = PAGE.read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0]
    found = {}
    for statistic, part in re.findall(r"Of (.+):\n\n((?:\|.+\n)+)", text):
        _, _, *rows = part.strip().splitlines()
        for row in rows:
            ties, networks, *cells = (cell.strip() for cell in row.strip("|").split("|"))
            for measure, cell in zip(KINDS, cells, strict=True):
                match = CELL.fullmatch(cell)
                assert match is not None, cell
                value, held, size = (float(number) for number in match.groups())
                found[statistic, ties, int(networks), measure] = (value, held / 100, size)
    return found


def test_the_page_has_every_size_every_pattern_of_ties_and_every_measure() -> None:
    assert set(documented()) == set(product(("the score", "τ-a"), TIES, SHAPES, KINDS))


@pytest.mark.parametrize("ties", TIES)
def test_the_page_says_what_a_small_simulation_finds(ties: str) -> None:
    page = documented()
    for statistic, found, fresh in zip(
        ("the score", "τ-a"), estimates(8, TIES[ties], 150), true_values(8, TIES[ties], 500), strict=True
    ):
        for measure, quality, truth in zip(KINDS, qualities(found, fresh), fresh.mean(axis=0), strict=True):
            value, held, size = page[statistic, ties, 8, measure]
            assert value == pytest.approx(truth, abs=4 * float(fresh.std()) / 500**0.5)
            assert held == pytest.approx(quality.held, abs=0.08)
            assert size == pytest.approx(quality.size, rel=0.15)


def test_a_standard_error_that_is_right_is_called_right() -> None:
    random = np.random.default_rng(0)
    values, fresh = 5 + 2 * random.normal(size=(2, 20_000, 3))
    errors = np.broadcast_to([2.0, 1.0, np.nan], values.shape).copy()
    errors[:, 2] = np.where(np.arange(20_000) % 4, 2.0, np.nan)
    found = qualities(Estimates(values, errors), fresh)
    assert [quality.held for quality in found] == pytest.approx([0.95, 0.673, 0.95], abs=0.01)
    assert [quality.size for quality in found] == pytest.approx([1, 0.5, 1], abs=0.03)
    assert [quality.undefined for quality in found] == [0, 0, 0.25]


@pytest.mark.parametrize("networks", SHAPES)
def test_targets_tie_as_their_pattern_says_and_values_never(networks: int) -> None:
    for name, tie in TIES.items():
        targets, grid, values = next(zoos(np.random.default_rng(3), networks, tie))
        assert grid.shape == SHAPES[networks]
        distinct = len(set(targets.tolist()))
        assert {"no ties": networks, "half tied": networks // 2 + 1}.get(name, distinct) == distinct
        if name == "few distinct":
            assert distinct <= 10
            assert (targets == np.rint(targets)).all()
        assert [len(set(own.tolist())) for own in values] == [networks] * len(KINDS)


def test_what_is_measured_is_what_a_report_says() -> None:
    tie = TIES["few distinct"]
    score, tau = estimates(24, tie, 1)
    targets, grid, values = next(zoos(np.random.default_rng((2020, 24, 2)), 24, tie))
    for place, own in enumerate(values):
        found = report(Truth(grid, targets), dict(zip(grid.ids, own.tolist(), strict=True)))
        assert score.values[0, place] == pytest.approx(found.score)
        assert score.errors[0, place] == pytest.approx(found.standard_error)
        assert (tau.values[0, place], tau.errors[0, place]) == (found.kendall.tau_a, found.kendall.standard_error_a)
