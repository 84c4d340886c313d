"""Spearman's rank correlation ρ."""

from scoring.metric import Direction, Metric, Undefined
from scoring.prepared import PreparedZoo


def _rho(zoo: PreparedZoo) -> float | Undefined:
    rho = zoo.correlations.spearman
    return Undefined("the values are all equal") if rho is None else rho


METRIC = Metric(
    key="spearman",
    title="Spearman's ρ",
    symbol="ρ",
    help="Spearman's rank correlation",
    group="Rank correlation",
    direction=Direction.HIGHER,
    order=50,
    compute=_rho,
    signed=True,
)
