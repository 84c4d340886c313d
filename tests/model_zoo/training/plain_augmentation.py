"""Augmentation written out for one picture after another, with Pillow and slices: slow, and plainly right."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps
from torch import Tensor

from model_zoo.recipes import RecipeAugmentation
from model_zoo.training.augmentation import chances
from model_zoo.training.augmentation.policy import SUB_POLICIES

Bytes = NDArray[np.uint8]
OneOperation = Callable[[Image.Image, float], Image.Image]


def _affine(*matrix: float) -> Callable[[Image.Image], Image.Image]:
    return lambda image: image.transform(image.size, Image.Transform.AFFINE, matrix)


MOVING: dict[str, OneOperation] = {
    "ShearX": lambda image, amount: _affine(1, amount, 0, 0, 1, 0)(image),
    "ShearY": lambda image, amount: _affine(1, 0, 0, amount, 1, 0)(image),
    "TranslateX": lambda image, amount: _affine(1, 0, amount, 0, 1, 0)(image),
    "TranslateY": lambda image, amount: _affine(1, 0, 0, 0, 1, amount)(image),
    "Rotate": lambda image, amount: image.rotate(amount),
}
COLOURING: dict[str, OneOperation] = {
    "AutoContrast": lambda image, _: ImageOps.autocontrast(image),
    "Equalize": lambda image, _: ImageOps.equalize(image),
    "Invert": lambda image, _: ImageOps.invert(image),
    "Solarize": lambda image, amount: ImageOps.solarize(image, int(amount)),
    "Posterize": lambda image, amount: ImageOps.posterize(image, int(amount)),
    "Contrast": lambda image, amount: ImageEnhance.Contrast(image).enhance(amount),
    "Color": lambda image, amount: ImageEnhance.Color(image).enhance(amount),
    "Brightness": lambda image, amount: ImageEnhance.Brightness(image).enhance(amount),
    "Sharpness": lambda image, amount: ImageEnhance.Sharpness(image).enhance(amount),
}


def amount_of(name: str, magnitude: int) -> float:
    """What AutoAugment's authors' program makes of a magnitude, unsigned."""
    match name:
        case "ShearX" | "ShearY":
            return magnitude * 0.3 / 10
        case "TranslateX" | "TranslateY":
            return int(magnitude * 10 / 10)
        case "Rotate":
            return int(magnitude * 30 / 10)
        case "Solarize":
            return 256 - int(magnitude * 256 / 10)
        case "Posterize":
            return 4 - int(magnitude * 4 / 10)
        case _:
            return magnitude * 1.8 / 10 + 0.1


def changed_alone(picture: Bytes, name: str, amount: float) -> Bytes:
    """One picture (C, H, W) after one operation; a fourth channel is only moved."""
    colours, others = picture[:3], picture[3:]
    operation = MOVING.get(name) or COLOURING[name]
    image = Image.fromarray(np.ascontiguousarray(colours.transpose(1, 2, 0)))
    changed = np.asarray(operation(image, amount)).transpose(2, 0, 1)
    if name in MOVING:
        others = np.array([np.asarray(operation(Image.fromarray(other), amount)) for other in others], np.uint8)
    return np.concatenate([changed, others.reshape(-1, *changed.shape[1:])])


def augmented_alone(inputs: Tensor, rules: RecipeAugmentation, seed: int, step: int) -> Tensor:
    """What one network sees of its batch (B, C, H, W) in a step."""
    drawn = chances(seed, step, len(inputs))
    return torch.stack([_one(picture, rules, own) for picture, own in zip(inputs, drawn.tolist(), strict=True)])


def _one(picture: Tensor, rules: RecipeAugmentation, own: list[float]) -> Tensor:
    by_policy, flip, row, column, which, *operations = own
    if rules.policy is not None and by_policy < rules.policy_share:
        levels = np.rint(picture.numpy() * 255).astype(np.uint8)
        sub_policy = SUB_POLICIES[int(which * len(SUB_POLICIES))]
        for (name, probability, magnitude), (whether, side) in zip(
            sub_policy, (operations[:2], operations[2:]), strict=True
        ):
            if whether < probability:
                amount = amount_of(name, magnitude or 0)
                levels = changed_alone(levels, name, -amount if name in MOVING and side < 0.5 else amount)
        picture = torch.from_numpy(levels.astype(np.float32) / np.float32(255))
    if rules.flip and flip < 0.5:
        picture = picture.flip(2)
    padding, (_, height, width) = rules.crop_padding, picture.shape
    padded = torch.zeros(len(picture), height + 2 * padding, width + 2 * padding)
    padded[:, padding : padding + height, padding : padding + width] = picture
    top, left = int(row * (2 * padding + 1)), int(column * (2 * padding + 1))
    return padded[:, top : top + height, left : left + width]
