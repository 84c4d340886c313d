"""The robust sign-error: its mean over the surviving environments."""

from collections.abc import Callable

from scoring.metric import Direction, Metric, Undefined
from scoring.prepared import PreparedZoo
from scoring.statistics.sign_error import RobustSignError


def over_environments(zoo: PreparedZoo, number: Callable[[RobustSignError], float | None]) -> float | Undefined:
    """A number about the surviving environments, or why there is none.

    Parameters
    ----------
    zoo : PreparedZoo
        The zoo with the measure's values.
    number : callable
        What to take from the zoo's `RobustSignError`; None where no environment survived.

    Returns
    -------
    float or Undefined
        The number, or the reason why it does not exist.
    """
    if not zoo.truth.is_of_test_accuracy:
        return Undefined("the target is not made of test accuracies")
    if zoo.sign_error is None:
        return Undefined("the size of the test set is not known")
    value = number(zoo.sign_error)
    return Undefined(f"none of {zoo.sign_error.total} environments survived") if value is None else value


METRIC = Metric(
    key="sign_error",
    title="Robust sign-error",
    symbol="sign-error",
    help="robust sign-error: how often the values order two networks wrongly",
    group="Robust sign-error",
    direction=Direction.LOWER,
    order=70,
    compute=lambda zoo: over_environments(zoo, lambda errors: errors.mean),
    note="0 always right, 0.5 like a coin",
    short="sign",
    on_leaderboard=True,
)
