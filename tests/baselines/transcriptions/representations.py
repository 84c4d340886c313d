"""How the examples lie in the layers: clusters, neighbours, ranks, topology."""

from collections import Counter

import numpy as np
import torch
from scipy.cluster.hierarchy import linkage
from scipy.linalg import eigh
from sklearn.linear_model import Ridge
from sklearn.metrics import davies_bouldin_score

from tests.baselines.transcriptions.images import brighter, crop, erase, flip, saturate
from tests.baselines.transcriptions.plain import (
    Array,
    Case,
    array,
    averaged,
    chain,
    cosines,
    last_inputs,
    one_hot,
    outputs,
    per_class,
    places_after_relu,
    steps,
    weight_layers,
)
from tests.baselines.transcriptions.registry import Transcription
from tests.baselines.transcriptions.robustness import doubt, mistakes_on_mixtures

NATEKAR = "Natekar and Sharma 2020"
LASSANCE = "Lassance et al. 2021"


def beyond_linear(case: Case) -> float:
    """Nakkiran et al. 2019: I(F; Y | L), counted over the training data, L by ridge regression."""
    points = array(case.inputs.flatten(1))
    centered = points - points.mean(axis=0)
    linear = Ridge(alpha=0.1 * float((centered**2).sum(axis=1).mean()), solver="cholesky")
    given = linear.fit(points, one_hot(case.labels, case.classes)).predict(points).argmax(axis=1)
    triples = Counter(zip(outputs(case.network, case.inputs).argmax(axis=1), case.labels.tolist(), given, strict=True))
    count, found = len(points), 0.0
    for (f, y, line), times in triples.items():
        in_line = sum(n for (_, _, c), n in triples.items() if c == line)
        with_f = sum(n for (a, _, c), n in triples.items() if (a, c) == (f, line))
        with_y = sum(n for (_, b, c), n in triples.items() if (b, c) == (y, line))
        found += times / count * np.log(times * in_line / (with_f * with_y))
    return float(found)


def index_of_davies_and_bouldin(case: Case) -> float:
    """scikit-learn's index of the first hidden layer, its images max-pooled in windows of four by four."""
    points = array(steps(case.network, case.inputs)[places_after_relu(case.network)[0] - 1].output)
    if points.ndim == 4:
        rows, columns = (min(4, side) for side in points.shape[2:])
        high, wide = points.shape[2] // rows, points.shape[3] // columns
        cut = points[:, :, : high * rows, : wide * columns].reshape(*points.shape[:2], high, rows, wide, columns)
        points = cut.max(axis=(3, 5))
    return float(davies_bouldin_score(points.reshape(len(points), -1), case.labels.numpy()))


def before_activation(case: Case) -> list[Array]:
    """The outputs of the weight layers but the last, averaged over positions."""
    hidden = weight_layers(case.network)[:-1]
    return [averaged(step.output) for step in steps(case.network, case.inputs) if step.layer in hidden]


def intraclass_selectivity(case: Case) -> float:
    """Carbonnelle and De Vleeschouwer 2021, c3: the mean of the N/C largest σ_c / σ over neurons, then over classes."""
    neurons = np.concatenate(before_activation(case), axis=1)
    most = max(1, round(neurons.shape[1] / case.classes))
    labels = case.labels.numpy()
    means = []
    for label in np.unique(labels):
        ratios = neurons[labels == label].std(axis=0) / (neurons.std(axis=0) + 1e-7)
        means.append(np.sort(ratios)[-most:].mean())
    return -float(np.mean(means))


def intraclass_clustering(case: Case) -> float:
    """Carbonnelle and De Vleeschouwer 2021, c4: per class the largest over layers of the ratio of deviations."""
    labels = case.labels.numpy()
    ratios = []
    for neurons in before_activation(case):
        scaled = (neurons - neurons.mean(axis=0)) / (neurons.std(axis=0) + 1e-7)
        apart = 1 - cosines(np.maximum(scaled - np.percentile(scaled, 75, axis=0), 0))
        own = [apart[np.ix_(labels == label, labels == label)].std() for label in np.unique(labels)]
        ratios.append(np.array(own) / (apart.std() + 1e-7))
    return -float(np.max(ratios, axis=0).mean())


