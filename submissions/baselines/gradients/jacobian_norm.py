"""The Jacobian measure of the competition's starting kit: how strongly the logits depend on what every layer gets.

Formula: the mean over layers of the mean of (∂ z_k / ∂ h_i)² over training examples, logits z_k and entries h_i of the
layer's input.
Source: Jiang et al. 2020, starting kit of the NeurIPS competition "Predicting Generalization in Deep Learning"
(baselines/jacobian_norm/complexity.py: the squared Frobenius norm, averaged over entries and layers; every layer of its
models is looked at), after Novak et al. 2018, "Sensitivity and Generalization in Neural Networks".
Cost: a forward pass and a backward pass for each class over at most 528 training examples, as many as in the kit; over
fewer where there are more than 30 classes, so that examples times classes stay below 16000.
Higher: a more sensitive network, so a larger expected gap.
"""

from gengap_measures import Dataset, layer_jacobians, some
from torch import nn

NAME = "Jacobian norm"
SOURCE = "PGDL starting kit 2020"
TRACK = "standard"
COST = "s"

EXAMPLES = 528
PASSES = 16000


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """The mean square of the derivatives."""
    inputs, _ = some(dataset, min(EXAMPLES, PASSES // dataset.classes))
    return float(layer_jacobians(model, inputs).mean())
