"""Reads CIFAR-10 and CIFAR-100, in the binary and in the Python version."""

import pickle
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from model_zoo.training.datasets.dataset_files import BROKEN, DataFolder, Examples, Member, checked, damaged, joined

_SHAPE = (3, 32, 32)
_PIXELS = 3 * 32 * 32
_BROKEN_PICKLE = (pickle.UnpicklingError, AttributeError, *BROKEN)
# What the Python version's pickles name: arrays, and nothing else. NumPy 2 has moved the function elsewhere.
_KNOWN_GLOBALS = {
    ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
    ("numpy._core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


def cifar10(folder: DataFolder) -> tuple[Examples, Examples]:
    """Read 50000 images for training and 10000 for testing, in 10 classes. Raises ZooError."""
    batches = [f"data_batch_{number}" for number in range(1, 6)]
    return _read(folder, _Version("cifar-10", "batches-bin", "batches-py", b"labels", 1, 10), batches, "test_batch")


def cifar100(folder: DataFolder) -> tuple[Examples, Examples]:
    """Read 50000 images for training and 10000 for testing, in 100 fine classes. Raises ZooError."""
    return _read(folder, _Version("cifar-100", "binary", "python", b"fine_labels", 2, 100), ["train"], "test")


@dataclass(frozen=True)
class _Version:
    """How one of the two datasets is packed.

    binary, python: suffixes of the folders of the versions. key: of the labels in the pickles. label_bytes: the bytes
    before the pixels in the binary version, the last of which is the label.
    """

    name: str
    binary: str
    python: str
    key: bytes
    label_bytes: int
    classes: int


def _read(folder: DataFolder, version: _Version, train: list[str], test: str) -> tuple[Examples, Examples]:
    names = "|".join([*train, test])
    binary, python = f"{version.name}-{version.binary}", f"{version.name}-{version.python}"
    members = folder.members(
        (f"{version.name}-binary.tar.gz", f"{version.name}-python.tar.gz"),
        (binary, python),
        rf"(?:{binary}/({names})\.bin|{python}/({names}))",
    )
    parts: dict[str, Examples] = {}
    for member in members:
        of_binary, of_python = member.parts
        read = _of_python if of_binary is None else _of_binary
        parts[of_binary or of_python] = read(member, version)
    for needed in (*train, test):
        if needed not in parts:
            raise folder.missing(f"{needed} of {version.name}")
    return joined([parts[file] for file in train]), parts[test]


def _of_binary(member: Member, version: _Version) -> Examples:
    record = version.label_bytes + _PIXELS
    if not member.content or len(member.content) % record:
        raise damaged(member.name, f"{len(member.content)} bytes are no multiple of {record}")
    records = np.frombuffer(member.content, dtype=np.uint8).reshape(-1, record)
    pixels = records[:, version.label_bytes :].reshape(-1, *_SHAPE)
    return checked(member.name, pixels, records[:, version.label_bytes - 1], version.classes)


def _of_python(member: Member, version: _Version) -> Examples:
    try:
        batch: object = _ArraysOnly(BytesIO(member.content), encoding="bytes").load()
    except _BROKEN_PICKLE as error:
        raise damaged(member.name, str(error) or type(error).__name__) from None
    if not isinstance(batch, dict) or not isinstance(batch.get(b"data"), np.ndarray):
        raise damaged(member.name, "no array under data")
    data: NDArray[np.generic] = batch[b"data"]
    labels = batch.get(version.key)
    if data.dtype != np.uint8 or data.ndim != 2 or data.shape[1] != _PIXELS:
        raise damaged(member.name, f"data is {data.dtype} of shape {data.shape}, not uint8 of shape (n, {_PIXELS})")
    if not isinstance(labels, list) or not all(isinstance(label, int) for label in labels):
        raise damaged(member.name, f"no list of labels under {version.key.decode()}")
    pixels = data.astype(np.uint8).reshape(-1, *_SHAPE)
    return checked(member.name, pixels, np.array(labels), version.classes)


class _ArraysOnly(pickle.Unpickler):
    """An unpickler for NumPy arrays, lists, numbers and strings; any other class in a pickle is an error."""

    def find_class(self, module: str, name: str) -> object:
        """Return the class or function of a pickle, if CIFAR's files use it. Raises UnpicklingError for any other."""
        if (module, name) not in _KNOWN_GLOBALS:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which the distributed file does not")
        return _KNOWN_GLOBALS[module, name]
