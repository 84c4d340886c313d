"""AutoAugment's operations on batches of images, each image with its own amount.

They give exactly the results of Pillow's ImageOps, ImageEnhance and Image.transform, by which AutoAugment is defined.
Images are float32 of shape (n, C, H, W), whole numbers from 0 to 255, and so are the results; amounts are float64 of
shape (n,). Operations on colours need C = 3, those that move pixels work for any C. New pixels are 0.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

Operation = Callable[[Tensor, Tensor], Tensor]

_LEVELS = 256
_TOP = 255
_UNIT = 2**16  # Pillow finds pixels in fixed point with 16 bits behind the comma
_LUMA = (19595, 38470, 7471)  # ITU-R 601-2, in units of 1 / 65536
_SMOOTH = ((1, 1, 1), (1, 5, 1), (1, 1, 1))


def shear_x(pictures: Tensor, amounts: Tensor) -> Tensor:
    """Shift each row to the left by `amounts` times its distance from the top."""
    return _moved(pictures, 1, amounts, 0, 0, 1, 0)


def shear_y(pictures: Tensor, amounts: Tensor) -> Tensor:
    """Shift each column up by `amounts` times its distance from the left."""
    return _moved(pictures, 1, 0, 0, amounts, 1, 0)


def translate_x(pictures: Tensor, amounts: Tensor) -> Tensor:
    """Shift to the left by `amounts` pixels."""
    return _moved(pictures, 1, 0, amounts, 0, 1, 0)


def translate_y(pictures: Tensor, amounts: Tensor) -> Tensor:
    """Shift up by `amounts` pixels."""
    return _moved(pictures, 1, 0, 0, 0, 1, amounts)


def rotate(pictures: Tensor, amounts: Tensor) -> Tensor:
    """Rotate about the centre by `amounts` degrees, counterclockwise."""
    height, width = pictures.shape[2:]
    angles = -torch.deg2rad(amounts)
    cosines, sines = angles.cos(), angles.sin()
    x, y = width / 2, height / 2
    return _moved(pictures, cosines, sines, x - cosines * x - sines * y, -sines, cosines, y + sines * x - cosines * y)


def auto_contrast(pictures: Tensor, _amounts: Tensor) -> Tensor:
    """Stretch each channel so that its lowest level becomes 0 and its highest 255."""
    exact = pictures.double()
    low, high = exact.amin(dim=(2, 3), keepdim=True), exact.amax(dim=(2, 3), keepdim=True)
    scale = torch.full_like(low, _TOP) / (high - low).clamp(min=1)  # a number by a tensor would be its reciprocal's
    stretched = (exact * scale - low * scale).trunc().clamp(0, _TOP)
    return torch.where(high > low, stretched, exact).float()


def equalize(pictures: Tensor, _amounts: Tensor) -> Tensor:
    """Equalize the histogram of each channel."""
    levels = pictures.flatten(2).long()
    counts = torch.zeros(*levels.shape[:2], _LEVELS, dtype=torch.int64, device=pictures.device)
    counts.scatter_add_(2, levels, torch.ones_like(levels))
    highest = levels.amax(dim=2, keepdim=True)
    step = (levels.shape[2] - counts.gather(2, highest)) // _TOP
    below = counts.cumsum(dim=2) - counts
    spread = (step // 2 + below) // step.clamp(min=1)
    table = torch.where(step > 0, spread.clamp(max=_TOP), torch.arange(_LEVELS, device=pictures.device))
    return table.gather(2, levels).view(pictures.shape).float()


def invert(pictures: Tensor, _amounts: Tensor) -> Tensor:
    """Replace each level by 255 minus the level."""
    return _TOP - pictures


def solarize(pictures: Tensor, amounts: Tensor) -> Tensor:
    """Invert the levels from `amounts` on."""
    return torch.where(pictures < _each(amounts), pictures, _TOP - pictures)


def posterize(pictures: Tensor, amounts: Tensor) -> Tensor:
    """Keep only the `amounts` highest of the eight bits of each level."""
    unit = 2 ** (8 - _each(amounts))
    return pictures - pictures % unit


def contrast(pictures: Tensor, amounts: Tensor) -> Tensor:
    """Blend with the image's mean grey: an amount below 1 lowers the contrast, above 1 raises it."""
    means = _grey(pictures).double().mean(dim=(1, 2, 3), keepdim=True)
    return _blended((means + 0.5).floor().float(), pictures, amounts)


