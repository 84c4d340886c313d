"""Checks of a zoo's data files: shapes, labels, finite numbers, and no test example among the training examples.

A few rows are read at a time, and only their digests are kept.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model_zoo.checks.report import Item, error, ok, some, warning
from model_zoo.checks.safetensors_reader import opened
from model_zoo.manifest import ZooError
from model_zoo.zoo import Zoo

_DIGEST_BYTES = 16


@dataclass(frozen=True)
class DataFound:
    """What is in one data file.

    Attributes
    ----------
    rows : list of bytes
        Digest of each input, in order.
    labels : ndarray or None
        None where the file has none.
    """

    names: tuple[str, ...]
    shape: tuple[int, ...]
    labels: NDArray[np.int64] | None
    rows: tuple[bytes, ...]
    infinite: int


def data_items(zoo: Zoo, test_size: int | None) -> Iterator[Item]:
    """Check all data files of a zoo.

    Parameters
    ----------
    zoo : Zoo
    test_size : int or None
        Number of test examples according to the truth, where it is known.

    Yields
    ------
    Item
    """
    training = _read(zoo.training_file)
    yield fits("training data", zoo, training)
    if zoo.test_file is not None:
        test = _read(zoo.test_file)
        yield fits("test data", zoo, test, test_size)
        yield no_overlap(training, test)
    if zoo.unlabelled_file is not None:
        yield unlabelled(zoo, _read(zoo.unlabelled_file))


def examples(path: Path) -> int:
    """Count the inputs in a data file. Raises ZooError."""
    with opened(path) as file:
        return file.shape("inputs")[0] if "inputs" in file.names else 0


def fits(name: str, zoo: Zoo, found: DataFound | ZooError, size: int | None = None) -> Item:
    """Check that inputs are finite and have the manifest's shape, and that labels and number are as they should be."""
    if isinstance(found, ZooError):
        return error(name, f"{found}.", "Rewrite the file.")
    faults: list[str] = []
    classes = zoo.manifest.classes
    if found.names != ("inputs", "labels") or found.labels is None:
        faults.append(f"it holds the tensors {some(found.names)}, not inputs and labels")
    if list(found.shape[1:]) != zoo.manifest.input_shape:
        faults.append(
            f"its inputs have the shape {list(found.shape[1:])}, the manifest says {zoo.manifest.input_shape}"
        )
    if found.infinite:
        faults.append(f"{found.infinite} inputs hold numbers that are not finite")
    labels = found.labels
    if labels is not None and labels.shape != found.shape[:1]:
        faults.append(f"there are {len(found.rows)} inputs and {labels.size} labels")
    if labels is not None and labels.size and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        faults.append(f"labels are from {labels.min()} to {labels.max()}, not from 0 to {classes - 1}")
    if size is not None and size != len(found.rows):
        faults.append(f"it has {len(found.rows)} examples, but the truth was measured on {size}")
    if faults:
        return error(name, f"The {name} do not fit: {'; '.join(faults)}.", "Rewrite the file, or correct the manifest.")
    assert labels is not None
    absent = sorted(set(range(classes)) - set(labels.tolist()))
    if absent:
        return warning(
            name,
            f"No example of the class{'' if len(absent) == 1 else 'es'} {some(absent)} among {len(labels)}.",
            "Take more examples, or count only the classes that occur.",
        )
    return ok(name, f"{len(labels)} examples of shape {' × '.join(map(str, found.shape[1:]))}, {classes} classes.")


def no_overlap(training: DataFound | ZooError, test: DataFound | ZooError) -> Item:
    """Check that no test input is among the training inputs."""
    name = "overlap"
    if isinstance(training, ZooError) or isinstance(test, ZooError):
        return warning(name, "Not looked at: the data cannot be read.", "Correct the data first.")
    seen = set(training.rows)
    shared = sum(row in seen for row in test.rows)
    if shared:
        return warning(
            name,
            f"{shared} of {len(test.rows)} test inputs are also training inputs.",
            "Leave them out of the test set and measure again: they make the gap look smaller.",
        )
    return ok(name, f"None of the {len(test.rows)} test inputs is a training input.")


def unlabelled(zoo: Zoo, found: DataFound | ZooError) -> Item:
    """Check that the unlabelled inputs come without labels, which would be those of the test set."""
    name = "unlabelled data"
    if isinstance(found, ZooError):
        return error(name, f"{found}.", "Rewrite the file.")
    if found.names != ("inputs",):
        return error(
            name,
            f"The file of unlabelled inputs holds the tensors {some(found.names)}.",
            "Write it with inputs alone: anything else could reveal the labels.",
        )
    if list(found.shape[1:]) != zoo.manifest.input_shape or found.infinite:
        return error(
            name,
            f"{found.infinite} inputs are not finite; the shape is {list(found.shape[1:])}, "
            f"the manifest says {zoo.manifest.input_shape}.",
            "Rewrite the file.",
        )
    return ok(name, f"{len(found.rows)} inputs without labels.")


def _read(path: Path) -> DataFound | ZooError:
    rows: list[bytes] = []
    infinite = 0
    try:
        with opened(path) as file:
            names = tuple(file.names)
            if "inputs" not in names:
                return DataFound(names, (), None, (), 0)
            for part in file.parts("inputs"):
                infinite += int((~np.isfinite(part.reshape(len(part), -1)).all(axis=1)).sum())
                rows += (
                    hashlib.blake2b(np.ascontiguousarray(row).data, digest_size=_DIGEST_BYTES).digest() for row in part
                )
            labels = file.tensor("labels") if "labels" in names else None
            return DataFound(names, file.shape("inputs"), labels, tuple(rows), infinite)
    except ZooError as fault:
        return fault
