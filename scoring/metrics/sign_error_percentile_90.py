"""The robust sign-error: its 90th percentile over the surviving environments."""

from scoring.metric import Direction, Metric
from scoring.metrics.sign_error import over_environments

METRIC = Metric(
    key="sign_error_percentile_90",
    title="Robust sign-error, 90th percentile",
    symbol="sign-error, 90 %",
    help="robust sign-error that 90 % of the environments do not exceed",
    group="Robust sign-error",
    direction=Direction.LOWER,
    order=80,
    compute=lambda zoo: over_environments(zoo, lambda errors: errors.percentile_90),
)
