"""Reads safetensors files without torch: headers, and tensors one at a time.

The sandbox has a reader of its own, in `model_zoo.architectures`.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from model_zoo.manifest import ZooError

Tensor = NDArray[Any]
_ROWS = 2048


class TensorFile:
    """An open safetensors file."""

    def __init__(self, path: Path, file: Any) -> None:
        self._path = path
        self._file = file

    @property
    def metadata(self) -> Mapping[str, str]:
        """The texts that the program which saved the file put into its header."""
        return dict(self._file.metadata() or {})

    @property
    def names(self) -> list[str]:
        """The names of the tensors, sorted."""
        return sorted(self._file.keys())

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a tensor."""
        return tuple(self._file.get_slice(name).get_shape())

    def tensor(self, name: str) -> Tensor:
        """Read a whole tensor. Raises ZooError for a dtype that numpy does not have."""
        try:
            return np.asarray(self._file.get_tensor(name))
        except (SafetensorError, TypeError, AttributeError, KeyError) as fault:
            raise ZooError(f"{self._path}: the tensor {name!r} cannot be read: {fault}") from None

    def parts(self, name: str) -> Iterator[Tensor]:
        """Read a tensor of shape (n, …) a few rows at a time."""
        part = self._file.get_slice(name)
        count = self.shape(name)[0]
        for start in range(0, count, _ROWS):
            yield np.asarray(part[start : min(start + _ROWS, count)])


@contextmanager
def opened(path: Path) -> Iterator[TensorFile]:
    """Open a safetensors file while the block runs. Raises ZooError if it is damaged."""
    try:
        with safe_open(path, framework="numpy") as file:
            yield TensorFile(path, file)
    except (SafetensorError, OSError) as fault:
        raise ZooError(f"{path}: not a whole safetensors file: {fault}; make or fetch the zoo again") from None
