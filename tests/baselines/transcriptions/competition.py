"""What the programs of PGDL's teams compute, in numpy, from the inputs of Keras' layers however these are computed.

`tests/baselines/test_competition.py` computes them in numpy too, so that nothing is shared with the shipped measures.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from sklearn.metrics import davies_bouldin_score
from torch import nn

from tests.baselines.transcriptions.plain import Array, Case, array, chain, one_hot
from tests.baselines.transcriptions.registry import Transcription

NATEKAR = "Natekar and Sharma 2020, their program"
LASSANCE = "Lassance et al. 2021, their program"
Order = NDArray[np.int64]


@dataclass(frozen=True)
class Keras:
    """A network as Keras has it, and its data.

    run: from images to what each layer gets, and the output as the last. strided: which layer the index is of. pool:
    its output's windows of four by four, flat.
    """

    run: Callable[[Array], list[Array]]
    strided: int
    pool: Callable[[Array], Array]
    images: Array
    labels: NDArray[np.int64]
    classes: int


def philox(key: int, counter: int, number: int) -> NDArray[np.uint64]:
    """Salmon et al. 2011, Philox 4x32 with ten rounds, as TensorFlow seeds it: all blocks at once."""
    low, half = np.uint64(2**32 - 1), np.uint64(32)
    blocks = np.arange((number + 3) // 4, dtype=np.uint64)
    a, b = blocks, np.zeros_like(blocks)
    c, d = (np.full_like(blocks, word) for word in (counter % 2**32, counter >> 32))
    k, m = key % 2**32, key >> 32
    for _ in range(10):
        left, right = np.uint64(0xD2511F53) * a, np.uint64(0xCD9E8D57) * c
        a, b, c, d = (right >> half) ^ b ^ np.uint64(k), right & low, (left >> half) ^ d ^ np.uint64(m), left & low
        k, m = (k + 0x9E3779B9) % 2**32, (m + 0xBB67AE85) % 2**32
    return np.stack([a, b, c, d], axis=1).reshape(-1)[:number]


def shuffled(examples: int, draws: Sequence[int], buffer: int) -> Order:
    """`repeat().shuffle(buffer)`: the buffer as a list whose first entry moves to the place of the one that leaves."""
    stream = iter(range(2**62))
    waiting = [next(stream) for _ in range(buffer)]
    given = []
    for draw in draws:
        place = draw % len(waiting)
        given.append(waiting[place])
        waiting[place] = waiting[0]
        del waiting[0]
        waiting.append(next(stream))
    return np.array(given) % examples


def winners_order(examples: int, number: int) -> Order:
    """The program's `shuffle(5000, seed=1)` after `tf.random.set_seed(0)`."""
    first, second = (int(seed) for seed in philox(0, 1, 2))
    return shuffled(examples, [int(draw) for draw in philox(first, second, number)], 5000)


def index(keras: Keras) -> float:
    """Ten rounds of three batches of 40, the index by scikit-learn."""
    order = winners_order(len(keras.labels), 1200)
    points = keras.pool(keras.run(keras.images)[keras.strided + 1])
    return float(np.mean([davies_bouldin_score(points[own], keras.labels[own]) for own in order.reshape(10, 120)]))


def mixup_accuracy(keras: Keras) -> float:
    """Per class, then over classes: the accuracy on all pairs in ten batches of ten examples per class."""
    classes = keras.labels[winners_order(len(keras.labels), 50)].max() + 1
    batches = np.arange(100 * classes).reshape(10, -1) % len(keras.labels)
    found = []
    for label in range(classes):
        members = [batch[keras.labels[batch] == label] for batch in batches]
        if all(len(own) > 1 for own in members):
            shares = []
            for own in members:
                first, second = np.array(list(combinations(own, 2))).T
                logits = keras.run(0.5 * keras.images[first] + 0.5 * keras.images[second])[-1]
                shares.append(np.mean(logits.argmax(axis=1) == label))
            found.append(np.mean(shares))
    return float(np.mean(found))


def mixtures(keras: Keras, classes: int, per_class: int, graphs: int) -> float:
    """VPM: the median over graphs, on the measure's draws."""
    generator = torch.Generator().manual_seed(0)
    drawn = []
    for label in np.unique(keras.labels[keras.labels < classes]):
        members = np.flatnonzero(keras.labels == label)
        draws = torch.randint(100, (graphs * per_class,), generator=generator).tolist()
        drawn.append(members[shuffled(len(members), draws, 100)].reshape(graphs, per_class))
    shares = torch.rand(len(drawn) * per_class, 3, generator=generator).sort(dim=1).values[:, 1].double().numpy()
    found = []
    for graph in range(graphs):
        own = np.concatenate([part[graph] for part in drawn])
        others = own[torch.randperm(len(own), generator=generator).numpy()]
        weights = shares.reshape(-1, 1, 1, 1)
        points = keras.run(weights * keras.images[own] + (1 - weights) * keras.images[others])[-2]
        signals = [one_hot(torch.from_numpy(keras.labels[chosen]), keras.classes) for chosen in (own, others)]
        signal = shares[:, None] * signals[0] + (1 - shares)[:, None] * signals[1]
        found.append(smoothness(points, signal, both_ways=False))
    return float(np.median(found))


