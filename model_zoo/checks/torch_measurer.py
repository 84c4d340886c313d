"""Measures a zoo's networks with torch, for `python -m model_zoo.checks`."""

import time
from functools import cached_property
from itertools import chain

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from model_zoo import loading
from model_zoo.architectures import TrainingData
from model_zoo.checks.measured import Fit, Measured
from model_zoo.manifest import ZooError
from model_zoo.zoo import NetworkEntry, Zoo

_BATCH = 250


class Measurer:
    """Loads a zoo's networks and runs them on its data, which must be correct. May be called from several threads."""

    def __init__(self, zoo: Zoo) -> None:
        self._zoo = zoo

    @cached_property
    def _training(self) -> TrainingData:
        return loading.load_training_data(self._zoo)

    @cached_property
    def _test(self) -> TrainingData | None:
        return None if self._zoo.test_file is None else loading.load_test_data(self._zoo)

    def __call__(self, entry: NetworkEntry) -> Measured:
        """Measure one network."""
        try:
            network = loading.load_network(self._zoo, entry.id)
            for _ in chain(loading.load_siblings(self._zoo, entry.id), loading.load_trajectory(self._zoo, entry.id)):
                pass  # that each can be loaded is what matters
        except ZooError as fault:
            return Measured(load_fault=str(fault))
        train = _fit(network, self._training)
        if isinstance(train, str) or self._test is None:
            return Measured(logits_fault=train) if isinstance(train, str) else Measured(train=train)
        test = _fit(network, self._test)
        return Measured(train=train, logits_fault=test) if isinstance(test, str) else Measured(train, test)


def _fit(network: nn.Module, data: TrainingData) -> Fit | str:
    """Measure the network on the data, or say what is wrong with its logits."""
    begin = time.perf_counter()
    right, loss = 0, 0.0
    with torch.inference_mode():
        for inputs, labels in data.batches(_BATCH):
            try:
                logits = network(inputs)
            except (RuntimeError, ValueError, IndexError, TypeError) as fault:
                return f"On inputs of shape {tuple(inputs.shape)}: {fault}"
            if fault_found := _fault(logits, len(inputs), data.classes):
                return fault_found
            right += int((logits.argmax(dim=1) == labels).sum())
            loss += float(cross_entropy(logits, labels, reduction="sum"))
    count = len(data.labels)
    return Fit(right / count, loss / count, time.perf_counter() - begin)


def _fault(logits: object, examples: int, classes: int) -> str | None:
    if not isinstance(logits, Tensor):
        return f"The output is a {type(logits).__name__}, not a tensor of logits."
    if logits.shape != (examples, classes):
        return f"{examples} inputs give an output of shape {tuple(logits.shape)}, not {(examples, classes)}."
    if not bool(torch.isfinite(logits).all()):
        return "Some logits are nan or infinite."
    return None
