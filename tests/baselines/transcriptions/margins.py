"""Margins in the output, in layers and in the input, with gradients from whole Jacobians."""

import numpy as np
import torch
from scipy.optimize import linprog
from scipy.stats import trim_mean
from torch import Tensor

from tests.baselines.transcriptions.images import brighter, crop, flip, saturate
from tests.baselines.transcriptions.plain import (
    Array,
    Case,
    array,
    margin_gradients,
    per_class,
    places_after_relu,
    rest,
    steps,
)
from tests.baselines.transcriptions.registry import Transcription


def at_layer(case: Case, inputs: Tensor, labels: Tensor, place: int) -> tuple[Array, Array, Array]:
    """Margins (n,), the lengths of their gradients in what layer number `place` gets, and that itself (n, features)."""
    points = steps(case.network, inputs)[place].given.detach() if place else inputs
    found, gradients = margin_gradients(rest(case.network, place), points, labels)
    return found, np.linalg.norm(gradients, axis=1), array(points.flatten(1))


def first_hidden(case: Case) -> int:
    return places_after_relu(case.network)[0]


def standardised(case: Case, inputs: Tensor, labels: Tensor) -> float:
    """Natekar and Sharma 2020: minus the mean of Δz / ||∇Δz|| in units of √(mean variance of the features)."""
    found, lengths, points = at_layer(case, inputs, labels, first_hidden(case))
    return -float(np.mean(found / (lengths + 1e-7)) / np.sqrt(points.var(axis=0).mean()))


def summarised(case: Case, inputs: Tensor, labels: Tensor) -> float:
    """As their program summarises: the mean of fences and quartiles; variances without the extreme tenth."""
    found, lengths, points = at_layer(case, inputs, labels, first_hidden(case))
    scaled = found / (lengths + 1e-7) / (np.sqrt(trim_mean(points.var(axis=0), 0.05)) + 1e-7)
    low, middle, high = np.percentile(scaled, [25, 50, 75])
    reach = 1.5 * (high - low)
    below, above = scaled[scaled < low - reach], scaled[scaled > high + reach]
    fences = [below.max() if len(below) else scaled.min(), above.min() if len(above) else scaled.max()]
    return -float(np.mean([fences[0], low, middle, high, fences[1]]))


