"""How well the neural tangent kernel of the trained network agrees with the labels.

Formula: minus <K, Y> / (||K|| ||Y||) with both matrices centered: K_ij is the inner product of the examples'
gradients of v·f in all parameters, averaged over four random sign vectors v (an estimate of the kernel summed
over logits), Y_ij = 1 for examples of one label.
Source: Baratin et al. 2021, "Implicit Regularization via Neural Feature Alignment"; centered alignment: Cortes,
Mohri and Rostamizadeh 2012, "Algorithms for Learning Kernels Based on Centered Alignment".
Cost: four times the gradients of at most 200 training examples, one by one, and their inner products.
Higher: a kernel that knows less of the labels, so a larger expected gap.
"""

from functools import partial

import torch
from gengap_measures import Dataset, gradient_gram, label_signal, some_of_each_class
from torch import Tensor, nn

NAME = "NTK-label alignment"
SOURCE = "Baratin et al. 2021"
TRACK = "standard"
COST = "m"

EXAMPLES = 200
PROBES = 4


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """Minus the centered alignment, from -1 to 1. Raises ValueError if all labels are the same."""
    inputs, labels = some_of_each_class(dataset, max(2, EXAMPLES // dataset.classes))
    if len(torch.unique(labels)) < 2:
        raise ValueError("all these examples have one label, so a kernel cannot agree with it")
    with torch.no_grad():
        outputs = model(inputs[:1]).shape[1]
    kernel = torch.zeros(len(labels), len(labels), dtype=torch.float64)
    for _ in range(PROBES):
        signs = torch.randint(0, 2, (outputs,)).float() * 2 - 1
        kernel += gradient_gram(model, inputs, labels, partial(signed_sum, signs))
    signal = label_signal(labels, dataset.classes)
    kernel, wanted = centered(kernel), centered(signal @ signal.T)
    return -float((kernel * wanted).sum() / (kernel.norm() * wanted.norm()).clamp(min=1e-30))


def signed_sum(signs: Tensor, outputs: Tensor, _label: Tensor) -> Tensor:
    """v·f for one example's logits f."""
    return outputs @ signs.to(outputs.dtype)


def centered(kernel: Tensor) -> Tensor:
    """The kernel (n, n) of the same features after their mean is taken away."""
    return kernel - kernel.mean(dim=0) - kernel.mean(dim=1, keepdim=True) + kernel.mean()
