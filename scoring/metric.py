"""What a metric is: its name, its direction, how it is shown and how it is computed on one zoo.

`scoring.metrics` collects the metrics; boards, tables, the API and exports derive their columns from them.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from scoring.prepared import PreparedZoo

DASH = "—"


class Direction(StrEnum):
    """Which values of a metric are the good ones."""

    HIGHER = "higher is better"
    LOWER = "lower is better"


@dataclass(frozen=True)
class Undefined:
    """A metric has no value on a zoo.

    Parameters
    ----------
    reason : str
        Why, as a clause without a full stop, for example "the values are all equal".
    """

    reason: str


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One number about a measure's values on a zoo.

    Parameters
    ----------
    key : str
        The identifier in reports, JSON and CSV. It is also the name of the metric's module in `scoring.metrics`.
    title : str
        The name in tables and documentation, for example "Kendall's τ-a".
    symbol : str
        The heading of a narrow column, for example "τ".
    help : str
        One line that says what the metric is, without its direction.
    group : str
        The heading under which a long table lists the metric.
    direction : Direction
        Whether higher or lower is better.
    order : int
        The position among all metrics, ascending. Metrics of equal order are sorted by their key.
    compute : callable
        From a `PreparedZoo` to the value, or `Undefined` with the reason.
    standard_error : callable, optional
        From a `PreparedZoo` to the value's standard error, or None where there is none.
    note : str, optional
        A short remark beside the number, for example "ties count 0".
    short : str, optional
        The name in addresses such as ``?sort=tau.ZOO``; the key if empty. Read it as `address_name`.
    digits : int, optional
        Decimals of the shown number; significant digits if `significant`.
    scale : float, optional
        The shown number is the value times this: 100 for the CMI.
    signed : bool, optional
        Whether the shown number always has a sign.
    significant : bool, optional
        Whether `digits` counts significant digits. For metrics of any magnitude, such as the MAE.
    on_leaderboard : bool, optional
        Whether leaderboards have a column for the metric by default.
    """

    key: str
    title: str
    symbol: str
    help: str
    group: str
    direction: Direction
    order: int
    compute: Callable[[PreparedZoo], float | Undefined]
    standard_error: Callable[[PreparedZoo], float | None] | None = None
    note: str = ""
    short: str = ""
    digits: int = 3
    scale: float = 1.0
    signed: bool = False
    significant: bool = False
    on_leaderboard: bool = False

    @property
    def address_name(self) -> str:
        """The name in addresses: `short`, or the key where there is none."""
        return self.short or self.key

    @property
    def description(self) -> str:
        """What the metric is and which values are good, in one line."""
        return f"{self.help}; {self.direction}"

    @property
    def higher_is_better(self) -> bool:
        """Whether larger values are the better ones."""
        return self.direction is Direction.HIGHER

    def shown(self, value: float | None) -> float | None:
        """The number that boards, exports and the API show: scaled and rounded.

        Parameters
        ----------
        value : float or None
            The value on one zoo, or the mean over zoos; None where it is undefined.

        Returns
        -------
        float or None
            None for None.
        """
        if value is None:
            return None
        number = self.scale * value
        return float(f"{number:.{self.digits}g}") if self.significant else round(number, self.digits)

    def text(self, value: float | None) -> str:
        """The shown number as a text with all its digits and a typographic minus.

        Parameters
        ----------
        value : float or None
            The value on one zoo, or the mean over zoos; None where it is undefined.

        Returns
        -------
        str
            A dash for None.
        """
        if value is None:
            return DASH
        sign, kind = "+" if self.signed else "", "g" if self.significant else "f"
        return f"{self.scale * value:{sign}.{self.digits}{kind}}".replace("-", "−")


def mean_over_zoos(values: Sequence[float | None]) -> float | None:
    """A metric of a competition, from its values on the zoos: their unweighted mean.

    Parameters
    ----------
    values : sequence of float or None
        One value for each zoo, not scaled; None where it is undefined.

    Returns
    -------
    float or None
        None if there is no zoo, or if the metric is undefined on one of them.
    """
    defined = [value for value in values if value is not None]
    if not defined or len(defined) < len(values):
        return None
    return math.fsum(defined) / len(defined)
