"""Augmentations of images, (n, C, H, W) of numpy, after their descriptions in the measures' files."""

import numpy as np

from tests.baselines.transcriptions.plain import Array


def flip(images: Array) -> Array:
    return images[..., ::-1].copy()


def saturate(images: Array) -> Array:
    """Twice as far from grey; a one-channel image: from its own mean."""
    axes = (2, 3) if images.shape[1] == 1 else (1,)
    grey: Array = images.mean(axis=axes, keepdims=True)
    return 2 * images - grey


def resized(images: Array, rows: int, columns: int) -> Array:
    """Bilinear, pixels as squares: the middle of a new pixel lies where it would in the old image."""

    def weights(old: int, new: int) -> Array:
        places = np.maximum((np.arange(new) + 0.5) * old / new - 0.5, 0)
        low = np.minimum(np.floor(places).astype(int), old - 1)
        high = np.minimum(low + 1, old - 1)
        found = np.zeros((new, old))
        found[np.arange(new), low] += 1 - (places - low)
        found[np.arange(new), high] += places - low
        return found

    down, across = weights(images.shape[2], rows), weights(images.shape[3], columns)
    found: Array = np.einsum("ri,ncij,sj->ncrs", down, images, across)
    return found


def crop(images: Array, part: float = 0.8) -> Array:
    """The middle part of each side, stretched."""
    rows, columns = images.shape[2:]
    high, wide = max(1, round(part * rows)), max(1, round(part * columns))
    top, left = (rows - high) // 2, (columns - wide) // 2
    return resized(images[:, :, top : top + high, left : left + wide], rows, columns)


def slopes(images: Array) -> tuple[Array, Array]:
    """Sobel derivatives down and across, edges repeated."""
    around = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
    smooth_rows = around[:, :, :-2] + 2 * around[:, :, 1:-1] + around[:, :, 2:]
    smooth_columns = around[..., :-2] + 2 * around[..., 1:-1] + around[..., 2:]
    return smooth_columns[:, :, 2:] - smooth_columns[:, :, :-2], smooth_rows[..., 2:] - smooth_rows[..., :-2]


def edges(images: Array) -> Array:
    return np.hypot(*slopes(images))


def brighter(images: Array) -> Array:
    """By a fifth of each image's range."""
    ranges: Array = np.ptp(images, axis=(1, 2, 3), keepdims=True)
    return images + ranges / 5


def erase(images: Array) -> Array:
    """The middle quarter of each side becomes the image's mean."""
    found = images.copy()
    rows, columns = images.shape[2:]
    high, wide = max(1, round(rows / 4)), max(1, round(columns / 4))
    top, left = (rows - high) // 2, (columns - wide) // 2
    found[:, :, top : top + high, left : left + wide] = images.mean(axis=(1, 2, 3), keepdims=True)
    return found
