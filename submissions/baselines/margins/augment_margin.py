"""How far augmented training examples lie from the decision boundary, in the first hidden layer.

Formula: minus the mean over augmented examples of Δz / ||∇Δz|| in the first hidden layer, in units of the
square root of its features' mean variance; Δz is the logit of the label minus the largest other. A quarter of
the examples is flipped, a quarter cropped, a quarter brightened, a quarter saturated.
Source: Natekar and Sharma 2020, "Representation Based Complexity Measures for Predicting Generalization in Deep
Learning" (the margin of augmented data).
Cost: a forward and a backward pass over at most 1000 training examples.
Higher: changed examples nearer to the boundary, so a larger expected gap.
"""

import torch
from gengap_measures import (
    Dataset,
    brightened,
    cropped,
    flipped,
    hidden_layers,
    normalised_margins,
    saturated,
    some,
)
from torch import nn

NAME = "Augment margin"
SOURCE = "Natekar and Sharma 2020"
TRACK = "standard"
COST = "s"

EXAMPLES = 1000
AUGMENTATIONS = (flipped, cropped, brightened, saturated)


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """Minus the mean margin of augmented examples."""
    inputs, labels = some(dataset, EXAMPLES)
    parts = [slice(start, None, len(AUGMENTATIONS)) for start in range(min(len(labels), len(AUGMENTATIONS)))]
    augmented = torch.cat([augment(inputs[part]) for augment, part in zip(AUGMENTATIONS, parts, strict=False)])
    theirs = torch.cat([labels[part] for part in parts])
    layer = hidden_layers(model)[0]
    return -float(normalised_margins(model, augmented, theirs, layer, per_feature=True).mean())
