"""Networks and data of an opened zoo for tests, tools and checks, by the very code that a sandbox uses."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from torch import nn

from model_zoo import architectures
from model_zoo.architectures import ArchitectureError, TrainingData, WeightsError
from model_zoo.manifest import NETWORKS, ZooError
from model_zoo.zoo import Zoo


def load_network(zoo: Zoo, network_id: str) -> nn.Module:
    """The network `network_id` in eval mode, with `.initial` (a module or None). Raises ZooError."""
    entry = zoo.network(network_id)
    try:
        with _opened(entry.weights) as weights:
            if entry.initial is None:
                return architectures.load_network(entry.architecture, weights, None)
            with _opened(entry.initial) as initial:
                return architectures.load_network(entry.architecture, weights, initial)
    except ArchitectureError as error:
        raise ZooError(f"{zoo.folder / NETWORKS}: network {network_id}: {error}") from None
    except WeightsError as error:
        raise ZooError(f"{entry.weights} or its initial weights: {error}") from None


def training_data(zoo: Zoo) -> TrainingData:
    """The zoo's training inputs (n, C, H, W) and labels (n,). Raises ZooError."""
    return _data(zoo.training_data, zoo.manifest.classes)


def test_data(zoo: Zoo) -> TrainingData:
    """The zoo's test inputs and labels, in the same shape. Raises ZooError where the zoo carries none."""
    if zoo.test_data is None:
        raise ZooError(f"{zoo.folder}: this zoo carries no test data")
    return _data(zoo.test_data, zoo.manifest.classes)


def _data(path: Path, classes: int) -> TrainingData:
    try:
        with _opened(path) as fd:
            return architectures.load_training_data(fd, classes)
    except WeightsError as error:
        raise ZooError(f"{path}: {error}") from None


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise ZooError(f"{path}: {error.strerror}") from None
    try:
        yield fd
    finally:
        os.close(fd)
