"""ΔR²: what the values add to the hyperparameters, by leave-one-out."""

from scoring.metric import Direction, Metric, Undefined
from scoring.prepared import PreparedZoo


def _delta_r2(zoo: PreparedZoo) -> float | Undefined:
    delta_r2 = zoo.regression.delta_r2
    return Undefined("a network alone determines a coefficient") if delta_r2 is None else delta_r2


METRIC = Metric(
    key="delta_r2",
    title="ΔR²",
    symbol="ΔR²",
    help="leave-one-out R² that the values add to that of the hyperparameters",
    group="Regression of the target",
    direction=Direction.HIGHER,
    order=110,
    compute=_delta_r2,
    note="what the values add to the hyperparameters",
    signed=True,
)
