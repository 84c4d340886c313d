"""Pearson's correlation r."""

from scoring.metric import Direction, Metric, Undefined
from scoring.prepared import PreparedZoo


def _r(zoo: PreparedZoo) -> float | Undefined:
    r = zoo.correlations.pearson
    return Undefined("the values are all equal") if r is None else r


METRIC = Metric(
    key="pearson",
    title="Pearson's r",
    symbol="r",
    help="Pearson's correlation of the numbers",
    group="Rank correlation",
    direction=Direction.HIGHER,
    order=60,
    compute=_r,
    signed=True,
)
