"""How well a measure's values order a zoo's networks by their target. Numbers in, numbers out.

The public door: `parse_truth` or `Truth` makes the truth, `score_zoo` scores values against it,
`competition_score` puts zoos together. Everything that can be wrong with the input is a `ScoringError`.
`docs/metrics.md` defines it all.
"""

from scoring.cmi import VARIANTS, ConditioningSet, Variant
from scoring.errors import GridError, ScoringError, TruthError, ValuesError
from scoring.truth import Truth, parse_truth
from scoring.zoo_score import ZooScore, competition_score, score_zoo

__all__ = [
    "VARIANTS",
    "ConditioningSet",
    "GridError",
    "ScoringError",
    "Truth",
    "TruthError",
    "ValuesError",
    "Variant",
    "ZooScore",
    "competition_score",
    "parse_truth",
    "score_zoo",
]
