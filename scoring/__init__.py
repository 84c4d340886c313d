"""How well a measure's values order a zoo's networks by their target. Numbers in, numbers out.

The public interface: `parse_truth` or `Truth` builds the truth, `report` computes everything about a measure's values
on one zoo, `competition` combines zoos. `METRICS` lists the metrics. `references` computes a zoo's reference rows;
`compare` and `rank_intervals` decide which differences are more than chance; `ladder` and `GenericHoldout` limit how
much of it a team learns. Every fault of the input is a `ScoringError`. `docs/metrics.md` has all definitions.
"""

from scoring.decisions.comparison import Comparison, Jackknives, RankInterval, compare, holm, rank_intervals
from scoring.decisions.holdout import GenericHoldout
from scoring.decisions.ladder import Ladder, Release, in_steps, ladder
from scoring.errors import ComparisonError, GridError, HoldoutError, ScoringError, TruthError, ValuesError
from scoring.metric import Direction, Metric, Undefined, mean_over_zoos
from scoring.metrics import METRICS
from scoring.plain import plain
from scoring.prepared import PreparedZoo
from scoring.report import NO_DRAWS, CompetitionReport, Draws, ZooReport, competition, competition_score, report
from scoring.statistics.cmi import Cmi, ConditioningSet
from scoring.statistics.jackknife import Jackknife
from scoring.statistics.rank import rank_correlations
from scoring.statistics.reference import References, references
from scoring.statistics.sign_error import TEST_SETS, TestSets
from scoring.statistics.variants import VARIANTS, Variant
from scoring.sub_grid import sub_grid
from scoring.truth import DERIVED_TARGETS, Truth, parse_truth

__all__ = [
    "DERIVED_TARGETS",
    "METRICS",
    "NO_DRAWS",
    "TEST_SETS",
    "VARIANTS",
    "Cmi",
    "Comparison",
    "ComparisonError",
    "CompetitionReport",
    "ConditioningSet",
    "Direction",
    "Draws",
    "GenericHoldout",
    "GridError",
    "HoldoutError",
    "Jackknife",
    "Jackknives",
    "Ladder",
    "Metric",
    "PreparedZoo",
    "RankInterval",
    "References",
    "Release",
    "ScoringError",
    "TestSets",
    "Truth",
    "TruthError",
    "Undefined",
    "ValuesError",
    "Variant",
    "ZooReport",
    "compare",
    "competition",
    "competition_score",
    "holm",
    "in_steps",
    "ladder",
    "mean_over_zoos",
    "parse_truth",
    "plain",
    "rank_correlations",
    "rank_intervals",
    "references",
    "report",
    "sub_grid",
]
