"""The result of a zoo's check as plain data that can be stored as JSON: verdicts, and the numbers behind the pictures.

`model_zoo.checks` fills it, `worker.zoo_intake.check_process` adds what scoring knows, commands and pages show it.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Literal, Self

from pydantic import Field, FiniteFloat

from model_zoo.manifest import AxisValue, Part


class Verdict(StrEnum):
    """Result of one item; with an error, the zoo must not be opened to participants."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


class Item(Part):
    """One item of the check: its verdict, what was found, and what to do about it (empty if nothing)."""

    name: str
    verdict: Verdict
    text: str
    advice: str = ""


class NetworkNumbers(Part):
    """What the pictures show of one network."""

    id: str
    hyperparameters: dict[str, AxisValue]
    train_acc: FiniteFloat
    test_acc: FiniteFloat

    @property
    def gap(self) -> float:
        """The generalization gap, with 12 decimals."""
        return round(self.train_acc - self.test_acc, 12)


class AxisNumbers(Part):
    """One axis: its values in order, and how it is related to the gap.

    Attributes
    ----------
    mean_gaps : list of float or None
        At each value; None where there is no network.
    tau_b : float or None
        Kendall's tau-b between the position of the value and the gap; None where one of them is constant.
    share : float or None
        Share of the gaps' variance that the axis explains, from 0 to 1; None where the gaps are constant.
    """

    name: str
    values: list[AxisValue]
    mean_gaps: list[FiniteFloat | None]
    tau_b: FiniteFloat | None
    share: FiniteFloat | None


class ReferenceNumbers(Part):
    """The scores of chance and of the hyperparameters alone on this zoo for one target, from 0 to 100."""

    target: str
    random_floor: FiniteFloat
    random_floor_percentile_95: FiniteFloat
    hyperparameter_oracle: FiniteFloat


class Numbers(Part):
    """Everything that the tables and pictures show; what is not known is empty or None.

    Attributes
    ----------
    spread : float or None
        The gaps' standard deviation in standard errors of a test accuracy.
    evaluation_s : float or None
        Processor seconds that one submission is expected to take, see `checks.estimates`.
    """

    networks: list[NetworkNumbers] = Field(default_factory=list)
    axes: list[AxisNumbers] = Field(default_factory=list)
    references: list[ReferenceNumbers] = Field(default_factory=list)
    bytes: int | None = None
    training_examples: int | None = None
    test_examples: int | None = None
    mean_gap: FiniteFloat | None = None
    std_gap: FiniteFloat | None = None
    standard_error: FiniteFloat | None = None
    spread: FiniteFloat | None = None
    evaluation_s: FiniteFloat | None = None


class CheckReport(Part):
    """The check of one zoo; its verdict is the worst of its items.

    Attributes
    ----------
    manifest_sha256 : str or None
        Of the zoo.json that was checked; None where it could not be read.
    targets : list of str
        Targets that the zoo offers.
    """

    format: Literal[1] = 1
    zoo: str
    title: str
    manifest_sha256: str | None
    targets: list[str] = Field(default_factory=list)
    items: list[Item]
    numbers: Numbers = Field(default_factory=Numbers)

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of the items."""
        found = {item.verdict for item in self.items}
        return next((verdict for verdict in (Verdict.ERROR, Verdict.WARNING) if verdict in found), Verdict.OK)

    def of(self, verdict: Verdict) -> list[Item]:
        """Return the items with this verdict."""
        return [item for item in self.items if item.verdict is verdict]

    def with_items(self, items: Iterable[Item], numbers: Numbers | None = None) -> Self:
        """Return the report with more items at its end, and with other numbers if any are given."""
        return self.model_copy(update={"items": [*self.items, *items], "numbers": numbers or self.numbers})


def ok(name: str, text: str) -> Item:
    """Make an item that is ok."""
    return Item(name=name, verdict=Verdict.OK, text=text)


def warning(name: str, text: str, advice: str) -> Item:
    """Make an item with a warning."""
    return Item(name=name, verdict=Verdict.WARNING, text=text, advice=advice)


def error(name: str, text: str, advice: str) -> Item:
    """Make an item with an error."""
    return Item(name=name, verdict=Verdict.ERROR, text=text, advice=advice)


def some(names: Iterable[object], most: int = 5) -> str:
    """List the first few names, and how many more there are."""
    listed = [str(name) for name in names]
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more
