"""The distance to the boundary over how much a class's features vary from sample to sample.

Formula: minus the median over training examples of (ρ(x, y) / ||∇ρ||) / Σ_c p_c V_c, in the first hidden layer: ρ is
the logit of the label minus the largest other, ∇ρ its gradient in the features, p_c the share of class c in the
training data, V_c the k-variance, the Wasserstein-1 distance between the features of two halves of class c.
Source: Chuang, Mroueh, Greenewald, Torralba and Jegelka 2021, "Measuring Generalization with Optimal Transport"
(kV-GN-Margin, first layer), as in the authors' code github.com/chingyaoc/kV-Margin. There up to 200 examples a class
are drawn and halved at random; here at most 50, halved by taking every other one.
Cost: a forward and a backward pass over at most 50 examples of each class, and a transport problem for each class.
Higher: less distance for the spread of a class, so a larger expected gap.
"""

import torch
from gengap_measures import Dataset, hidden_layers, margins_and_spreads, some_of_each_class
from torch import nn

NAME = "kV-GN-margin"
SOURCE = "Chuang et al. 2021"
TRACK = "standard"
COST = "m"

PER_CLASS = 50
SMALLEST_LENGTH = 1e-6


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """Minus the median normalised distance. Raises ValueError where no class has two examples."""
    inputs, labels = some_of_each_class(dataset, PER_CLASS)
    margins, lengths, spreads = margins_and_spreads(model, inputs, labels, hidden_layers(model)[0])
    counts = [int((dataset.labels == spread.label).sum()) for spread in spreads]
    weighted = [count * spread.variance for count, spread in zip(counts, spreads, strict=True)]
    distance = float(torch.quantile(margins / (lengths + SMALLEST_LENGTH), 0.5))
    return -distance / max(sum(weighted) / sum(counts), 1e-12)
