"""A dataset split into training and test set, and stratified sampling."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split
from torch import nn

from model_zoo.manifest import DatasetCard, ZooError
from model_zoo.recipes import TrainingSettings
from model_zoo.training.datasets.noise import noisy_labels
from model_zoo.training.randomness import Purpose, Randomness, Seeded

Inputs = NDArray[np.float32]
Labels = NDArray[np.int64]
_UNSET = Seeded(0)


@dataclass(frozen=True)
class Split:
    """A dataset in two parts. Inputs are float32 (n, C, H, W), labels int64 (n,).

    Attributes
    ----------
    train_labels, clean_labels : ndarray
        With and without the label noise of the recipe's dataset; `clean_labels` is None where they are the same.
    randomness : Randomness
        Of the label noise; `load_split` sets it.
    shifted_inputs, shifted_labels : ndarray or None
        The test set after the recipe's shift.
    true_risk : callable or None
        From a linear network to the probability that it misclassifies a new example, where that is known.
    """

    card: DatasetCard
    classes: int
    train_inputs: Inputs
    train_labels: Labels
    test_inputs: Inputs
    test_labels: Labels
    clean_labels: Labels | None = None
    randomness: Randomness = _UNSET
    shifted_inputs: Inputs | None = None
    shifted_labels: Labels | None = None
    true_risk: Callable[[nn.Module], float] | None = None

    @property
    def input_shape(self) -> list[int]:
        """Shape [C, H, W] of one input."""
        return list(self.train_inputs.shape[1:])

    def labels_for(self, settings: TrainingSettings) -> Labels:
        """Return the labels of the examples that a network of these settings is trained with, with its label noise."""
        clean = self.train_labels if self.clean_labels is None else self.clean_labels
        noise = self.randomness.generator("label noise")
        return noisy_labels(clean[: settings.training_size], self.classes, settings.label_noise, noise)


def stratified_rows(labels: Labels, size: int | None, randomness: Randomness, which: Purpose) -> NDArray[np.int64]:
    """Draw rows in random order with the classes' shares preserved.

    Parameters
    ----------
    labels : ndarray
        (n,).
    size : int or None
        Number of rows; None: all.
    randomness : Randomness
    which : {"training", "test"}
        What they are.

    Raises
    ------
    ZooError
        If there are fewer, or too few to include every class.
    """
    rows = np.arange(len(labels))
    if size is None or size == len(labels):
        return randomness.generator(which).permutation(rows)
    classes = len(np.unique(labels))
    if not classes <= size <= len(labels) - classes:
        raise ZooError(
            f"{which}_size {size}: must be all of the {len(labels)} examples, or from {classes} to "
            f"{len(labels) - classes} of them"
        )
    return np.asarray(
        train_test_split(rows, train_size=size, stratify=labels, random_state=randomness.random_state(which))[0]
    )
