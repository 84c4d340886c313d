"""The robust sign-error: its maximum over the surviving environments."""

from scoring.metric import Direction, Metric
from scoring.metrics.sign_error import over_environments

METRIC = Metric(
    key="sign_error_maximum",
    title="Robust sign-error, maximum",
    symbol="sign-error, max.",
    help="robust sign-error in the worst environment",
    group="Robust sign-error",
    direction=Direction.LOWER,
    order=90,
    compute=lambda zoo: over_environments(zoo, lambda errors: errors.maximum),
)
