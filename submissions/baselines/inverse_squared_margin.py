"""One over the squared output margin: a network that separates its classes narrowly should generalize worse.

Formula: 1 / m², where m is the 10th percentile over training examples of the margin f(x)[y] - max over other
classes of f(x), f the logits. Margins below 0.001 count as 0.001, so that networks which misclassify a tenth
of their training data share the largest value of one million instead of looking good behind the square.
Source: "inverse margin" in Jiang et al. 2020, after Bartlett et al. 2017, "Spectrally-Normalized Margin
Bounds for Neural Networks".
Cost: one forward pass over the training data.
Higher: a narrower margin, so a larger expected gap.
"""

import torch
from torch import nn
from torch.utils.data import TensorDataset

NAME = "Inverse squared margin"
SOURCE = "Jiang et al. 2020"
TRACK = "standard"

QUANTILE = 0.1
SMALLEST_MARGIN = 1e-3
BATCH_SIZE = 256


def complexity(model: nn.Module, dataset: TensorDataset) -> float:
    """One over the square of the margins' 10th percentile (linearly interpolated)."""
    inputs, labels = dataset.tensors
    batches = zip(torch.split(inputs, BATCH_SIZE), torch.split(labels, BATCH_SIZE), strict=True)
    with torch.no_grad():
        margins = torch.cat([logit_margins(model(x).double(), y) for x, y in batches])
    margin = float(margins.quantile(QUANTILE))
    return 1.0 / max(margin, SMALLEST_MARGIN) ** 2


def logit_margins(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Each example's logit of its own class minus the largest other. logits: (n, classes); labels: (n,)."""
    own = logits.gather(1, labels[:, None])
    others = logits.scatter(1, labels[:, None], -torch.inf)
    return own[:, 0] - others.amax(dim=1)
