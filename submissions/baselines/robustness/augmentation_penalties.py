"""How often simple changes of a training image change what the network says about it.

Formula: the sum over augmentations of penalty · (part of the examples whose prediction changes): horizontal flip 6,
saturation 1, crop 2, Sobel edges 3, brightness 1, flip and saturation together 12, erasing 2.
Source: Aithal, Kashyap and Subramanyam 2021, "Robustness to Augmentations as a Generalization Metric" (team "Always
Generalize", second place of the competition).
Cost: eight forward passes over at most 1000 training examples.
Higher: predictions that hang on details, so a larger expected gap.
"""

from collections.abc import Callable

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
    predicted = logits(model, inputs).argmax(dim=1)
    return sum(
        penalty * float((logits(model, augment(inputs)).argmax(dim=1) != predicted).double().mean())
        for augment, penalty in PENALTIES
    )
