"""How unsure a network is of averages of two training examples of one class.

Formula: 1 - mean probability that softmax gives to the label of (x + x') / 2, over pairs x, x' of one label. It
is 1 - accuracy on these mixtures, an ingredient of the winning solution, counted smoothly: networks trained
to the end on few data classify nearly every mixture, and plain accuracy would tie most of them at 1.
Source: Natekar and Sharma 2020, "Representation Based Complexity Measures for Predicting Generalization in
Deep Learning".
Pairs: example i of a class goes with the 1st, 2nd, ... next example of that class, around the circle, so that
every example is used equally often and every network sees the same pairs; nothing is drawn at random.
Cost: one forward pass over at most 4096 mixed inputs.
Higher: less certain between examples of one class, so a larger expected gap.
"""

import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

NAME = "Label-wise mixup"
SOURCE = "Natekar and Sharma 2020"
TRACK = "standard"

PAIRS = 4096
BATCH_SIZE = 256


def complexity(model: nn.Module, dataset: TensorDataset) -> float:
    """One minus the mean probability of the shared label. Raises ValueError where no class has two examples."""
    inputs, labels = dataset.tensors
    first, second = same_label_pairs(labels, PAIRS)
    if len(first) == 0:
        raise ValueError("no class of this training data has two examples, so there is nothing to mix")
    unsure = 0.0
    with torch.no_grad():
        for i, j in zip(torch.split(first, BATCH_SIZE), torch.split(second, BATCH_SIZE), strict=True):
            logits = model((inputs[i] + inputs[j]) / 2).double()
            unsure += float((1 - logits.softmax(dim=1).gather(1, labels[i][:, None])).sum())
    return unsure / len(first)


def same_label_pairs(labels: Tensor, limit: int) -> tuple[Tensor, Tensor]:
    """Indices of at most `limit` pairs of different examples with one label, spread evenly over examples."""
    first = second = labels.new_empty(0)
    for label in range(int(labels.max()) + 1):
        members = (labels == label).nonzero()[:, 0]
        # Shifts beyond half the circle give the same pairs again.
        shifts = min(len(members) // 2, max(1, limit // len(labels)))
        for shift in range(1, shifts + 1):
            first = torch.cat([first, members])
            second = torch.cat([second, members.roll(-shift)])
    every = max(1, -(-len(first) // limit))
    return first[::every], second[::every]
