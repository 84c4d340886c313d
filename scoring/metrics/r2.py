"""R² of the target's affine fit on the values."""

from scoring.metric import Direction, Metric, Undefined
from scoring.prepared import PreparedZoo


def _r2(zoo: PreparedZoo) -> float | Undefined:
    r2 = zoo.regression.r2
    return Undefined("the target is constant") if r2 is None else r2


METRIC = Metric(
    key="r2",
    title="R²",
    symbol="R²",
    help="share of the target's variance that the values explain by a straight line",
    group="Regression of the target",
    direction=Direction.HIGHER,
    order=100,
    compute=_r2,
    note="on the values",
)
