"""What the network knows about the labels beyond the best linear classifier: I(F; Y | L).

Formula: the conditional mutual information, in nats, between the network's prediction F and the label Y given the
prediction L of a linear classifier of the inputs, all three counted over the training data. The linear classifier is
ridge regression on one-hot labels.
Source: Nakkiran et al. 2019, "SGD on Neural Networks Learns Functions of Increasing Complexity".
Cost: one forward pass over at most 2000 training examples, and one linear system.
Higher: labels explained by more than a simple function, so a larger expected gap. Networks that fit every label of one
training set have one value.
"""

import torch
from gengap_measures import Dataset, label_signal, logits, some
from torch import Tensor, nn

NAME = "Information beyond linear"
SOURCE = "Nakkiran et al. 2019"
TRACK = "standard"
COST = "m"

EXAMPLES = 2000
RIDGE = 0.1  # of the inputs' mean squared length


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """The conditional mutual information, at least 0."""
    inputs, labels = some(dataset, EXAMPLES)
    predicted = logits(model, inputs).argmax(dim=1)
    linear = ridge_predictions(inputs.flatten(1).double(), label_signal(labels, dataset.classes))
    return conditional_information(predicted, labels, linear)


def ridge_predictions(points: Tensor, targets: Tensor) -> Tensor:
    """The class that ridge regression gives each of its own points (n,), by the kernel of inner products."""
    points = points - points.mean(dim=0)
    kernel = points @ points.T
    ridge = RIDGE * kernel.diagonal().mean() * torch.eye(len(points), dtype=torch.float64)
    offset = targets.mean(dim=0)
    fitted: Tensor = kernel @ torch.linalg.solve(kernel + ridge + 1e-12 * torch.eye(len(points)), targets - offset)
    return (fitted + offset).argmax(dim=1)


def conditional_information(first: Tensor, second: Tensor, given: Tensor) -> float:
    """I(first; second | given) in nats, of the empirical distribution of (n,) class indices."""
    return (
        entropy(torch.stack([first, given]))
        + entropy(torch.stack([second, given]))
        - entropy(torch.stack([first, second, given]))
        - entropy(given[None])
    )


def entropy(variables: Tensor) -> float:
    """The entropy in nats of the columns of (variables, n)."""
    counts = torch.unique(variables, dim=1, return_counts=True)[1].double()
    shares = counts / counts.sum()
    return -float((shares * shares.log()).sum())
