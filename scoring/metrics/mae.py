"""The mean absolute error of values that estimate the target."""

from scoring.metric import Direction, Metric, Undefined
from scoring.prepared import PreparedZoo


def _mae(zoo: PreparedZoo) -> float | Undefined:
    mae = zoo.regression.mae
    return Undefined("exceeds float64") if mae is None else mae


METRIC = Metric(
    key="mae",
    title="MAE",
    symbol="MAE",
    help="mean absolute error, if the values estimate the target",
    group="Regression of the target",
    direction=Direction.LOWER,
    order=120,
    compute=_mae,
    note="if the values estimate the target",
    digits=4,
    significant=True,
)
