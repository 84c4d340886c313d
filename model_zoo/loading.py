"""Networks and data of an opened zoo for tests, tools and checks, by the very code that a sandbox uses."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from torch import Tensor, nn

from model_zoo import architectures
from model_zoo.architectures import ArchitectureError, TrainingData, WeightsError
from model_zoo.manifest import ARCHITECTURE_CODE, NETWORKS, ZooError
from model_zoo.zoo import NetworkEntry, Zoo


def load_network(zoo: Zoo, network_id: str) -> nn.Module:
    """The network `network_id` in eval mode, with `.initial` (a module or None). Raises ZooError.

    It does so for a network of the family "custom" too: the code that builds it runs only inside a sandbox.
    """
    entry = zoo.network(network_id)
    return _load(zoo, entry, entry.weights, entry.initial)


def load_siblings(zoo: Zoo, network_id: str) -> Iterator[nn.Module]:
    """The network's siblings one after another, each in eval mode, `.initial` None. Raises ZooError."""
    entry = zoo.network(network_id)
    for weights in entry.siblings:
        yield _load(zoo, entry, weights, None)


def load_trajectory(zoo: Zoo, network_id: str) -> Iterator[tuple[float, nn.Module]]:
    """Epochs and the network as it was after them, one after another in order, `.initial` None. Raises ZooError."""
    entry = zoo.network(network_id)
    for epoch, weights in entry.trajectory:
        yield epoch, _load(zoo, entry, weights, None)


def load_training_data(zoo: Zoo) -> TrainingData:
    """The zoo's training inputs (n, C, H, W) and labels (n,). Raises ZooError."""
    return _data(zoo.training_file, zoo.manifest.classes)


def load_test_data(zoo: Zoo) -> TrainingData:
    """The zoo's test inputs and labels, in the same shape. Raises ZooError where the zoo carries none."""
    if zoo.test_file is None:
        raise ZooError(f"{zoo.folder}: this zoo carries no test data")
    return _data(zoo.test_file, zoo.manifest.classes)


def load_unlabelled_inputs(zoo: Zoo) -> Tensor:
    """Test inputs (n, C, H, W) without labels. Raises ZooError where the zoo carries none."""
    path = zoo.unlabelled_file
    if path is None:
        raise ZooError(f"{zoo.folder}: this zoo carries no unlabelled inputs")
    try:
        with _opened(path) as fd:
            return architectures.load_inputs(fd)
    except WeightsError as error:
        raise ZooError(f"{path}: {error}") from None


def _load(zoo: Zoo, entry: NetworkEntry, weights_file: Path, initial_file: Path | None) -> nn.Module:
    if entry.is_custom:
        raise ZooError(
            f"{zoo.folder / ARCHITECTURE_CODE}: builds network {entry.id}, and runs only inside a sandbox; "
            "look at the network with a measure (gengap evaluate), or check the zoo (gengap zoo check)"
        )
    try:
        with _opened(weights_file) as weights:
            if initial_file is None:
                return architectures.load_network(entry.architecture, weights, None)
            with _opened(initial_file) as initial:
                return architectures.load_network(entry.architecture, weights, initial)
    except ArchitectureError as error:
        raise ZooError(f"{zoo.folder / NETWORKS}: network {entry.id}: {error}") from None
    except WeightsError as error:
        raise ZooError(f"{weights_file} or its initial weights: {error}") from None


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