def mixtures(case: Case, limit: int) -> tuple[Tensor, Tensor]:
    """Averages of example i of a class with the next ones of it, as far as the limit allows, around the circle."""
    pairs: list[tuple[int, int]] = []
    for label in range(int(case.labels.max()) + 1):
        members = np.flatnonzero(case.labels.numpy() == label)
        for shift in range(1, min(len(members) // 2, max(1, limit // len(case.labels))) + 1):
            pairs += [(members[i], members[(i + shift) % len(members)]) for i in range(len(members))]
    pairs = pairs[:: max(1, -(-len(pairs) // limit))]
    first, second = torch.tensor([i for i, _ in pairs]), torch.tensor([j for _, j in pairs])
    return (case.inputs[first] + case.inputs[second]) / 2, case.labels[first]


def random_mixtures(case: Case) -> tuple[Tensor, Tensor]:
    """Half-and-half mixtures of every example with a random one of its class, as in the team's program."""
    partners = torch.arange(len(case.labels))
    for label in torch.unique(case.labels):
        members = torch.nonzero(case.labels == label)[:, 0]
        partners[members] = members[torch.randperm(len(members))]
    return (case.inputs + case.inputs[partners]) / 2, case.labels


def augmented(case: Case) -> tuple[Tensor, Tensor]:
    """A quarter of the examples each flipped, cropped, brightened and saturated."""
    changes = (flip, crop, brighter, saturate)
    parts = [torch.arange(start, len(case.labels), len(changes)) for start in range(len(changes))]
    images = [change(array(case.inputs[part])) for change, part in zip(changes, parts, strict=True)]
    return torch.from_numpy(np.concatenate(images)), torch.cat([case.labels[part] for part in parts])


def randomly_augmented(case: Case) -> tuple[Tensor, Tensor]:
    """As in the team's program: each flipped by chance, its contrast times 0.7 to 1, half of them cropped a little."""
    found = []
    for image in array(case.inputs):
        flipped = image[..., ::-1] if float(torch.rand(())) < 0.5 else image
        mean = flipped.mean(axis=(1, 2), keepdims=True)
        changed = mean + (0.7 + 0.3 * float(torch.rand(()))) * (flipped - mean)
        part = 0.85 + 0.01 * int(torch.randint(15, ()))
        found.append(crop(changed[None], part)[0] if float(torch.rand(())) < 0.5 else changed)
    return torch.from_numpy(np.stack(found)), case.labels


def transport(first: Array, second: Array) -> float:
    """The Wasserstein-1 distance of two clouds of equally many points, as the linear program that defines it."""
    count = len(first)
    cost = np.linalg.norm(first[:, None] - second[None], axis=2).ravel()
    rows = np.kron(np.eye(count), np.ones(count))
    columns = np.kron(np.ones(count), np.eye(count))
    found = linprog(cost, A_eq=np.vstack([rows, columns]), b_eq=np.full(2 * count, 1 / count), method="highs")
    assert found.fun is not None
    return float(found.fun)


def kv_parts(case: Case) -> tuple[Array, Array, list[tuple[float, float, float]]]:
    """Margins, gradient lengths, and for each class its share, its k-variance and its longest gradient."""
    chosen = per_class(case, 50)
    labels = case.labels[chosen]
    found, lengths, points = at_layer(case, case.inputs[chosen], labels, first_hidden(case))
    classes = []
    for label in range(case.classes):
        own = labels.numpy() == label
        half = int(own.sum()) // 2
        if half:
            members = points[own][: 2 * half]
            share = float((case.labels == label).double().mean())
            classes.append((share, transport(members[::2], members[1::2]), float(lengths[own].max())))
    return found, lengths, classes


def kv_margin(case: Case) -> float:
    """Chuang et al. 2021, kV-margin: the median of ρ over Σ p_c Var_k Lip, its negative."""
    found, _, classes = kv_parts(case)
    total = sum(share for share, _, _ in classes)
    return -float(np.median(found) / sum(share / total * variance * steepest for share, variance, steepest in classes))


def kv_gradient_normalised_margin(case: Case) -> float:
    """Chuang et al. 2021, kV-GN-margin: the median of ρ / ||∇ρ|| over Σ p_c Var_k, its negative."""
    found, lengths, classes = kv_parts(case)
    total = sum(share for share, _, _ in classes)
    return -float(np.median(found / (lengths + 1e-6)) / sum(share / total * variance for share, variance, _ in classes))


def signature(values: Array) -> Array:
    """Jiang et al. 2019, margin signature: quartiles and fences, the last values within 1.5 of the range."""
    low, middle, high = np.percentile(values, [25, 50, 75])
    inside = values[(values >= low - 1.5 * (high - low)) & (values <= high + 1.5 * (high - low))]
    return np.array([inside.min(), low, middle, high, inside.max()])


def margin_signatures(case: Case) -> Array:
    """The signatures of normalised margins at the input and at most three hidden layers: (layers, 5)."""
    hidden = places_after_relu(case.network)
    count = min(3, len(hidden))
    places = [0, *(hidden[i * len(hidden) // count] for i in range(count))]
    rows = []
    for place in places:
        found, lengths, points = at_layer(case, case.inputs, case.labels, place)
        rows.append(signature(found / (lengths + 1e-7) / np.sqrt(points.var(axis=0).sum())))
    return np.array(rows)


def margin_distribution(case: Case) -> float:
    """Jiang et al. 2019, normalised margins: over gradient lengths and √(total variation); averaged, its negative."""
    return -float(margin_signatures(case).mean())


def log_signature_mean(case: Case) -> float:
    """The same of logarithms, as their regressions use it: statistics of margins that are positive."""
    return -float(np.log(np.maximum(margin_signatures(case), 1e-6)).mean())


def principal_directions(points: Array) -> Array:
    """Columns: principal directions up to the elbow of the cumulated variance, farthest above the straight line."""
    _, singular, directions = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)
    explained = np.cumsum(singular**2) / (singular**2).sum()
    return directions[: int(np.argmax(explained - np.arange(1, len(singular) + 1) / len(singular))) + 1].T


def constrained_margin(case: Case) -> float:
    """Mouton et al. 2024: the first step, margin / ||Pᵀ ∇ margin||."""
    directions = principal_directions(array(case.inputs.flatten(1)))
    found, gradients = margin_gradients(rest(case.network, 0), case.inputs, case.labels)
    return -float(np.mean(found / (np.linalg.norm(gradients @ directions, axis=1) + 1e-7)))


def repeated_constrained_margin(case: Case) -> float:
    """Mouton et al. 2024: steps to the boundary within the subspace are repeated until it is reached."""
    directions = principal_directions(array(case.inputs.flatten(1)))
    points, sign = case.inputs.clone(), None
    for _ in range(20):
        found, gradients = margin_gradients(rest(case.network, 0), points, case.labels)
        sign = np.sign(found) if sign is None else sign
        along = gradients @ directions
        steps_taken = -(found / ((along**2).sum(axis=1) + 1e-12))[:, None] * (along @ directions.T)
        points = points + torch.from_numpy(steps_taken).view(points.shape)
    lengths = np.linalg.norm(array((points - case.inputs).flatten(1)), axis=1)
    assert sign is not None
    return -float(np.mean(sign * lengths))


HIDDEN = "In the first hidden layer."

TRANSCRIPTIONS = {
    "Augment margin": Transcription(
        lambda case: standardised(case, *augmented(case)),
        "Natekar and Sharma 2020",
        f"{HIDDEN} Four fixed augmentations.",
        published=lambda case: summarised(case, *randomly_augmented(case)),
        reason="The mean for their program's mean of fences and quartiles, and fixed augmentations for random ones.",
    ),
    "Mixup margin": Transcription(
        lambda case: standardised(case, *mixtures(case, 1000)),
        "Natekar and Sharma 2020",
        f"{HIDDEN} Every example goes with the next ones of its class.",
        published=lambda case: summarised(case, *random_mixtures(case)),
        reason="The mean instead of their program's mean of fences and quartiles, and fixed pairs for random ones.",
    ),
    "Constrained input margin": Transcription(
        constrained_margin,
        "Mouton et al. 2024",
        "The elbow is where the cumulated variance lies farthest above the straight line.",
        published=repeated_constrained_margin,
        reason="The first step only, for speed.",
    ),
    "kV-margin": Transcription(
        kv_margin, "Chuang et al. 2021, and their program", f"{HIDDEN} Halves are every other example."
    ),
    "kV-GN-margin": Transcription(
        kv_gradient_normalised_margin,
        "Chuang et al. 2021, and their program",
        f"{HIDDEN} Halves are every other example.",
    ),
    "Margin distribution": Transcription(
        margin_distribution,
        "Jiang et al. 2019",
        "The input and at most three hidden layers.",
        published=log_signature_mean,
        reason="They fit a regression on logarithms to known gaps, which a measure cannot; here all weigh the same.",
    ),
}
