"""How much simple changes of a training image change what the network says about it.

Formula: the mean over training examples of the sum over augmentations of a penalty where the prediction changes, and of
|p - p'| where it does not, p and p' the largest probabilities before and after. Penalties: horizontal flip 6,
saturation 1, crop 2, Sobel edges 3, brightness 1, flip and saturation together 12, erasing 2.
Source: Aithal, Kashyap and Subramanyam 2021, "Robustness to Augmentations as a Generalization Metric" (team "Always
Generalize", second place of the competition), as in their program. There saturation and the erased rectangle are drawn
at random, saturation leaves grey images alone, edges are those in one direction, and brightness rises by one half of
full scale; here every augmentation is fixed, and acts on images of any scale and number of channels.
Cost: eight forward passes over at most 1000 training examples.
Higher: predictions that hang on details, so a larger expected gap.
"""

from collections.abc import Callable

import torch
from gengap_measures import Dataset, brightened, cropped, erased, flipped, logits, saturated, sobel, some
from torch import Tensor, nn

NAME = "Augmentation penalties"
SOURCE = "Aithal et al. 2021"
TRACK = "standard"
COST = "s"

EXAMPLES = 1000
PENALTIES: tuple[tuple[Callable[[Tensor], Tensor], float], ...] = (
    (flipped, 6),
    (saturated, 1),
    (cropped, 2),
    (sobel, 3),
    (brightened, 1),
    (lambda images: saturated(flipped(images)), 12),
    (erased, 2),
)


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """The mean penalty of an example, from 0 to 27."""
    inputs, _ = some(dataset, EXAMPLES)
    sure, predicted = logits(model, inputs).softmax(dim=1).max(dim=1)
    total = torch.zeros_like(sure)
    for augment, penalty in PENALTIES:
        now_sure, now = logits(model, augment(inputs)).softmax(dim=1).max(dim=1)
        total += torch.where(now == predicted, (now_sure - sure).abs(), penalty)
    return float(total.mean())
