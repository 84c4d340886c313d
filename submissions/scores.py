"""From recorded values to scores: reads the zoo's truth and asks `scoring`. Outside the sandbox, always."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import scoring
from model_zoo import open_zoo


def score_evaluation(zoo_folder: Path, values: Mapping[str, float]) -> scoring.ZooReport:
    """Everything about one value per network, but what needs random draws.

    Raises ScoringError or ZooError: both are our fault here.
    """
    truth = scoring.Truth.from_gengap(open_zoo(zoo_folder).truth().model_dump())
    return scoring.report(truth, values)


def submission_score(cmi_by_zoo: Sequence[float]) -> float:
    """The competition score: 100 x the mean of the zoos' CMI. Raises ScoringError if there is none."""
    return scoring.competition_score(cmi_by_zoo)
