"""What networks say of changed and of mixed inputs."""

from collections.abc import Callable

import numpy as np
import torch

from tests.baselines.transcriptions.images import brighter, crop, edges, erase, flip, saturate, slopes
from tests.baselines.transcriptions.margins import mixtures
from tests.baselines.transcriptions.plain import Array, Case, accuracy, array, outputs, softmax
from tests.baselines.transcriptions.registry import Transcription

PENALTIES = (6, 1, 2, 3, 1, 12, 2)


def penalised(case: Case, changes: tuple[Callable[[Array], Array], ...]) -> float:
    """Aithal et al. 2021: a penalty where the prediction changes, else |p - p'| of the largest probabilities."""
    images = array(case.inputs)
    before = softmax(outputs(case.network, case.inputs))
    total = np.zeros(len(before))
    for change, penalty in zip(changes, PENALTIES, strict=True):
        after = softmax(outputs(case.network, torch.from_numpy(change(images))))
        same = after.argmax(axis=1) == before.argmax(axis=1)
        total += np.where(same, np.abs(after.max(axis=1) - before.max(axis=1)), penalty)
    return float(total.mean())


def augmentation_penalties(case: Case) -> float:
    """With the measure's fixed augmentations."""
    return penalised(case, (flip, saturate, crop, edges, brighter, lambda images: saturate(flip(images)), erase))


def erased_at_random(images: Array) -> Array:
    """A rectangle of random size and place becomes 0, its sides at most those of the team's program."""
    found = images.copy()
    rows, columns = images.shape[2:]
    least = max(1, round(np.sqrt(0.02 * 0.3 * rows * columns)))
    for image in found:
        high, wide = (int(torch.randint(least, side, ())) for side in (rows, columns))
        top, left = int(torch.randint(rows - high, ())), int(torch.randint(columns - wide, ()))
        image[:, top : top + high, left : left + wide] = 0
    return found


def program_penalties(case: Case) -> float:
    """With their program's augmentations, on grey images, which its saturation leaves as they are."""

    def one_way(images: Array) -> Array:
        return slopes(images)[1] / 4 + 0.5

    same = np.copy
    return penalised(case, (flip, same, lambda x: crop(x, 0.9), one_way, lambda x: x + 0.5, flip, erased_at_random))


def response(case: Case) -> tuple[Array, Array]:
    """Magnitudes in 0 to 1, and the accuracy with inputs moved up to halfway to the next example of another label."""
    labels = case.labels.tolist()
    partners = []
    for i, label in enumerate(labels):
        others = [(i + shift) % len(labels) for shift in range(1, len(labels))]
        partners.append(next(other for other in others if labels[other] != label))
    magnitudes = np.arange(11) / 10
    mixed = [(1 - a / 2) * case.inputs + a / 2 * case.inputs[partners] for a in magnitudes]
    return magnitudes, np.array([accuracy(outputs(case.network, x), case.labels) for x in mixed])


def area(heights: Array, places: Array) -> float:
    return float(((heights[1:] + heights[:-1]) / 2 * np.diff(places)).sum())


def cumulated(case: Case) -> tuple[Array, Array]:
    places, heights = response(case)
    return places, np.array([area(heights[: i + 1], places[: i + 1]) for i in range(len(places))])


def gi_score(case: Case) -> float:
    """Schiff et al. 2021, figure 1: the area between the cumulated responses of a perfect network and this one."""
    places, heights = cumulated(case)
    return area(places - heights, places)


def pal_score(case: Case) -> float:
    """Schiff et al. 2021: minus the area of the strongest 60 % of perturbations over that of the weakest 10 %."""
    places, heights = cumulated(case)
    return -area(heights[4:], places[4:]) / area(heights[:2], places[:2])


def doubt(case: Case, limit: int) -> float:
    """1 - the mean probability of the label for averages of two examples of one class."""
    mixed, labels = mixtures(case, limit)
    shares = softmax(outputs(case.network, mixed))
    return float(np.mean(1 - shares[np.arange(len(labels)), labels.numpy()]))


def mistakes_on_mixtures(case: Case) -> float:
    """Natekar and Sharma 2020: 1 - the accuracy on the averages of all pairs of a class, averaged over classes."""
    found = []
    for label in torch.unique(case.labels):
        members = case.inputs[case.labels == label]
        first, second = torch.triu_indices(len(members), len(members), offset=1)
        if len(first):
            mixed = (members[first] + members[second]) / 2
            found.append(1 - accuracy(outputs(case.network, mixed), label.expand(len(mixed))))
    return float(np.mean(found))


PAIRS = "Inter-class mixup of inputs in eleven strengths up to one half, with the next example of another label."

TRANSCRIPTIONS = {
    "Augmentation penalties": Transcription(
        augmentation_penalties,
        "Aithal et al. 2021, and their program",
        published=program_penalties,
        reason="Fixed augmentations, which act on grey images and on any scale, for the program's random ones.",
    ),
    "Gi-score": Transcription(gi_score, "Schiff et al. 2021, figure 1", PAIRS),
    "Label-wise mixup": Transcription(
        lambda case: doubt(case, 4096),
        "Natekar and Sharma 2020",
        "Every example goes with the next ones of its class.",
        published=mistakes_on_mixtures,
        reason="Probabilities instead of accuracy, by which networks that classify nearly every mixture tie.",
    ),
    "Pal-score": Transcription(
        pal_score, "Schiff et al. 2021", f"{PAIRS} The shares of 60 % and 10 % could not be checked."
    ),
}
