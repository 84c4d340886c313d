"""The training data as helpers and measures go through them: a choice of examples, and batches.

`BATCH_SIZE` is how many examples go through a network at once, everywhere in this package. It bounds memory and
changes no value.
"""

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor

BATCH_SIZE = 256


class Dataset(Protocol):
    """What a measure gets as `dataset`."""

    @property
    def inputs(self) -> Tensor:
        """All inputs: float32 of shape (n, C, H, W)."""

    @property
    def labels(self) -> Tensor:
        """All labels: int64 of shape (n,), from 0 to classes - 1."""

    classes: int

    def batches(self, batch_size: int = 256) -> Iterator[tuple[Tensor, Tensor]]:
        """(inputs, labels) of at most `batch_size` examples at a time, in order."""


def some(dataset: Dataset, limit: int) -> tuple[Tensor, Tensor]:
    """Inputs and labels of at most `limit` examples, in the data's order; the same ones for every network.

    Drawn by a generator of its own, which leaves torch's alone. Not every k-th: data may repeat their classes in turn.
    """
    count = len(dataset.labels)
    if count <= limit:
        return dataset.inputs, dataset.labels
    chosen = torch.randperm(count, generator=torch.Generator().manual_seed(0))[:limit].sort().values
    return dataset.inputs[chosen], dataset.labels[chosen]


def some_of_each_class(dataset: Dataset, per_class: int) -> tuple[Tensor, Tensor]:
    """Inputs and labels of at most `per_class` examples of each class, class by class, at even distances within it."""
    chosen = []
    for label in range(dataset.classes):
        members = (dataset.labels == label).nonzero()[:, 0]
        chosen.append(members[evenly(len(members), per_class)])
    order = torch.cat(chosen)
    return dataset.inputs[order], dataset.labels[order]


def evenly(count: int, limit: int) -> Tensor:
    """`limit` of the indices 0 to count - 1, or all of them where there are fewer, at even distances."""
    if count <= limit:
        return torch.arange(count)
    return torch.arange(limit) * count // limit


def small_batches(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """`batches` of a quarter of the size, for work that holds activations with their gradients in double precision."""
    return batches(*tensors, size=max(1, BATCH_SIZE // 4))


def batches(*tensors: Tensor, size: int | None = None) -> Iterator[tuple[Tensor, ...]]:
    """The tensors' rows, `size` (default: `BATCH_SIZE`) at a time, in order."""
    return zip(*(torch.split(tensor, size or BATCH_SIZE) for tensor in tensors), strict=True)