def color(pictures: Tensor, amounts: Tensor) -> Tensor:
    """Blend with the grey image: an amount below 1 lowers the saturation, above 1 raises it."""
    return _blended(_grey(pictures), pictures, amounts)


def brightness(pictures: Tensor, amounts: Tensor) -> Tensor:
    """Blend with black: an amount below 1 darkens, above 1 brightens."""
    return _blended(torch.zeros_like(pictures), pictures, amounts)


def sharpness(pictures: Tensor, amounts: Tensor) -> Tensor:
    """Blend with the smoothed image: an amount below 1 blurs, above 1 sharpens. The outermost pixels stay."""
    kernel = torch.tensor(_SMOOTH, dtype=torch.float64, device=pictures.device)
    flat = pictures.flatten(0, 1).unsqueeze(1).double()
    inner = functional.conv2d(flat, kernel.view(1, 1, 3, 3)) / kernel.sum()
    smooth = pictures.clone()
    smooth[:, :, 1:-1, 1:-1] = (inner + 0.5).floor().view(*pictures.shape[:2], *inner.shape[2:]).float()
    return _blended(smooth, pictures, amounts)


def _each(amounts: Tensor) -> Tensor:
    return amounts.float().view(-1, 1, 1, 1)


def _grey(pictures: Tensor) -> Tensor:
    """Compute the luma, (n, 1, H, W)."""
    weights = torch.tensor(_LUMA, dtype=torch.float64, device=pictures.device).view(1, 3, 1, 1)
    total = (pictures.double() * weights).sum(dim=1, keepdim=True)
    return ((total + _UNIT / 2) / _UNIT).floor().float()


def _blended(other: Tensor, pictures: Tensor, amounts: Tensor) -> Tensor:
    """Interpolate from `other` (amount 0) to the images (amount 1), and beyond."""
    return (other + _each(amounts) * (pictures - other)).clamp(0, _TOP).trunc()


def _moved(
    pictures: Tensor,
    a: Tensor | float,
    b: Tensor | float,
    c: Tensor | float,
    d: Tensor | float,
    e: Tensor | float,
    f: Tensor | float,
) -> Tensor:
    """Sample at (x, y) the pixel at (a x + b y + c, d x + e y + f), where pixel centres are half-integers."""
    height, width = pictures.shape[2:]
    x = torch.arange(width, device=pictures.device).view(1, 1, -1)
    y = torch.arange(height, device=pictures.device).view(1, -1, 1)

    def source(of_x: Tensor | float, of_y: Tensor | float, start: Tensor | float) -> Tensor:
        steps = [_fixed(value, pictures) for value in (of_x, of_y, start + of_x * 0.5 + of_y * 0.5)]
        return torch.div(steps[2] + steps[0] * x + steps[1] * y, _UNIT, rounding_mode="floor")

    columns, rows = source(a, b, c), source(d, e, f)
    is_inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    places = torch.where(is_inside, rows * width + columns, 0).flatten(1).unsqueeze(1)
    taken = pictures.flatten(2).gather(2, places.expand(-1, pictures.shape[1], -1)).view(pictures.shape)
    return taken * is_inside.unsqueeze(1)


def _fixed(value: Tensor | float, pictures: Tensor) -> Tensor:
    """Convert to Pillow's fixed-point numbers, (n, 1, 1)."""
    exact = torch.as_tensor(value, dtype=torch.float64, device=pictures.device).expand(len(pictures))
    return (exact * _UNIT + 0.5).floor().long().view(-1, 1, 1)
