"""How badly the upper half of one network works on the lower half of another that differs in its seed alone.

Formula: the mean over siblings f' of L(f'_top ∘ T ∘ f_bottom) - L(f'), cut at the middle hidden layer. T is the affine
map from the network's units to the sibling's (a 1 × 1 convolution for images, one map for all tokens) that fits the
sibling's activations best on every other training example, by least squares with a ridge of 0.001 of the mean variance;
L is the cross-entropy on the other examples; then the halves change places.
Source: Bansal, Nakkiran and Barak 2021, "Revisiting Model Stitching to Compare Neural Representations", who train T by
gradient descent; matched directly as in Csiszárik et al. 2021, "Similarity and Matching of Neural Network
Representations". The halves keep a wide layer from fitting few examples exactly.
Cost: a few forward passes over at most 1000 training examples for each sibling.
Higher: representations that chance decides, so a larger expected gap.
"""

import torch
from gengap_measures import (
    Context,
    Dataset,
    fitted_map,
    hidden_layers,
    mean_loss,
    middle_outputs,
    siblings_of,
    some,
    top_logits,
)
from torch import nn

NAME = "Stitching loss"
SOURCE = "Bansal et al. 2021"
TRACK = "extended"
NEEDS = ("siblings",)
COST = "s"

EXAMPLES = 1000


def complexity(model: nn.Module, dataset: Dataset, context: Context) -> float:
    """The rise of the loss in nats. Raises ValueError for fewer than two examples."""
    inputs, labels = some(dataset, EXAMPLES)
    if len(labels) < 2:
        raise ValueError("one training example cannot be halved, so no map can be fitted and tried")
    siblings = siblings_of(context)
    return sum(penalty(model, sibling, inputs, labels) for sibling in siblings) / len(siblings)


def penalty(model: nn.Module, sibling: nn.Module, inputs: torch.Tensor, labels: torch.Tensor) -> float:
    """The mean over both halves."""
    layers = [hidden_layers(network) for network in (model, sibling)]
    middle = (len(layers[0]) - 1) // 2
    own, theirs = (middle_outputs(n, at[middle], inputs) for n, at in zip((model, sibling), layers, strict=True))
    rises = []
    for start in (0, 1):
        fit, held = slice(start, None, 2), slice(1 - start, None, 2)
        stitched = fitted_map(own[fit], theirs[fit])(own[held])
        with_own, with_theirs = (
            mean_loss(top_logits(sibling, layers[1][middle], inputs[held], outputs), labels[held])
            for outputs in (stitched, theirs[held])
        )
        rises.append(with_own - with_theirs)
    return sum(rises) / 2
