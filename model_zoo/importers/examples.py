"""Labelled examples on disk, mapped into memory, so that an import never loads a whole dataset.

PGDL's TFRecord shards are first copied into one file of plain numbers.
"""

import array
import mmap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model_zoo.importers.plain_files import plain_file, plain_folder
from model_zoo.importers.tensorflow_files.protobuf import WireError, example_features, parse_tensor
from model_zoo.importers.tensorflow_files.tfrecord import records
from model_zoo.manifest import ZooError

_INPUTS = "inputs"
_LABEL = "output"
_SHARDS = "shard_*.tfrecord"


@dataclass(frozen=True)
class Examples:
    """Labelled examples.

    Attributes
    ----------
    inputs : ndarray
        float32, (n, C, H, W).
    labels : ndarray
        int64, (n,).
    place : Path
        Where they come from, for messages.
    mapping : mmap or None
        Set if the inputs are mapped from a file that belongs to this import.
    """

    inputs: NDArray[np.float32]
    labels: NDArray[np.int64]
    place: Path
    mapping: mmap.mmap | None = None

    def __len__(self) -> int:
        """Return the number of examples."""
        return len(self.labels)

    def batches(self, size: int) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int64]]]:
        """Iterate over copies of at most `size` inputs and labels, in order."""
        for start in range(0, len(self), size):
            yield np.array(self.inputs[start : start + size]), self.labels[start : start + size]
            self.release()

    def release(self) -> None:
        """Free the memory of mapped inputs; they are read from the file again when needed."""
        if self.mapping is not None:
            self.mapping.madvise(mmap.MADV_DONTNEED)

    def require_labels_below(self, classes: int) -> None:
        """Raise ZooError if a label is not a class."""
        least, most = int(self.labels.min()), int(self.labels.max())
        if least < 0 or most >= classes:
            raise ZooError(f"{self.place}: labels are {least} to {most}, but the networks have {classes} classes")


def checked_examples(inputs: NDArray[np.float32], labels: NDArray[np.int64], place: Path) -> Examples:
    """Make examples of arrays after checking that they are finite and fit together. Raises ZooError naming `place`."""
    if len(inputs) != len(labels) or labels.ndim != 1 or not len(labels):
        raise ZooError(f"{place}: inputs {inputs.shape} and labels {labels.shape} do not belong together")
    if not np.isfinite(inputs).all():
        raise ZooError(f"{place}: an input is not finite")
    return Examples(inputs, labels, place)


def spool_shards(folder: Path, shape: tuple[int, int, int], spool: Path) -> Examples:
    """Copy the examples of TFRecord shards into one file, and map it.

    Parameters
    ----------
    folder : Path
        With the shards, which are read in the order of their names and have inputs (H, W, C).
    shape : tuple of int
        (C, H, W) of each input.
    spool : Path
        New file for the inputs.

    Returns
    -------
    examples : Examples

    Raises
    ------
    ZooError
        If a record is wrong; the message names shard and record.
    OSError
        If `spool` cannot be written.
    """
    shards = [plain_file(path) for path in sorted(plain_folder(folder).glob(_SHARDS))]
    labels = array.array("q")
    with spool.open("wb") as file:
        for shard in shards:
            for number, record in enumerate(records(shard)):
                try:
                    picture, label = _example(record, shape)
                except WireError as error:
                    raise ZooError(f"{shard}: record {number}: {error}") from None
                file.write(picture.tobytes())
                labels.append(label)
    if not labels:
        raise ZooError(f"{folder}: no example in files {_SHARDS} here; fetch the dataset again")
    with spool.open("rb") as file:
        mapping = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    inputs = np.frombuffer(mapping, np.float32).reshape(len(labels), *shape)
    return Examples(inputs, np.array(labels, np.int64), folder, mapping)


def _example(record: bytes, shape: Sequence[int]) -> tuple[NDArray[np.float32], int]:
    features = example_features(record)
    if missing := [name for name in (_INPUTS, _LABEL) if name not in features]:
        raise WireError(f"no bytes feature {missing[0]!r}; it has {sorted(features)}")
    inputs, label = parse_tensor(features[_INPUTS]), parse_tensor(features[_LABEL])
    channels, rows, columns = shape
    if inputs.dtype.kind != "f" or inputs.shape != (rows, columns, channels):
        raise WireError(
            f"{_INPUTS} is {inputs.dtype.name} of shape {inputs.shape}, but the networks take float32 of "
            f"{(rows, columns, channels)}"
        )
    if label.dtype.kind != "i" or label.size != 1:
        raise WireError(f"{_LABEL} is {label.dtype.name} of shape {label.shape}, not one integer")
    if not np.isfinite(inputs).all():
        raise WireError(f"{_INPUTS} has a number that is not finite")
    return np.ascontiguousarray(inputs.transpose(2, 0, 1)), int(label.reshape(-1)[0])
