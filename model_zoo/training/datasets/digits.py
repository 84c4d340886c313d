"""scikit-learn's digits: 1797 scans of 8×8 pixels, which come with the library."""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from model_zoo.manifest import DatasetCard, ZooError
from model_zoo.recipes.datasets import DigitsData
from model_zoo.training.datasets.split import Split, stratified_rows
from model_zoo.training.randomness import Randomness

_LARGEST_PIXEL = 16


def digits(data: DigitsData, randomness: Randomness) -> Split:
    """Split the digits: `training_size` for training, stratified by label, and the rest or `test_size` for testing.

    Parameters
    ----------
    data : DigitsData
    randomness : Randomness

    Returns
    -------
    Split
        Inputs (n, 1, 8, 8), scaled to [0, 1].

    Raises
    ------
    ZooError
        If there are not enough.
    """
    scans = load_digits()
    inputs = (scans.images / _LARGEST_PIXEL).astype(np.float32)[:, np.newaxis]
    labels = scans.target.astype(np.int64)
    if not data.classes <= data.training_size <= len(labels) - data.classes:
        raise ZooError(
            f"training_size {data.training_size}: must be from {data.classes} to {len(labels) - data.classes} "
            f"of the {len(labels)} digits"
        )
    train, test = train_test_split(
        np.arange(len(labels)),
        train_size=data.training_size,
        stratify=labels,
        random_state=randomness.random_state("training"),
    )
    if data.test_size is not None:
        test = test[stratified_rows(labels[test], data.test_size, randomness, "test")]
    return Split(
        card=DatasetCard(
            name="digits",
            source="scikit-learn's load_digits, from UCI's Optical Recognition of Handwritten Digits",
            licence="CC-BY-4.0",
            text=f"{len(labels)} scans of 8×8 grey levels, scaled to [0, 1]; {len(train)} to train, "
            f"{'the rest' if data.test_size is None else len(test)} to test.",
        ),
        classes=data.classes,
        train_inputs=inputs[train],
        train_labels=labels[train],
        test_inputs=inputs[test],
        test_labels=labels[test],
    )
