"""Measures of representations, by hand and by what their papers claim."""

import math

import numpy as np
import pytest
import torch
from gengap_measures import activations, davies_bouldin, hidden_layers, penultimate, pooled, weight_layers
from sklearn.metrics import davies_bouldin_score
from torch import nn

from tests.baselines.networks import (
    cnn,
    data,
    hand_network,
    images,
    linear,
    measure,
    mlp,
    network_of,
    plain_linear,
    scale,
    seeded,
)

# Two classes around (2, 0) and (0, 2), each point 1 from its center; the hand network's hidden layer is the identity.
CROSS = data([(1, 0), (3, 0), (0, 1), (0, 3)], [0, 0, 1, 1])
BY_HAND = {
    "Davies-Bouldin index": 2 / math.sqrt(8),
    # Within: diag(1/2, 1/2). Between: [[1, -1], [-1, 1]], its pseudo-inverse a quarter of that.
    "Within-class variance": 0.25 / 2,
    # Neuron 1 is 1, 3, 0, 0: variance 1.5 in all and 1 within class 0; neuron 2 likewise. The most selective counts.
    "Intra-class selectivity": -1 / math.sqrt(1.5),
    # Directions of one class are the same, and those of the other orthogonal.
    "Worst-case label variation": 0.0,
    "Neighbour disagreement": 0.0,
    # (1, 0) and (0, 1) are nearest to each other, in every layer; the other two always agree.
    "Prediction depth": 0.5,
}


@pytest.mark.parametrize("name", BY_HAND)
def test_by_hand(name: str) -> None:
    assert measure(name)(hand_network(), CROSS) == pytest.approx(BY_HAND[name], rel=1e-5, abs=1e-9)


def test_the_davies_bouldin_index_is_sklearns() -> None:
    points, labels = torch.randn(50, 6, generator=torch.Generator().manual_seed(0)).double(), torch.arange(50) % 4
    assert davies_bouldin(points, labels) == pytest.approx(davies_bouldin_score(points.numpy(), labels.numpy()))


def test_the_davies_bouldin_index_says_when_there_is_nothing_to_cluster() -> None:
    with pytest.raises(ValueError, match="one label"):
        measure("Davies-Bouldin index")(hand_network(), data([(1, 0), (2, 0)], [0, 0]))
    with pytest.raises(ValueError, match="same center"):
        measure("Davies-Bouldin index")(hand_network(), data([(1, 1), (1, 1)], [0, 1]))


@pytest.mark.parametrize(
    "name", ["Davies-Bouldin index", "Within-class variance", "Neuron persistence", "Intra-class clustering"]
)
def test_the_scale_of_the_features_does_not_count(name: str) -> None:
    network, dataset = mlp(1).eval(), images(40)
    value = measure(name)(network, dataset)
    scale(network, {"1.weight": 10, "1.bias": 10, "3.weight": 10, "3.bias": 100})
    assert measure(name)(network, dataset) == pytest.approx(value, rel=1e-4)


def test_the_winner_is_the_product_of_its_two_parts() -> None:
    network, dataset = network_of("cnn"), images(60)
    product = measure("Davies-Bouldin index")(network, dataset) * measure("Label-wise mixup")(network, dataset)
    assert measure("Davies-Bouldin times mixup")(network, dataset) == pytest.approx(product, rel=1e-9)


def test_collapsed_classes_have_no_variance_and_no_clusters() -> None:
    collapsed = data([(1, 0), (1, 0), (1, 0), (0, 1), (0, 1), (0, 1)], [0, 0, 0, 1, 1, 1])
    for name in ("Within-class variance", "Davies-Bouldin index", "Intra-class selectivity", "Intra-class clustering"):
        assert measure(name)(hand_network(), collapsed) == pytest.approx(0, abs=1e-6)


def test_labels_vary_fully_where_all_nearest_neighbours_differ() -> None:
    mixed = data([(1, 0), (3, 0), (0, 1), (0, 3)], [0, 1, 0, 1])
    assert measure("Worst-case label variation")(hand_network(), mixed) == pytest.approx(1)
    assert measure("Neighbour disagreement")(hand_network(), mixed) == 1


def test_label_variation_rate_by_hand() -> None:
    # All four are neighbours of all. Hidden cosines: 1 within a class, 0 between. Logits are (2 a, 3 b + 1): (2, 1),
    # (6, 1), (0, 4), (0, 10). The representations are the hidden layer and the logits.
    logits = np.array([[2, 1], [6, 1], [0, 4], [0, 10]])
    directions = logits / np.linalg.norm(logits, axis=1, keepdims=True)
    cosines = directions @ directions.T
    between, within = cosines[:2, 2:].sum(), cosines[0, 1] + cosines[2, 3]
    assert measure("Label variation rate")(hand_network(), CROSS) == pytest.approx(between / (between + within))


def test_mixtures_of_one_class_have_no_label_variation() -> None:
    alone = data([(1, 0), (3, 1), (2, 1), (5, 3)], [0, 0, 0, 0])
    assert seeded("Label variation of mixtures", hand_network(), alone) == pytest.approx(0, abs=1e-12)
    assert seeded("Label variation of mixtures", mlp(1), images(60)) > 0


