"""The data that recipes name, split into training and test. Called by `make`."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from model_zoo.manifest import DatasetCard, ZooError
from model_zoo.recipes import RecipeDataset

_DIGITS_LARGEST_PIXEL = 16


@dataclass(frozen=True)
class Split:
    """A dataset cut in two. Inputs are float32 (n, C, H, W), labels int64 (n,)."""

    card: DatasetCard
    classes: int
    train_inputs: NDArray[np.float32]
    train_labels: NDArray[np.int64]
    test_inputs: NDArray[np.float32]
    test_labels: NDArray[np.int64]

    @property
    def input_shape(self) -> list[int]:
        return list(self.train_inputs.shape[1:])


def load_split(dataset: RecipeDataset, seed: int) -> Split:
    """`dataset` with its `training_size` examples for training, stratified by label, and the rest for testing.

    The digits are scikit-learn's 1797 scans of 8×8 pixels, scaled to [0, 1]. Raises ZooError.
    """
    digits = load_digits()
    inputs = (digits.images / _DIGITS_LARGEST_PIXEL).astype(np.float32)[:, np.newaxis]
    labels = digits.target.astype(np.int64)
    classes = len(digits.target_names)
    if not classes <= dataset.training_size <= len(labels) - classes:
        raise ZooError(
            f"training_size {dataset.training_size}: must be from {classes} to {len(labels) - classes} "
            f"of the {len(labels)} digits"
        )
    train, test = train_test_split(
        np.arange(len(labels)), train_size=dataset.training_size, stratify=labels, random_state=seed
    )
    return Split(
        card=DatasetCard(
            name="digits",
            source="scikit-learn's load_digits, from UCI's Optical Recognition of Handwritten Digits",
            licence="CC-BY-4.0",
            text=f"{len(labels)} scans of 8×8 grey levels, scaled to [0, 1]; {len(train)} to train, the rest to test.",
        ),
        classes=classes,
        train_inputs=inputs[train],
        train_labels=labels[train],
        test_inputs=inputs[test],
        test_labels=labels[test],
    )
