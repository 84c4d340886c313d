"""What a check of a zoo says: a verdict per item, and the numbers behind its pictures. Plain data that survives JSON.

`model_zoo.checks` fills it, `worker.zoo_intake.check_process` adds what scoring knows, commands and pages show it. No
torch.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from model_zoo.manifest import AxisValue


class Verdict(StrEnum):
    """ok: nothing to do. warning: an organizer should know. error: the zoo must not be opened to participants."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


class Part(BaseModel):
    """Base of every model here: immutable, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Item(Part):
    """One thing that was looked at: its verdict, what was found, and what to do (empty where nothing is)."""

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
        return self.train_acc - self.test_acc


class AxisNumbers(Part):
    """One axis: its values in order, and what it does to the gap.

    tau_b: Kendall's between the position of the value and the gap; None where one of them is constant. share:
    of the gaps' variance that the axis alone explains, from 0 to 1; None where the gaps are constant.
    """

    name: str
    values: list[AxisValue]
    mean_gaps: list[FiniteFloat | None]
    tau_b: FiniteFloat | None
    share: FiniteFloat | None


class ReferenceNumbers(Part):
    """What chance and the hyperparameters alone get on this zoo for one target, on the scale from 0 to 100."""

    target: str
    random_floor: FiniteFloat
    random_floor_percentile_95: FiniteFloat
    hyperparameter_oracle: FiniteFloat


class Numbers(Part):
    """Everything that the tables and pictures beside the verdicts show; what is not known is empty or None.

    spread: the gaps' standard deviation in standard errors of a test accuracy. evaluation_s: how long one
    submission should take on one processor, see `checks.estimates`.
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
    """The check of one zoo. Its verdict is the worst of its items'.

    manifest_sha256: of the zoo.json that was checked; None where there was none to read. targets: what the zoo
    offers to predict.
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
        found = {item.verdict for item in self.items}
        return next((verdict for verdict in (Verdict.ERROR, Verdict.WARNING) if verdict in found), Verdict.OK)

    def of(self, verdict: Verdict) -> list[Item]:
        """The items with this verdict."""
        return [item for item in self.items if item.verdict is verdict]

    def with_items(self, items: Iterable[Item], numbers: Numbers | None = None) -> Self:
        """The same report with more items at its end, and with other numbers if any are given."""
        update = {"items": [*self.items, *items], "numbers": numbers or self.numbers}
        return self.model_copy(update=update)


def ok(name: str, text: str) -> Item:
    return Item(name=name, verdict=Verdict.OK, text=text)


def warning(name: str, text: str, advice: str) -> Item:
    return Item(name=name, verdict=Verdict.WARNING, text=text, advice=advice)


def error(name: str, text: str, advice: str) -> Item:
    return Item(name=name, verdict=Verdict.ERROR, text=text, advice=advice)


def some(names: Iterable[object], most: int = 5) -> str:
    """The first few of them, and how many more there are."""
    listed = [str(name) for name in names]
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more
