"""Test sets unlike the training data: turned, noisy, or with other shares of the classes. Called by `load_split`."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from model_zoo.recipes import RecipeShift


def shifted(
    inputs: NDArray[np.float32], labels: NDArray[np.int64], classes: int, shift: RecipeShift, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The test set after `shift`: as many inputs (n, C, H, W) and labels (n,)."""
    generator = np.random.default_rng([seed, 2])
    match shift.kind:
        case "rotation":
            return _turned(inputs, shift.amount), labels
        case "noise":
            noise = generator.standard_normal(inputs.shape, dtype=np.float32)
            return inputs + np.float32(shift.amount) * noise, labels
        case "label_shift":
            rows = _redrawn(labels, classes, shift.amount, generator)
            return inputs[rows], labels[rows]


def _turned(inputs: NDArray[np.float32], degrees: float) -> NDArray[np.float32]:
    """Each image turned about its centre, counterclockwise, bilinearly, with zeros coming in at the corners."""
    turned: NDArray[np.float32] = ndimage.rotate(inputs, degrees, axes=(2, 3), reshape=False, order=1)
    return turned.astype(np.float32)


def _redrawn(
    labels: NDArray[np.int64], classes: int, amount: float, generator: np.random.Generator
) -> NDArray[np.int64]:
    """Rows drawn with replacement; each class, in a drawn order, has (1 - amount) times the share of the one before."""
    weights = np.empty(classes)
    weights[generator.permutation(classes)] = (1 - amount) ** np.arange(classes)
    counts = np.bincount(labels, minlength=classes)
    each = weights[labels] / counts[labels]
    return generator.choice(len(labels), size=len(labels), p=each / each.sum())
