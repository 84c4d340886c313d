"""Perturbation-response curves: a network's accuracy as its training inputs are changed more and more."""

import torch
from gengap_measures.data import Dataset, some
from gengap_measures.images import other_label_partners
from gengap_measures.outputs import accuracy, logits
from torch import Tensor, nn

EXAMPLES = 1000
POINTS = 11
STRONGEST = 0.5  # beyond it the partner's share is the larger one


def mixup_response(model: nn.Module, dataset: Dataset) -> tuple[Tensor, Tensor]:
    """Magnitudes from 0 to 1 and the accuracy at each, float64 (11,): inputs moved up to halfway to another class.

    Each of at most 1000 examples goes towards the next one that has another label, and keeps its own. Raises
    ValueError if all labels are the same.
    """
    inputs, labels = some(dataset, EXAMPLES)
    partners = inputs[other_label_partners(labels)]
    magnitudes = torch.linspace(0, 1, POINTS, dtype=torch.float64)
    response = [
        accuracy(logits(model, torch.lerp(inputs, partners, STRONGEST * float(share))), labels) for share in magnitudes
    ]
    return magnitudes, torch.tensor(response, dtype=torch.float64)
