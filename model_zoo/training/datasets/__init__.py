"""The datasets that recipes name, split into training and test set."""

import dataclasses
from pathlib import Path

from model_zoo.recipes.datasets import DigitsData, FileData, LinearData, MixtureData, RecipeDataset, TeacherData
from model_zoo.training.datasets.digits import digits
from model_zoo.training.datasets.downloaded import distributed
from model_zoo.training.datasets.linear import linear
from model_zoo.training.datasets.noise import noisy_labels
from model_zoo.training.datasets.shifts import shifted
from model_zoo.training.datasets.split import Split
from model_zoo.training.datasets.synthetic import mixture, teacher
from model_zoo.training.randomness import Randomness

__all__ = ["Split", "load_split"]


def load_split(dataset: RecipeDataset, randomness: Randomness, folder: Path | None = None) -> Split:
    """Load a dataset and split it, with the recipe's label noise and shift.

    Parameters
    ----------
    dataset : RecipeDataset
    randomness : Randomness
        The same arguments give the same split.
    folder : Path, optional
        With the files of datasets that do not come with Gengap.

    Returns
    -------
    Split

    Raises
    ------
    ZooError
        If files are missing or damaged, or there are too few examples.
    """
    split = _whole(dataset, randomness, folder)
    if dataset.label_noise:
        split = dataclasses.replace(
            split,
            train_labels=noisy_labels(
                split.train_labels, split.classes, dataset.label_noise, randomness.generator("label noise")
            ),
            clean_labels=split.train_labels,
        )
    if dataset.shift is not None:
        inputs, labels = shifted(
            split.test_inputs, split.test_labels, split.classes, dataset.shift, randomness.generator("shift")
        )
        split = dataclasses.replace(split, shifted_inputs=inputs, shifted_labels=labels)
    return dataclasses.replace(split, randomness=randomness)


def _whole(dataset: RecipeDataset, randomness: Randomness, folder: Path | None) -> Split:
    match dataset:
        case DigitsData():
            return digits(dataset, randomness)
        case TeacherData():
            return teacher(dataset, randomness)
        case MixtureData():
            return mixture(dataset, randomness)
        case LinearData():
            return linear(dataset, randomness)
        case FileData():
            return distributed(dataset, randomness, folder)
