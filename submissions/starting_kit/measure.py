"""Your measure: say here what it looks at, and why that should tell how well a network generalizes."""

import torch
from gengap_measures import Dataset
from torch import nn


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """One finite number for one trained network. Higher means: a larger expected generalization gap.

    model: the trained network, in eval mode; `model.initial` is the same network before training, or None.
    dataset: its training data; `dataset.inputs` float32 of shape (n, C, H, W), `dataset.labels` int64 of shape (n,),
    `dataset.classes` their number, `dataset.batches()` iterates over (inputs, labels).
    """
    confidences = []
    with torch.no_grad():
        for inputs, labels in dataset.batches():
            probabilities = model(inputs).softmax(dim=1)
            confidences.append(probabilities.gather(1, labels[:, None]))
    return 1.0 - float(torch.cat(confidences).mean())
