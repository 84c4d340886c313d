"""Loads the networks and data of an opened zoo as torch objects, with the code that the sandbox uses too."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from torch import Tensor, nn

from model_zoo import architectures
from model_zoo.architectures import ArchitectureError, TrainingData, WeightsError
from model_zoo.manifest import ARCHITECTURE_CODE, NETWORKS, ZooError
from model_zoo.zoo import NetworkEntry, Zoo

T = TypeVar("T")


def load_network(zoo: Zoo, network_id: str) -> nn.Module:
    """Load one network of a zoo.

    Parameters
    ----------
    zoo : Zoo
    network_id : str

    Returns
    -------
    torch.nn.Module
        In eval mode, mapping float32 inputs (n, C, H, W) to logits (n, classes). Its attribute `initial` is the same
        network with the weights from before training, or None where the zoo does not have them.

    Raises
    ------
    ZooError
        If there is no such network, a file is damaged, or the network is of the family "custom": the code that builds
        it runs only inside a sandbox.
    """
    entry = zoo.network(network_id)
    return _load(zoo, entry, entry.weights, entry.initial)


def load_siblings(zoo: Zoo, network_id: str) -> Iterator[nn.Module]:
    """Load a network's siblings: networks trained with the same hyperparameters from other seeds.

    Parameters
    ----------
    zoo : Zoo
    network_id : str

    Yields
    ------
    torch.nn.Module
        One sibling at a time, in eval mode; `initial` is None.

    Raises
    ------
    ZooError
        As for `load_network`.
    """
    entry = zoo.network(network_id)
    for weights in entry.siblings:
        yield _load(zoo, entry, weights, None)


def load_trajectory(zoo: Zoo, network_id: str) -> Iterator[tuple[float, nn.Module]]:
    """Load the states of a network that were saved during its training.

    Parameters
    ----------
    zoo : Zoo
    network_id : str

    Yields
    ------
    epoch : float
        Number of epochs after which the weights were saved, ascending.
    network : torch.nn.Module
        The network with those weights, in eval mode; `initial` is None.

    Raises
    ------
    ZooError
        As for `load_network`.
    """
    entry = zoo.network(network_id)
    for epoch, weights in entry.trajectory:
        yield epoch, _load(zoo, entry, weights, None)


def load_training_data(zoo: Zoo) -> TrainingData:
    """Load the training data of a zoo.

    Returns
    -------
    TrainingData
        Inputs float32 (n, C, H, W) and labels int64 (n,).

    Raises
    ------
    ZooError
        If the file is missing or damaged.
    """
    return _data(zoo, zoo.training_file)


def load_test_data(zoo: Zoo) -> TrainingData:
    """Load the labelled test data of a zoo.

    Returns
    -------
    TrainingData
        Inputs float32 (n, C, H, W) and labels int64 (n,).

    Raises
    ------
    ZooError
        If the zoo has no test data, or the file is damaged.
    """
    if zoo.test_file is None:
        raise ZooError(f"{zoo.folder}: this zoo carries no test data")
    return _data(zoo, zoo.test_file)


def load_unlabelled_inputs(zoo: Zoo) -> Tensor:
    """Load the test inputs that measures of the extended track may use.

    Returns
    -------
    torch.Tensor
        Float32, (n, C, H, W).

    Raises
    ------
    ZooError
        If the zoo has no unlabelled inputs, or the file is damaged.
    """
    if zoo.unlabelled_file is None:
        raise ZooError(f"{zoo.folder}: this zoo carries no unlabelled inputs")
    return read_file(zoo.unlabelled_file, architectures.load_inputs)


def read_file(path: Path, read: Callable[[int], T]) -> T:
    """Read a safetensors file with a function that takes its descriptor.

    Raises
    ------
    ZooError
        If the file cannot be opened, or `read` raises a WeightsError.
    """
    try:
        with _opened(path) as fd:
            return read(fd)
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


def _data(zoo: Zoo, path: Path) -> TrainingData:
    return read_file(path, lambda fd: architectures.load_training_data(fd, zoo.manifest.classes))


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
