"""Reads datasets with one array per file: SVHN in MATLAB's format and Fashion-MNIST in idx format."""

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model_zoo.training.datasets.dataset_files import DataFolder, Examples, checked, damaged, read_gzip, read_matlab

_CLASSES = 10
_UNSIGNED_BYTES = 8


def svhn(folder: DataFolder) -> tuple[Examples, Examples]:
    """Read the cropped digits: 73257 for training, 26032 for testing; the extra set is not used. Raises ZooError."""
    return _of_matlab(folder.file("train_32x32.mat")), _of_matlab(folder.file("test_32x32.mat"))


def fashion_mnist(folder: DataFolder) -> tuple[Examples, Examples]:
    """Read 60000 images of 28×28 pixels for training, 10000 for testing. Raises ZooError."""
    return _of_idx(folder, "train"), _of_idx(folder, "t10k")


def _of_matlab(path: Path) -> Examples:
    pixels, labels = read_matlab(path, "X", "y")
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[:3] != (32, 32, 3):
        raise damaged(path, f"X is {pixels.dtype} of shape {pixels.shape}, not uint8 of shape (32, 32, 3, n)")
    digits = labels.astype(np.int64)
    # A zero is labelled 10 in these files.
    return checked(
        path, pixels.astype(np.uint8).transpose(3, 2, 0, 1), np.where(digits == _CLASSES, 0, digits), _CLASSES
    )


def _of_idx(folder: DataFolder, which: str) -> Examples:
    images = folder.file(f"{which}-images-idx3-ubyte.gz", f"{which}-images-idx3-ubyte")
    labels = folder.file(f"{which}-labels-idx1-ubyte.gz", f"{which}-labels-idx1-ubyte")
    pixels = _array(images, 3)
    if pixels.shape[1:] != (28, 28):
        raise damaged(images, f"images of shape {pixels.shape[1:]}")
    return checked(labels, pixels[:, np.newaxis], _array(labels, 1), _CLASSES)


def _array(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """Read the array of unsigned bytes in an idx file: 0, 0, type, dimensions; the shape, big-endian; the values."""
    content = read_gzip(path)
    start = 4 + 4 * dimensions
    if len(content) < start or content[:4] != bytes((0, 0, _UNSIGNED_BYTES, dimensions)):
        raise damaged(path, f"no idx file of bytes in {dimensions} dimensions")
    shape = struct.unpack(f">{dimensions}I", content[4:start])
    size = int(np.prod(shape, dtype=np.float64))
    if len(content) - start != size:
        raise damaged(path, f"{len(content) - start} bytes do not hold the shape {shape}")
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape)