def smoothness(points: Array, signal: Array, neighbours: int) -> float:
    """Lassance et al. 2021: ½ Σ A_ij ||s_i - s_j||², which is trace(Sᵀ L S), over the total weight of A.

    A joins every example with its nearest neighbours by cosine similarity, in both directions.
    """
    similarity = cosines(points)
    weights = np.zeros_like(similarity)
    for i, row in enumerate(similarity):
        order = [int(j) for j in np.argsort(-row, kind="stable") if j != i]
        for j in order[:neighbours]:
            weights[i, j] = weights[j, i] = max(row[j], 0.0)
    apart = ((signal[:, None] - signal[None]) ** 2).sum(axis=2)
    return float((weights * apart).sum() / 2 / weights.sum())


def hidden(case: Case) -> list[Array]:
    """What the ReLUs give, flat."""
    found = [step.output for step in steps(case.network, case.inputs) if isinstance(step.layer, torch.nn.ReLU)]
    return [array(output.flatten(1)) for output in found]


def variation_of_mixtures(case: Case) -> float:
    """Lassance et al. 2021, VPM, on a graph of the nearest neighbour."""
    chosen = per_class(case, max(2, 500 // case.classes))
    inputs, signal = case.inputs[chosen], one_hot(case.labels[chosen], case.classes)
    partners = torch.randperm(len(chosen))
    shares = torch.rand(len(chosen), 3).sort(dim=1).values[:, 1].double()
    mixed = shares.view(-1, 1, 1, 1) * inputs + (1 - shares).view(-1, 1, 1, 1) * inputs[partners]
    own = shares.numpy()[:, None]
    return smoothness(last_inputs(case.network, mixed), own * signal + (1 - own) * signal[partners.numpy()], 1)


def variation_rate(case: Case) -> float:
    """Lassance et al. 2021, VR: the mean absolute change of the variation over the last representations."""
    signal = one_hot(case.labels, case.classes)
    layers = [*hidden(case)[-2:], outputs(case.network, case.inputs)]
    return float(np.mean(np.abs(np.diff([smoothness(points, signal, 20) for points in layers]))))


def worst_variation(case: Case) -> float:
    """Lassance et al. 2021, WCV: the largest variation over the last third of the hidden layers."""
    chosen = per_class(case, max(2, 500 // case.classes)).numpy()
    signal = one_hot(case.labels, case.classes)[chosen]
    layers = hidden(case)
    return max(smoothness(points[chosen], signal, 1) for points in layers[-(len(layers) // 3 + 1) :])


def layer_inputs(case: Case, inputs: torch.Tensor) -> list[Array]:
    """What every layer gets, flat."""
    return [array(step.given.flatten(1)) for step in steps(case.network, inputs)]


def program_vpm(case: Case) -> float:
    """The third place's program, VPM with one graph: normalised Laplacian of a directed graph of kernel values."""
    chosen = per_class(case, max(2, 500 // case.classes))
    inputs, signal = case.inputs[chosen], one_hot(case.labels[chosen], case.classes)
    partners = torch.randperm(len(chosen))
    shares = torch.rand(len(chosen), 3).sort(dim=1).values[:, 1].double()
    mixed = shares.view(-1, 1, 1, 1) * inputs + (1 - shares).view(-1, 1, 1, 1) * inputs[partners]
    points = array(next(s.given for s in reversed(steps(case.network, mixed))).flatten(1))
    own = shares.numpy()[:, None]
    return _normalised_variation(points, own * signal + (1 - own) * signal[partners.numpy()], both_ways=False)


def program_wcv(case: Case) -> float:
    """The third place's program, WCV: the same on a symmetric graph, unmixed, the largest over the last layers."""
    chosen = per_class(case, 50)
    signal = one_hot(case.labels[chosen], case.classes)
    layers = layer_inputs(case, case.inputs[chosen])
    last = layers[-(len(chain(case.network)) // 3 + 1) :]
    return max(_normalised_variation(points, signal, both_ways=True) for points in last)


def _normalised_variation(points: Array, signal: Array, *, both_ways: bool) -> float:
    unit = points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-12)
    squares = ((unit[:, None] - unit[None]) ** 2).sum(axis=2)
    kernel = np.exp(-squares / (3 * squares.std()))
    edges = (kernel >= np.sort(kernel, axis=1)[:, -2][:, None]).astype(float)
    np.fill_diagonal(edges, 0)
    edges = np.minimum(edges + edges.T, 1) if both_ways else edges
    inverse = 1 / np.sqrt(edges.sum(axis=1))
    laplacian = np.eye(len(edges)) - inverse[:, None] * edges * inverse
    return float(np.clip(np.trace(signal.T @ laplacian @ signal) / (2 * 2 * len(edges)), 0, 1000))


def program_vr(case: Case) -> float:
    """The third place's program, VR: unnormalised Laplacians at the inputs of the last two layers and at the output."""
    signal = one_hot(case.labels, case.classes)
    found = []
    for points in [*layer_inputs(case, case.inputs)[-2:], outputs(case.network, case.inputs)]:
        similarity = np.clip(cosines(points), 0, 1)
        np.fill_diagonal(similarity, 0)
        least = np.sort(similarity, axis=1)[:, -20][:, None]
        edges = np.where(similarity >= least, similarity, 0)
        edges = np.maximum(edges, edges.T)
        laplacian = np.diag(edges.sum(axis=1)) - edges
        found.append(np.trace(signal.T @ laplacian @ signal) / (2 * 50 * 1000))
    return float(np.mean(np.abs(np.diff(found))))


def lidar_rank(case: Case) -> float:
    """Thilak et al. 2024: exp of the entropy of the eigenvalues of Σ_b with respect to Σ_w + δ I."""
    images = array(case.inputs)
    versions = [images, *(change(images) for change in (flip, crop, brighter, saturate, erase))]
    features = np.stack([last_inputs(case.network, torch.from_numpy(version)) for version in versions])
    means = features.mean(axis=0)
    between = np.cov(means.T, bias=True)
    within = np.mean([np.cov(features[:, i].T, bias=True) for i in range(len(images))], axis=0)
    values = np.maximum(eigh(between, within + 1e-4 * np.eye(len(within)), eigvals_only=True), 0) + 1e-12
    shares = values / values.sum()
    return -float(np.exp(-(shares * np.log(shares)).sum()))


def neuron_persistence(case: Case) -> float:
    """Ballester et al. 2024, dimension 0: deaths are the heights at which single linkage joins neurons; the mean."""
    found = [step.output for step in steps(case.network, case.inputs) if isinstance(step.layer, torch.nn.ReLU)]
    neurons = np.concatenate([averaged(output) for output in found], axis=1)
    spread = neurons.std(axis=0)
    scaled = (neurons - neurons.mean(axis=0)) / np.where(spread > 1e-12 * max(spread.max(), 1e-12), spread, np.inf)
    apart = np.clip(1 - np.abs(scaled.T @ scaled) / len(scaled), 0, None)
    return -float(linkage(apart[np.triu_indices(len(apart), 1)], method="single")[:, 2].mean())


def prediction_depth(case: Case) -> float:
    """Baldock et al. 2021: the first layer from which on k-NN probes agree with the prediction."""
    logits = outputs(case.network, case.inputs)
    predicted, labels = logits.argmax(axis=1), case.labels.tolist()
    neighbours = max(1, min(30, len(labels) // (2 * case.classes)))
    relus = [step.output for step in steps(case.network, case.inputs) if isinstance(step.layer, torch.nn.ReLU)]
    layers = [array(case.inputs.flatten(1)), *(averaged(output) for output in relus), logits]
    agrees = np.zeros((len(layers), len(labels)), dtype=bool)
    for place, points in enumerate(layers):
        for i, point in enumerate(points):
            apart = np.linalg.norm(points - point, axis=1)
            nearest = [j for j in np.argsort(apart, kind="stable") if j != i][:neighbours]
            agrees[place, i] = _vote([labels[j] for j in nearest]) == predicted[i]
    depths = []
    for own in agrees.T:
        wrong = np.flatnonzero(~own)
        depths.append(0 if len(wrong) == 0 else wrong[-1] + 1)
    return float(np.mean(depths) / len(layers))


def _vote(labels: list[int]) -> int:
    """The most frequent label; among equals, the one whose first neighbour is nearest."""
    counts = Counter(labels)
    return next(label for label in labels if counts[label] == max(counts.values()))


def within_class_variance(case: Case) -> float:
    """Papyan et al. 2020, NC1: trace(Σ_W Σ_B⁺) / C."""
    features, labels = last_inputs(case.network, case.inputs), case.labels.numpy()
    present = np.unique(labels)
    means = np.array([features[labels == label].mean(axis=0) for label in present])
    away = features - means[np.searchsorted(present, labels)]
    within, between = away.T @ away / len(away), np.cov(means.T, bias=True)
    return float(np.trace(within @ np.linalg.pinv(between, rcond=1e-8, hermitian=True)) / len(present))


TRANSCRIPTIONS = {
    "Information beyond linear": Transcription(
        beyond_linear, "Nakkiran et al. 2019", "L is ridge regression on one-hot labels, by scikit-learn here."
    ),
    "Davies-Bouldin index": Transcription(
        index_of_davies_and_bouldin,
        f"{NATEKAR}; the index by scikit-learn",
        "Of the first hidden layer, max-pooled four by four.",
    ),
    "Davies-Bouldin times mixup": Transcription(
        lambda case: index_of_davies_and_bouldin(case) * doubt(case, 2000),
        NATEKAR,
        "Fixed pairs; the index of all examples at once.",
        published=lambda case: index_of_davies_and_bouldin(case) * mistakes_on_mixtures(case),
        reason="Probabilities instead of accuracy, by which networks that classify nearly every mixture tie.",
    ),
    "Intra-class clustering": Transcription(intraclass_clustering, "Carbonnelle and De Vleeschouwer 2021, c4"),
    "Intra-class selectivity": Transcription(intraclass_selectivity, "Carbonnelle and De Vleeschouwer 2021, c3"),
    "Label variation of mixtures": Transcription(
        variation_of_mixtures,
        f"{LASSANCE}, VPM",
        "Over the total weight of the graph; the same draws.",
        published=program_vpm,
        reason="Cosine similarities on a symmetric graph, pooled features, as in the paper rather than the program.",
    ),
    "Label variation rate": Transcription(
        variation_rate,
        f"{LASSANCE}, VR",
        "Over the total weight of the graph.",
        published=program_vr,
        reason="Over the graph's weight, at hidden layers; the program divides by a constant and takes all layers.",
    ),
    "LiDAR rank": Transcription(lidar_rank, "Thilak et al. 2024", "Six fixed versions of each image; its negative."),
    "Neuron persistence": Transcription(
        neuron_persistence, "Ballester et al. 2024, dimension 0", "The mean death alone, its negative."
    ),
    "Prediction depth": Transcription(
        prediction_depth, "Baldock et al. 2021", "At most half a class votes; relative to the number of layers."
    ),
    "Within-class variance": Transcription(within_class_variance, "Papyan et al. 2020, NC1"),
    "Worst-case label variation": Transcription(
        worst_variation,
        f"{LASSANCE}, WCV",
        "Over the total weight of the graph; hidden layers only.",
        published=program_wcv,
        reason="Cosine similarities and the plain Laplacian, as in the paper rather than the program.",
    ),
}