def test_one_feature_has_a_lidar_rank_of_one() -> None:
    network = nn.Sequential(nn.Flatten(), linear([[1, 2]]), nn.ReLU(), linear([[1], [-1]]))
    assert measure("LiDAR rank")(network, CROSS) == pytest.approx(-1)
    wide = measure("LiDAR rank")(mlp(1), images(60))
    assert -8 <= wide < -1


def test_prediction_depth_by_hand() -> None:
    # On a line 0, 1 | 1.1, 2 the inner two are nearest to each other, in every layer: two of four never agree.
    network = nn.Sequential(nn.Flatten(), linear([[1, 0]]), nn.ReLU(), linear([[-1], [1]], [1.05, -1.05]))
    points = data([(0, 0), (1, 0), (1.1, 0), (2, 0)], [0, 0, 1, 1])
    assert measure("Prediction depth")(network, points) == pytest.approx(0.5)


def test_examples_whose_neighbours_agree_at_the_input_have_no_depth() -> None:
    points = data([(1, 0), (1.5, 0), (0, 4), (0, 5)], [0, 0, 1, 1])
    assert measure("Prediction depth")(hand_network(), points) == 0


def test_neuron_persistence_by_hand() -> None:
    network = nn.Sequential(nn.Flatten(), plain_linear([[1, 0], [0, 1]]), nn.ReLU(), plain_linear([[1, 0], [0, 1]]))
    together = data([(1, 1), (2, 2), (4, 4)], [0, 1, 1])
    apart = data([(1, 1), (1, 2), (2, 1), (2, 2)], [0, 0, 1, 1])
    assert measure("Neuron persistence")(network, together) == pytest.approx(0, abs=1e-6)
    assert measure("Neuron persistence")(network, apart) == pytest.approx(-1)


def test_information_beyond_linear_by_hand() -> None:
    # |a - b| > 1/2 is class 1. The corners weigh so that the best linear guess is always class 0: I = H(Y).
    network = nn.Sequential(
        nn.Flatten(), plain_linear([[1, -1], [-1, 1]]), nn.ReLU(), linear([[0, 0], [1, 1]], [0.5, 0.0])
    )
    corners = [(0, 0), (1, 1)] * 3 + [(0, 1), (1, 0)]
    expected = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert measure("Information beyond linear")(network, data(corners, [0] * 6 + [1] * 2)) == pytest.approx(expected)


def test_a_linear_problem_leaves_no_information_beyond() -> None:
    assert measure("Information beyond linear")(hand_network(), CROSS) == pytest.approx(0, abs=1e-12)


def test_intraclass_clustering_by_a_literal_computation() -> None:
    network, dataset = mlp(2).eval(), images(40)
    ratios = []
    for layer in activations(network, dataset.inputs, weight_layers(network)[:-1]):
        points = layer.numpy()
        points = (points - points.mean(axis=0)) / points.std(axis=0)
        points = np.maximum(points - np.percentile(points, 75, axis=0), 0)
        lengths = np.linalg.norm(points, axis=1, keepdims=True)
        directions = np.divide(points, lengths, out=np.zeros_like(points), where=lengths > 0)
        away = 1 - directions @ directions.T  # a point without peaks is at distance 1 from all, itself too
        members = [np.flatnonzero(dataset.labels.numpy() == label) for label in range(4)]
        ratios.append([away[np.ix_(own, own)].std() / away.std() for own in members])
    expected = -np.max(ratios, axis=0).mean()
    assert measure("Intra-class clustering")(network, dataset) == pytest.approx(expected, rel=1e-5)


def test_activations_are_what_the_layers_say_all_from_one_pass() -> None:
    network, dataset = cnn(1).eval(), images(10)
    assert isinstance(network, nn.Sequential)
    convolution, last = activations(network, dataset.inputs, [network[0], network[8]])
    assert torch.allclose(convolution, network[0](dataset.inputs).flatten(1).double(), atol=1e-6)
    assert torch.allclose(last, network(dataset.inputs).double(), atol=1e-6)
    assert [layer.__class__ for layer in hidden_layers(network)] == [nn.ReLU, nn.ReLU]
    assert torch.allclose(penultimate(network, dataset.inputs), network[:8](dataset.inputs).double(), atol=1e-6)
    assert pooled(torch.ones(2, 3, 4, 4)).shape == (2, 3)
    unused = nn.Linear(2, 2)
    with pytest.raises(ValueError, match="does not call"):
        activations(network, dataset.inputs, [unused])


def test_networks_without_activation_modules_have_hidden_layers_too() -> None:
    bare = nn.Sequential(nn.Flatten(), nn.Linear(2, 2), nn.Linear(2, 2))
    assert hidden_layers(bare) == weight_layers(bare)[:1]
    with pytest.raises(ValueError, match="neither linear nor convolutional"):
        hidden_layers(nn.Flatten())
