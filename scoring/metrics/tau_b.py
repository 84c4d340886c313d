"""Kendall's τ-b: τ corrected for ties."""

from scoring.metric import Direction, Metric, Undefined
from scoring.prepared import PreparedZoo


def _tau_b(zoo: PreparedZoo) -> float | Undefined:
    tau_b = zoo.kendall.tau_b
    return Undefined("the values are all equal") if tau_b is None else tau_b


METRIC = Metric(
    key="tau_b",
    title="Kendall's τ-b",
    symbol="τ-b",
    help="Kendall's rank correlation, corrected for ties",
    group="Rank correlation",
    direction=Direction.HIGHER,
    order=30,
    compute=_tau_b,
    note="corrected for ties",
    signed=True,
)
