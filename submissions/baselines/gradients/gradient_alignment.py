"""How well the gradients of training examples of one class agree.

Formula: minus the mean over classes of the mean cosine between the gradients of two different examples of the
class, in all parameters.
Source: Mehta, Cutkosky and Neyshabur 2021, "Extreme Memorization via Scale of Initialization" (alignment of
gradients).
Cost: the gradients of at most 200 training examples, one by one, and their inner products.
Higher: examples of one class that pull in different directions, so a larger expected gap.
"""

import torch
from gengap_measures import Dataset, gradient_gram, some_of_each_class
from torch import nn

NAME = "Gradient alignment"
SOURCE = "Mehta et al. 2021"
TRACK = "standard"
COST = "m"

EXAMPLES = 200


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """Minus the mean cosine, from -1 to 1. Raises ValueError where no class has two examples."""
    inputs, labels = some_of_each_class(dataset, max(2, EXAMPLES // dataset.classes))
    gram = gradient_gram(model, inputs, labels)
    lengths = gram.diagonal().clamp(min=1e-30).sqrt()
    cosines = gram / lengths / lengths[:, None]
    means = []
    for label in torch.unique(labels):
        own = labels == label
        count = int(own.sum())
        if count > 1:
            block = cosines[own][:, own]
            means.append((block.sum() - block.diagonal().sum()) / (count * (count - 1)))
    if not means:
        raise ValueError("no class of this training data has two examples, so no two gradients can be compared")
    return -float(torch.stack(means).mean())