def smoothness(points: Array, signal: Array, *, both_ways: bool) -> float:
    """trace(Yᵀ L Y) / 2000 on the graph of the largest kernel value beside the own one."""
    squares = cdist(unit(points), unit(points), "sqeuclidean")
    kernel = np.exp(-squares / (3 * abs(squares.std())))
    edges = (kernel >= np.sort(kernel, axis=1)[:, -2:-1]) & ~np.eye(len(points), dtype=bool)
    edges = edges | edges.T if both_ways else edges
    power = np.diag(edges.sum(axis=1) ** -0.5)
    laplacian = np.eye(len(points)) - power @ edges @ power
    return float(np.clip(np.trace(signal.T @ laplacian @ signal) / (2 * 2 * 500), 0, 1000))


def worst_variation(keras: Keras) -> float:
    """WCV; with fewer examples than the program needs, the measure's choice."""
    members = [np.flatnonzero(keras.labels == label) for label in np.unique(keras.labels[keras.labels < 10])]
    most = min(50, *map(len, members))
    own = np.concatenate([part[:most] for part in members])
    inputs = keras.run(keras.images[own])[:-1]
    signal = one_hot(torch.from_numpy(keras.labels[own]), keras.classes)
    return max(smoothness(points, signal, both_ways=True) for points in inputs[-(len(inputs) // 3 + 1) :])


def variation_rate(keras: Keras) -> float:
    """VR; with fewer examples than the program needs, the measure's choice."""
    size = min(500, len(keras.labels))
    rates = []
    for start in range(0, min(11 * size, len(keras.labels) - size + 1), size):
        batch = slice(start, start + size)
        signal = one_hot(torch.from_numpy(keras.labels[batch]), keras.classes)
        found = []
        for points in keras.run(keras.images[batch])[-3:]:
            cosines = np.clip(unit(points) @ unit(points).T, 0, 1)
            edges = (cosines >= np.sort(cosines, axis=1)[:, -21:][:, :1]) & ~np.eye(size, dtype=bool)
            weights = (edges | edges.T) * cosines
            found.append(np.trace(signal.T @ (np.diag(weights.sum(axis=1)) - weights) @ signal) / (2 * 50 * 1000))
        rates.append(np.mean([abs(later - earlier) for earlier, later in pairwise(found)]))
    return float(np.median(rates))


def unit(points: Array) -> Array:
    flat = points.reshape(len(points), -1)
    found: Array = flat / np.sqrt(np.maximum((flat**2).sum(axis=1, keepdims=True), 1e-12))
    return found


def vpm(keras: Keras) -> float:
    """With one graph."""
    return mixtures(keras, keras.classes, max(1, 500 // keras.classes), 1)


def vpm_80(keras: Keras) -> float:
    return mixtures(keras, min(10, keras.classes), 50, 80)


def of_case(case: Case) -> Keras:
    """A network of ours: an activation behind weights, and Flatten behind global pooling, are parts of those layers."""
    layers: list[list[nn.Module]] = []
    for layer in chain(case.network):
        before = layers[-1][-1] if layers else None
        inner = isinstance(layer, nn.ReLU) and isinstance(before, nn.Linear | nn.Conv2d)
        if inner or (isinstance(layer, nn.Flatten) and isinstance(before, nn.AdaptiveAvgPool2d)):
            layers[-1].append(layer)
        else:
            layers.append([layer])

    def run(images: Array) -> list[Array]:
        value = torch.from_numpy(images)
        found = [images]
        for layer in layers:
            value = nn.Sequential(*layer)(value)
            found.append(array(value))
        return found

    kinds = [type(layer[0]) for layer in layers]
    strided = kinds.index(nn.Conv2d) if nn.Conv2d in kinds else kinds.index(nn.Linear)
    return Keras(run, strided, pooled, array(case.inputs), case.labels.numpy(), case.classes)


def pooled(points: Array) -> Array:
    """Images (n, C, H, W) by the maxima of windows of four by four; vectors as they are."""
    if points.ndim == 4:
        rows, columns = (side // 4 for side in points.shape[2:])
        cut = points[:, :, : 4 * rows, : 4 * columns].reshape(*points.shape[:2], rows, 4, columns, 4)
        points = cut.max(axis=(3, 5))
    return points.reshape(len(points), -1)


FORMULAS: dict[str, Callable[[Keras], float]] = {
    "Davies-Bouldin index (PGDL)": index,
    "Label-wise mixup (PGDL)": lambda keras: 1 - mixup_accuracy(keras),
    "Davies-Bouldin times mixup (PGDL)": lambda keras: index(keras) * (1 - mixup_accuracy(keras)),
    "Label variation of mixtures (PGDL)": vpm,
    "Label variation of mixtures, 80 graphs (PGDL)": vpm_80,
    "Worst-case label variation (PGDL)": worst_variation,
    "Label variation rate (PGDL)": variation_rate,
}
_CHOICES = {
    "Davies-Bouldin index (PGDL)": "TensorFlow's shuffle with the global seed 0. Without strides, the first weights.",
    "Label-wise mixup (PGDL)": "A class without a pair in some batch is left out.",
    "Davies-Bouldin times mixup (PGDL)": "Those of its two parts.",
    "Label variation of mixtures (PGDL)": "The same draws, from a fixed generator.",
    "Label variation of mixtures, 80 graphs (PGDL)": "The same draws, from a fixed generator.",
    "Worst-case label variation (PGDL)": "As many examples as the smallest class has, where that is below 50.",
    "Label variation rate (PGDL)": "One batch of all examples, where these are below 500.",
}


def _of_case(formula: Callable[[Keras], float]) -> Callable[[Case], float]:
    return lambda case: formula(of_case(case))


TRANSCRIPTIONS = {
    name: Transcription(_of_case(formula), LASSANCE if "variation" in name else NATEKAR, _CHOICES[name])
    for name, formula in FORMULAS.items()
}
