"""How many test inputs the network is less sure of than of what it gets wrong in training.

Formula: with the score s(x) = Σ_k p_k log p_k and t such that s lies below t for as many training examples as are
misclassified: the share of unlabelled test inputs with s(x) < t, minus the training error.
Source: Garg, Balakrishnan, Lipton, Neyshabur and Sedghi 2022, "Leveraging Unlabeled Data to Predict Out-of-Distribution
Performance" (ATC with the negative entropy). The paper finds t on held-out labelled data, which a zoo does not show;
here the training data take their place, so that a network without training errors has t at its least certain example.
Cost: a forward pass over training and unlabelled inputs.
Higher: the predicted gap itself.
"""

import torch
from gengap_measures import Context, Dataset, logits, unlabelled_of
from torch import Tensor, nn

NAME = "Average thresholded confidence"
SOURCE = "Garg et al. 2022"
TRACK = "extended"
NEEDS = ("unlabelled",)
COST = "s"


def complexity(model: nn.Module, dataset: Dataset, context: Context) -> float:
    """The predicted test error minus the training error, from -1 to 1."""
    outputs = logits(model, dataset.inputs)
    wrong = int((outputs.argmax(dim=1) != dataset.labels).sum())
    scores = certainty(outputs).sort().values
    threshold = float(scores[wrong]) if wrong < len(scores) else torch.inf
    below = certainty(logits(model, unlabelled_of(context))) < threshold
    return float(below.double().mean()) - wrong / len(scores)


def certainty(outputs: Tensor) -> Tensor:
    """The negative entropy of each row of logits, in nats: 0 for certainty."""
    log_shares = outputs.log_softmax(dim=1)
    return (log_shares.exp() * log_shares).sum(dim=1)
