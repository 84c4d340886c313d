"""Compares what was measured on the networks with what the truth records, without torch.

The caller of `check_zoo` chooses who measures: `checks.torch_measurer`, or `worker.zoo_intake.zoo_check` in a sandbox.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from model_zoo.checks.report import Item, error, ok, some, warning
from model_zoo.manifest import ZooTruth

_ROUNDING = 1e-6  # of an accuracy recorded as float32
_LOSS_TOLERANCE = 0.01  # of the loss, and
_LEAST_LOSS_DIFFERENCE = 1e-3


@dataclass(frozen=True)
class Fit:
    """Result of a network on one data set.

    Attributes
    ----------
    accuracy : float
    loss : float or None
        Mean cross-entropy, where it was measured.
    seconds : float
        Time that it took.
    """

    accuracy: float
    loss: float | None
    seconds: float


@dataclass(frozen=True)
class Measured:
    """Results of one network; after a failure, the following ones are None.

    Attributes
    ----------
    train, test : Fit or None
        `test` is None also where the zoo has no test data.
    load_fault : str or None
        Why the network, its initial network, a sibling or a state of its training could not be loaded.
    logits_fault : str or None
        What is wrong with its outputs.
    """

    train: Fit | None = None
    test: Fit | None = None
    load_fault: str | None = None
    logits_fault: str | None = None


def measured_items(
    measured: Mapping[str, Measured], truth: ZooTruth | None, training_examples: int, test_examples: int | None
) -> Iterator[Item]:
    """Compare the measured networks with the truth.

    Parameters
    ----------
    measured : mapping
        By network id.
    truth : ZooTruth or None
    training_examples : int
    test_examples : int or None
        None where the zoo has no test data.

    Yields
    ------
    Item
    """
    yield loads(measured)
    yield logits(measured)
    if truth is None:
        return
    yield _accuracy("training accuracy", "train_acc", _fits(measured, "train"), truth, training_examples)
    if test_examples is not None:
        yield _accuracy("test accuracy", "test_acc", _fits(measured, "test"), truth, test_examples)
    recorded = {"train_loss": _fits(measured, "train"), "test_loss": _fits(measured, "test")}
    for metric, fits in recorded.items():
        if any(metric in network.metrics for network in truth.networks.values()):
            name = metric.replace("train_", "training ").replace("_", " ")
            yield _loss(name, metric, fits, truth)


def loads(measured: Mapping[str, Measured]) -> Item:
    """Check that every network can be built and its weights fit."""
    faults = {network: found.load_fault for network, found in measured.items() if found.load_fault is not None}
    if faults:
        return error(
            "networks load",
            f"{len(faults)} of {len(measured)} networks cannot be loaded: {some(faults)}. "
            f"{next(iter(faults.values()))}",
            "Correct the architecture in public/networks.json, or save the weights that fit it.",
        )
    return ok("networks load", f"All {len(measured)} networks load.")


def logits(measured: Mapping[str, Measured]) -> Item:
    """Check that every network that loads gives finite logits of shape (n, classes)."""
    faults = {network: found.logits_fault for network, found in measured.items() if found.logits_fault is not None}
    if faults:
        return error(
            "logits",
            f"{len(faults)} networks do not give finite logits: {some(faults)}. {next(iter(faults.values()))}",
            "Check the architecture and the weights against the framework they come from.",
        )
    return ok("logits", "All logits are finite, one per class.")


def _accuracy(name: str, metric: str, fits: Mapping[str, Fit], truth: ZooTruth, examples: int) -> Item:
    tolerance = 1 / examples + _ROUNDING
    wrong = {
        identifier: f"{identifier} (recorded {recorded:.4f}, found {fit.accuracy:.4f})"
        for identifier, fit in fits.items()
        if abs((recorded := truth.networks[identifier].metrics[metric]) - fit.accuracy) > tolerance
    }
    if wrong:
        return error(
            name,
            f"{len(wrong)} of {len(fits)} networks have another {name} than recorded: {some(wrong.values(), 3)}.",
            f"Check preprocessing, labels and weights; {metric} must be that of the data in the zoo.",
        )
    if not fits:
        return warning(name, "Not measured: no network gave logits.", "Correct the networks first.")
    return ok(name, f"Remeasured on {examples} examples: within 1/{examples} of the recorded one for all networks.")


def _loss(name: str, metric: str, fits: Mapping[str, Fit], truth: ZooTruth) -> Item:
    compared = {
        identifier: (recorded, fit.loss)
        for identifier, fit in fits.items()
        if fit.loss is not None and (recorded := truth.networks[identifier].metrics.get(metric)) is not None
    }
    wrong = [
        f"{identifier} (recorded {recorded:.4g}, found {found:.4g})"
        for identifier, (recorded, found) in compared.items()
        if abs(recorded - found) > max(_LEAST_LOSS_DIFFERENCE, _LOSS_TOLERANCE * abs(recorded))
    ]
    if wrong:
        return warning(
            name,
            f"{len(wrong)} of {len(compared)} networks have another {name} than recorded: {some(wrong, 3)}.",
            "Fine if another loss was recorded, for example with weight decay; else check the data and the weights.",
        )
    if not compared:
        return ok(name, "Recorded, and not remeasured.")
    return ok(name, f"The mean cross-entropy is the recorded one for all {len(compared)} networks.")


def _fits(measured: Mapping[str, Measured], which: Literal["train", "test"]) -> dict[str, Fit]:
    return {identifier: fit for identifier, found in measured.items() if (fit := getattr(found, which)) is not None}
