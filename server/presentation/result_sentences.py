"""A result in sentences, and the picture of its scores compared with chance and with the hyperparameters.

Pure functions, called by the templates of `server.pages.submission.result` and `server.pages.submission.compare`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scoring import Comparison
from server.charts.specifications import target_name
from submissions.results.similarity import Similar
from submissions.results.submission_result import Result, ZooResult

LEVEL = 0.05
_WIDTH = 100.0
_SAME, _ALIKE = 0.95, 0.7  # of a rank correlation


@dataclass(frozen=True)
class Bullet:
    """The picture of one row, in positions from 0 to 100.

    `low`, `high`: the score minus and plus one standard error; `floor_mean`, `floor_95`: mean and 95th percentile of
    random measures; `oracle`: a model of the hyperparameters alone.
    """

    score: float
    low: float | None
    high: float | None
    floor_mean: float | None
    floor_95: float | None
    oracle: float | None


@dataclass(frozen=True)
class Scale:
    """The common scale of all rows: scores from 0 to `end`."""

    end: float

    def bullet(
        self, score: float, error: float | None, floor_mean: float | None, floor_95: float | None, oracle: float | None
    ) -> Bullet:
        ends = (None, None) if error is None else (score - error, score + error)
        others = (None if one is None else self._at(one) for one in (*ends, floor_mean, floor_95, oracle))
        return Bullet(self._at(score), *others)

    def _at(self, score: float) -> float:
        return round(min(max(_WIDTH * score / self.end, 0.0), _WIDTH), 1)


def scale_of(result: Result) -> Scale:
    """Return the scale up to the next multiple of ten above all numbers shown, at most 100."""
    reports = [zoo.report for zoo in result.zoos if zoo.report is not None]
    ends = [zoo.score + (zoo.standard_error or 0.0) for zoo in result.zoos]
    ends += [number for report in reports for number in (report.floor_95, report.oracle) if number is not None]
    return Scale(min(100.0, 10.0 * math.ceil(max(ends, default=1.0) / 10 + 1e-9)))


def zoo_sentences(zoo: ZooResult, target: str) -> tuple[str, ...]:
    """Return sentences on one zoo: compared with chance, with the hyperparameters, and the direction of the measure."""
    return tuple(filter(None, (_against_chance(zoo), _against_hyperparameters(zoo), _direction(zoo, target))))


def similarity_sentence(similar: Sequence[Similar]) -> str:
    """Return a sentence on the baseline that orders a zoo's networks most alike; `similar` begins with it."""
    first = similar[0]
    told = f"{first.measure.name} (ρ = {first.rho:+.2f})".replace("-", "−")
    if abs(first.rho) >= _SAME:
        way = "almost the reverse of" if first.rho < 0 else "almost"
        return f"Its order of these networks is {way} that of a baseline: {told}."
    if abs(first.rho) >= _ALIKE:
        return f"The most similar baseline is {told}."
    return f"It resembles none of the baselines; the most similar one is {told}."


def difference_sentence(first: str, second: str, comparison: Comparison) -> str:
    """Return a sentence that says which of two measures is better, and whether by more than chance."""
    difference = abs(comparison.difference)
    if not difference:
        return f"{first} and {second} have the same score."
    better, other = (first, second) if comparison.difference > 0 else (second, first)
    by = f"{difference:.1f} ± {comparison.standard_error:.1f}"
    if comparison.p_value <= LEVEL:
        return f"{better} is better than {other} by {by} ({p_words(comparison.p_value)}): more than chance."
    return f"{better} scores higher than {other} by {by}, which may well be chance ({p_words(comparison.p_value)})."


def p_words(p_value: float) -> str:
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.2g}"


def range_words(numbers: Sequence[int | None]) -> str:
    """Return a range of ranks as text: 3, or 2 to 5."""
    low, high = numbers
    return f"{low}" if low == high else f"{low} to {high}"


def _against_chance(zoo: ZooResult) -> str | None:
    report = zoo.report
    if report is None:
        return None
    if report.p_value is not None:
        p = p_words(report.p_value)
        return f"Better than chance ({p})." if report.p_value <= LEVEL else f"Not distinguishable from chance ({p})."
    if report.floor_95 is not None:
        is_above = zoo.score > report.floor_95
        return f"{'Above' if is_above else 'Not above'} the 95th percentile of random measures ({report.floor_95:.1f})."
    return "The zoo is too large for a test against chance."


def _against_hyperparameters(zoo: ZooResult) -> str | None:
    if zoo.report is None or zoo.report.oracle is None:
        return None
    side = "More" if zoo.score > zoo.report.oracle else "Less"
    return f"{side} than a model of the hyperparameters alone ({zoo.report.oracle:.1f})."


def _direction(zoo: ZooResult, target: str) -> str | None:
    if zoo.kendall_tau is None:
        return None
    tau = f"τ = {zoo.kendall_tau:+.2f}".replace("-", "−")
    if zoo.direction < 0:
        return (
            f"It orders the networks the wrong way round: larger values go with a smaller {target_name(target)} "
            f"({tau}). CMI does not depend on the sign; return the negative."
        )
    return None if zoo.direction else f"It has no clear direction ({tau})."
