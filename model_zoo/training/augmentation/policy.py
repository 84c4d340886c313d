"""AutoAugment's policy for CIFAR-10: which operations are applied, how often and how strongly.

The 25 sub-policies are those of Cubuk et al. (CVPR 2019), in the appendix; magnitudes are from 0 to 9, and None for an
operation without strength. The amount of a magnitude is that of the authors' own program for CIFAR-10
(tensorflow/models, research/autoaugment), which differs from the paper in that a translation is by at most 10 pixels,
and that Posterize leaves 4 bits or fewer.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model_zoo.training.augmentation import operations
from model_zoo.training.augmentation.operations import Operation

COLUMNS = 5  # of chances: which sub-policy, and for each of its two operations whether, and in which direction
COLOURS = 3

SUB_POLICIES = (
    (("Invert", 0.1, None), ("Contrast", 0.2, 6)),
    (("Rotate", 0.7, 2), ("TranslateX", 0.3, 9)),
    (("Sharpness", 0.8, 1), ("Sharpness", 0.9, 3)),
    (("ShearY", 0.5, 8), ("TranslateY", 0.7, 9)),
    (("AutoContrast", 0.5, None), ("Equalize", 0.9, None)),
    (("ShearY", 0.2, 7), ("Posterize", 0.3, 7)),
    (("Color", 0.4, 3), ("Brightness", 0.6, 7)),
    (("Sharpness", 0.3, 9), ("Brightness", 0.7, 9)),
    (("Equalize", 0.6, None), ("Equalize", 0.5, None)),
    (("Contrast", 0.6, 7), ("Sharpness", 0.6, 5)),
    (("Color", 0.7, 7), ("TranslateX", 0.5, 8)),
    (("Equalize", 0.3, None), ("AutoContrast", 0.4, None)),
    (("TranslateY", 0.4, 3), ("Sharpness", 0.2, 6)),
    (("Brightness", 0.9, 6), ("Color", 0.2, 8)),
    (("Solarize", 0.5, 2), ("Invert", 0.0, None)),
    (("Equalize", 0.2, None), ("AutoContrast", 0.6, None)),
    (("Equalize", 0.2, None), ("Equalize", 0.6, None)),
    (("Color", 0.9, 9), ("Equalize", 0.6, None)),
    (("AutoContrast", 0.8, None), ("Solarize", 0.2, 8)),
    (("Brightness", 0.1, 3), ("Color", 0.7, 0)),
    (("Solarize", 0.4, 5), ("AutoContrast", 0.9, None)),
    (("TranslateY", 0.9, 9), ("TranslateY", 0.7, 9)),
    (("AutoContrast", 0.9, None), ("Solarize", 0.8, 3)),
    (("Equalize", 0.8, None), ("Invert", 0.1, None)),
    (("TranslateY", 0.7, 9), ("AutoContrast", 0.9, None)),
)


@dataclass(frozen=True)
class Kind:
    """An operation, and its amounts for the magnitudes 0 to 9.

    `has_sides`: the amount may have either sign. `moves`: it moves pixels, in all channels; others change colours.
    """

    operation: Operation
    amounts: tuple[float, ...] = (0.0,) * 10
    has_sides: bool = False
    moves: bool = False


def _upto(largest: float) -> tuple[float, ...]:
    return tuple(magnitude * largest / 10 for magnitude in range(10))


def _whole_upto(largest: int) -> tuple[float, ...]:
    return tuple(float(magnitude * largest // 10) for magnitude in range(10))


_ENHANCED = tuple(0.1 + amount for amount in _upto(1.8))

KINDS: Mapping[str, Kind] = {
    "ShearX": Kind(operations.shear_x, _upto(0.3), has_sides=True, moves=True),
    "ShearY": Kind(operations.shear_y, _upto(0.3), has_sides=True, moves=True),
    "TranslateX": Kind(operations.translate_x, _whole_upto(10), has_sides=True, moves=True),
    "TranslateY": Kind(operations.translate_y, _whole_upto(10), has_sides=True, moves=True),
    "Rotate": Kind(operations.rotate, _whole_upto(30), has_sides=True, moves=True),
    "AutoContrast": Kind(operations.auto_contrast),
    "Equalize": Kind(operations.equalize),
    "Invert": Kind(operations.invert),
    "Solarize": Kind(operations.solarize, tuple(256 - amount for amount in _whole_upto(256))),
    "Posterize": Kind(operations.posterize, tuple(4 - amount for amount in _whole_upto(4))),
    "Contrast": Kind(operations.contrast, _ENHANCED),
    "Color": Kind(operations.color, _ENHANCED),
    "Brightness": Kind(operations.brightness, _ENHANCED),
    "Sharpness": Kind(operations.sharpness, _ENHANCED),
}


@dataclass(frozen=True)
class Step:
    """One of the two operations of a sub-policy for each of n images: its name, whether it acts, and its amount."""

    names: NDArray[np.str_]
    acts: NDArray[np.bool_]
    amounts: NDArray[np.float64]


def steps(chances: NDArray[np.float64]) -> tuple[Step, Step]:
    """Choose the operations for n images from random numbers of shape (n, COLUMNS), uniform in [0, 1)."""
    which = (chances[:, 0] * len(SUB_POLICIES)).astype(np.int64)
    return _step(0, which, chances[:, 1], chances[:, 2]), _step(1, which, chances[:, 3], chances[:, 4])


def _step(slot: int, which: NDArray[np.int64], whether: NDArray[np.float64], side: NDArray[np.float64]) -> Step:
    chosen = [sub_policy[slot] for sub_policy in SUB_POLICIES]
    amounts = np.array([KINDS[name].amounts[magnitude or 0] for name, _, magnitude in chosen])
    has_sides = np.array([KINDS[name].has_sides for name, _, _ in chosen])
    return Step(
        names=np.array([name for name, _, _ in chosen])[which],
        acts=whether < np.array([probability for _, probability, _ in chosen])[which],
        amounts=np.where(has_sides[which] & (side < 0.5), -amounts[which], amounts[which]),
    )


def apply_policy(pictures: Tensor, chances: NDArray[np.float64]) -> Tensor:
    """Apply the policy.

    Parameters
    ----------
    pictures : torch.Tensor
        (n, C, H, W), whole numbers from 0 to 255. A fourth channel is only moved, not recoloured.
    chances : ndarray
        (n, COLUMNS), uniform in [0, 1).

    Returns
    -------
    torch.Tensor
        Of the same shape.
    """
    changed = pictures.clone()
    for step in steps(chances):
        for name in np.unique(step.names[step.acts]).tolist():
            places = np.flatnonzero(step.acts & (step.names == name))
            kind, rows = KINDS[name], torch.from_numpy(places).to(pictures.device)
            amounts = torch.from_numpy(step.amounts[places]).to(pictures.device)
            own = changed[rows]
            if kind.moves:
                own = kind.operation(own, amounts)
            else:
                own[:, :COLOURS] = kind.operation(own[:, :COLOURS], amounts)
            changed[rows] = own
    return changed
