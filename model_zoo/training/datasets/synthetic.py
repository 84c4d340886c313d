"""Synthetic data: labels by a random network, and Gaussian mixtures."""

import itertools

import numpy as np
from numpy.typing import NDArray

from model_zoo.manifest import DatasetCard, ZooError
from model_zoo.recipes.datasets import MixtureData, TeacherData
from model_zoo.training.datasets.split import Inputs, Labels, Split
from model_zoo.training.randomness import PartRandomness, Randomness

_CALIBRATION = 4096


def teacher(data: TeacherData, randomness: Randomness) -> Split:
    """Draw standard normal vectors labelled by the largest output of a random ReLU network.

    The network's weights are He-normal, and its outputs are standardized over other vectors, so that no class is rare.

    Parameters
    ----------
    data : TeacherData
    randomness : Randomness

    Returns
    -------
    Split
        Inputs (n, 1, 1, dimension).

    Raises
    ------
    ZooError
        If the test set lacks a class nevertheless.
    """
    generator = randomness.generator("data")
    widths = [data.dimension, *[data.teacher_width] * data.teacher_depth, data.classes]
    weights = [
        generator.standard_normal((inputs, outputs)) * np.sqrt(2 / inputs)
        for inputs, outputs in itertools.pairwise(widths)
    ]
    seen = _outputs(generator.standard_normal((_CALIBRATION, data.dimension)), weights)
    parts = _parts(data, randomness, generator)
    vectors = np.concatenate([own.inputs.standard_normal((size, data.dimension)) for own, size in parts])
    labels = ((_outputs(vectors, weights) - seen.mean(axis=0)) / seen.std(axis=0)).argmax(axis=1)
    text = (
        f"Standard normal vectors of {data.dimension} numbers, labelled by a random ReLU network with "
        f"{data.teacher_depth} × {data.teacher_width} hidden units"
    )
    return _cut(data, "teacher", text, vectors, labels)


def mixture(data: MixtureData, randomness: Randomness) -> Split:
    """Draw classes of equal probability, each a mixture of `modes` normal distributions.

    The centres are `separation` from 0 in random directions; the covariance is the identity.

    Parameters
    ----------
    data : MixtureData
    randomness : Randomness

    Returns
    -------
    Split
        Inputs (n, 1, 1, dimension).

    Raises
    ------
    ZooError
        If the test set lacks a class.
    """
    generator = randomness.generator("data")
    directions = generator.standard_normal((data.classes, data.modes, data.dimension))
    centres = data.separation * directions / np.linalg.norm(directions, axis=-1, keepdims=True)
    parts = _parts(data, randomness, generator)
    labels = np.concatenate([own.labels.integers(data.classes, size=size) for own, size in parts])
    modes = np.concatenate([own.labels.integers(data.modes, size=size) for own, size in parts])
    noise = np.concatenate([own.inputs.standard_normal((size, data.dimension)) for own, size in parts])
    vectors = centres[labels, modes] + noise
    text = (
        f"{data.classes} classes, each a mixture of {data.modes} normal distributions in {data.dimension} dimensions "
        f"with centres at distance {data.separation:g} from 0"
    )
    return _cut(data, "Gaussian mixture", text, vectors, labels)


def _parts(
    data: TeacherData | MixtureData, randomness: Randomness, generator: np.random.Generator
) -> list[tuple[PartRandomness, int]]:
    return list(zip(randomness.parts(generator), (data.training_size, data.test_size), strict=True))


def _outputs(vectors: NDArray[np.float64], weights: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    for hidden in weights[:-1]:
        vectors = np.maximum(vectors @ hidden, 0)
    return vectors @ weights[-1]


def _cut(
    data: TeacherData | MixtureData, name: str, text: str, vectors: NDArray[np.float64], labels: NDArray[np.int64]
) -> Split:
    inputs: Inputs = vectors.astype(np.float32)[:, np.newaxis, np.newaxis]
    own: Labels = labels.astype(np.int64)
    train, test = own[: data.training_size], own[data.training_size :]
    for which, part in (("training", train), ("test", test)):
        if missing := sorted(set(range(data.classes)) - set(part.tolist())):
            raise ZooError(
                f"{name}: no example of class {missing[0]} in the {which} set; take more, or other random numbers"
            )
    return Split(
        card=DatasetCard(
            name=name,
            source="drawn by Gengap",
            licence="CC0-1.0",
            text=f"{text}; {data.training_size} to train, {data.test_size} to test.",
        ),
        classes=data.classes,
        train_inputs=inputs[: data.training_size],
        train_labels=train,
        test_inputs=inputs[data.training_size :],
        test_labels=test,
    )
