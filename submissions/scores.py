"""From recorded values to scores: reads the zoo's truth and asks `scoring`. Outside the sandbox, always."""

from collections.abc import Mapping, Sequence

import scoring
from model_zoo import ZooTruth


def score_evaluation(truth: ZooTruth, target: str, values: Mapping[str, float]) -> scoring.ZooReport:
    """Everything about one value per network and the target that they should order, but what needs random draws.

    Raises ScoringError, which is our fault here.
    """
    return scoring.report(scoring.Truth.from_gengap(truth.model_dump(), target), values)


def submission_score(cmi_by_zoo: Sequence[float]) -> float:
    """The competition score: 100 x the mean of the zoos' CMI. Raises ScoringError if there is none."""
    return scoring.competition_score(cmi_by_zoo)
