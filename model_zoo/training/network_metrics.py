"""Computes the metrics of a trained network that the truth records."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from model_zoo.recipes import Recipe, RecipeRobust
from model_zoo.training.calibration import smooth_ece
from model_zoo.training.datasets import Split

_BATCH = 1024
_OVERSHOOT = 2.5  # an attack's steps can go so many times as far as its limit, as Madry et al. (2018) do


@dataclass(frozen=True)
class Predictions:
    """A network's results on n labelled examples, arrays of shape (n,).

    Attributes
    ----------
    correct : ndarray of bool
    losses : ndarray
        Cross-entropy of each example.
    confidences : ndarray
        Probability of the predicted class.
    """

    correct: NDArray[np.bool_]
    losses: NDArray[np.float64]
    confidences: NDArray[np.float64]

    @property
    def accuracy(self) -> float:
        """Share of correct examples."""
        return float(self.correct.mean())

    @property
    def loss(self) -> float:
        """Mean cross-entropy."""
        return float(self.losses.mean())

    @property
    def calibration(self) -> float:
        """Smooth ECE of the confidences."""
        return smooth_ece(self.confidences, self.correct)


def metrics(network: nn.Module, split: Split, recipe: Recipe, batch_size: int = _BATCH) -> dict[str, float]:
    """Compute a network's metrics: those of `Recipe.metrics` except `epochs`.

    Parameters
    ----------
    network : torch.nn.Module
        On any device; it is in eval mode afterwards.
    split : Split
    recipe : Recipe
    batch_size : int

    Returns
    -------
    dict of str to float
        `train_…` is on the zoo's training data with its label noise, `…_calibration` is smooth ECE, `ood_acc` on the
        shifted test set, `robust_acc` on the test set under attack; `true_risk` is in closed form and `true_gap` is
        what it exceeds the training error by. A diverged network has metrics that are not finite.
    """
    network.eval()
    train = predictions(network, split.train_inputs, split.train_labels, batch_size)
    test = predictions(network, split.test_inputs, split.test_labels, batch_size)
    measured = {
        "train_acc": train.accuracy,
        "test_acc": test.accuracy,
        "train_loss": train.loss,
        "test_loss": test.loss,
        "train_calibration": train.calibration,
        "test_calibration": test.calibration,
    }
    if split.shifted_inputs is not None and split.shifted_labels is not None:
        measured["ood_acc"] = predictions(network, split.shifted_inputs, split.shifted_labels, batch_size).accuracy
    if recipe.robust is not None:
        measured["robust_acc"] = robust_accuracy(network, split, recipe.robust, batch_size)
    if recipe.knows_true_risk and split.true_risk is not None:
        risk = split.true_risk(network)
        measured |= {"true_risk": risk, "true_gap": risk - (1 - train.accuracy)}
    return measured


@torch.no_grad()
def predictions(
    network: nn.Module, inputs: NDArray[np.float32], labels: NDArray[np.int64], batch_size: int = _BATCH
) -> Predictions:
    """Evaluate a network in the mode it is in; call `eval` first.

    Parameters
    ----------
    network : torch.nn.Module
    inputs : ndarray
        float32, (n, C, H, W).
    labels : ndarray
        int64, (n,).
    batch_size : int

    Returns
    -------
    Predictions
    """
    correct, losses, confidences = [], [], []
    for x, y in _batches(network, inputs, labels, batch_size):
        logits = network(x).double()
        log_probabilities = logits.log_softmax(dim=1)
        best, decided = log_probabilities.max(dim=1)
        correct.append(decided == y)
        losses.append(functional.nll_loss(log_probabilities, y, reduction="none"))
        confidences.append(best.exp())
    return Predictions(*(torch.cat(part).cpu().numpy() for part in (correct, losses, confidences)))


def robust_accuracy(network: nn.Module, split: Split, attack: RecipeRobust, batch_size: int = _BATCH) -> float:
    """Compute the share of test examples that are correct before and after every step of an attack.

    The attack is projected gradient ascent of the cross-entropy by signs [1]_ from the example itself; with a single
    step it is the fast gradient sign method [2]_. Inputs stay in [0, 1] where all test inputs do.

    Parameters
    ----------
    network : torch.nn.Module
        In eval mode.
    split : Split
    attack : RecipeRobust
        `epsilon` is in units of the inputs.
    batch_size : int

    Returns
    -------
    float
        From 0 to 1.

    References
    ----------
    .. [1] Madry et al., "Towards Deep Learning Models Resistant to Adversarial Attacks", ICLR 2018.
    .. [2] Goodfellow et al., "Explaining and Harnessing Adversarial Examples", ICLR 2015.
    """
    bounds = (0.0, 1.0) if split.test_inputs.min() >= 0 and split.test_inputs.max() <= 1 else (-np.inf, np.inf)
    withstood = 0
    for x, y in _batches(network, split.test_inputs, split.test_labels, batch_size):
        withstood += int(_withstands(network, x, y, attack, bounds).sum())
    return withstood / len(split.test_labels)


def _withstands(network: nn.Module, x: Tensor, y: Tensor, attack: RecipeRobust, bounds: tuple[float, float]) -> Tensor:
    """Whether each example is correct before and after every step: bool of shape (n,)."""
    step = attack.epsilon * (_OVERSHOOT / attack.steps if attack.steps > 1 else 1)
    low = (x - attack.epsilon).clamp(min=bounds[0])
    high = (x + attack.epsilon).clamp(max=bounds[1])
    attacked = x
    right = torch.ones_like(y, dtype=torch.bool)
    for _ in range(attack.steps):
        attacked = attacked.detach().requires_grad_()
        logits = network(attacked)
        right &= logits.argmax(dim=1) == y
        (gradient,) = torch.autograd.grad(functional.cross_entropy(logits, y, reduction="sum"), attacked)
        attacked = (attacked.detach() + step * gradient.sign()).clamp(low, high)
    with torch.no_grad():
        right &= network(attacked).argmax(dim=1) == y
    return right


def _batches(
    network: nn.Module, inputs: NDArray[np.float32], labels: NDArray[np.int64], batch_size: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Iterate over `batch_size` examples at a time, moved to the network's device."""
    device = next(network.parameters()).device
    for start in range(0, len(labels), batch_size):
        rows = slice(start, start + batch_size)
        yield torch.from_numpy(inputs[rows]).to(device), torch.from_numpy(labels[rows]).to(device)
