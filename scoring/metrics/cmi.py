"""Conditional mutual information: the headline score."""

from scoring.metric import Direction, Metric
from scoring.prepared import PreparedZoo


def _standard_error(zoo: PreparedZoo) -> float | None:
    return None if zoo.jackknife is None else zoo.jackknife.standard_error


METRIC = Metric(
    key="cmi",
    title="CMI",
    symbol="CMI",
    help="100 × conditional mutual information",
    group="Score (100 × CMI)",
    direction=Direction.HIGHER,
    order=10,
    compute=lambda zoo: zoo.cmi.minimum,
    standard_error=_standard_error,
    digits=2,
    scale=100.0,
    on_leaderboard=True,
)
