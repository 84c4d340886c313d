"""Measures of margins and robustness, by hand and by what their papers claim."""

import math

import pytest
import torch
from gengap_measures import brightened, cropped, erased, flipped, same_label_pairs, saturated, sobel, wasserstein
from scipy.stats import wasserstein_distance
from torch import nn

from tests.baselines.networks import data, hand_network, images, linear, measure, network_of, plain_linear, scale

POINTS = data([(1, 0), (4, 1), (0, 1), (1, 2)], [0, 0, 1, 1])
INSIDE = data([(3, 1), (5, 1), (1, 2), (1, 4)], [0, 0, 1, 1])  # margins 2, 6, 5, 11, every ReLU open
SLOPE = math.sqrt(13)  # of the hand network's margin 2 a - 3 b - 1 in its hidden layer
# Both halves of a class are single points; they lie sqrt(10) and sqrt(2) apart.
SPREAD = (math.sqrt(10) + math.sqrt(2)) / 2
BY_HAND = {
    "kV-margin": -4 / (SPREAD * SLOPE),
    "kV-GN-margin": -4 / SLOPE / SPREAD,
    # Mixtures are (2.5, 0.5) and (0.5, 1.5), twice each: margins 2.5 and 4.5; variances 1 and 0.25.
    "Mixup margin": -3.5 / SLOPE / math.sqrt(0.625),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_by_hand(name: str) -> None:
    assert measure(name)(hand_network(), POINTS) == pytest.approx(BY_HAND[name], rel=1e-5)


def test_a_class_counts_by_its_share_of_the_data_in_kv_margins() -> None:
    # Class 0 four times, in pairs of one point each; class 1 twice.
    points = data([(1, 0), (4, 1), (1, 0), (4, 1), (0, 1), (1, 2)], [0, 0, 0, 0, 1, 1])
    spread = (4 * math.sqrt(10) + 2 * math.sqrt(2)) / 6
    margins = sorted([1.0, 4.0, 1.0, 4.0, 4.0, 5.0])  # of 2 a against 3 b + 1, and the other way round
    median = (margins[2] + margins[3]) / 2
    assert measure("kV-margin")(hand_network(), points) == pytest.approx(-median / (spread * SLOPE), rel=1e-5)
    assert measure("kV-GN-margin")(hand_network(), points) == pytest.approx(-median / SLOPE / spread, rel=1e-5)


def test_margin_distribution_by_hand() -> None:
    # Fences and quartiles of 2, 5, 6, 11 are 2, 4.25, 5.5, 7.25, 11, with mean 6; the total variance is 2.75 + 1.5.
    expected = -6 / SLOPE / math.sqrt(4.25)
    assert measure("Margin distribution")(hand_network(), INSIDE) == pytest.approx(expected, rel=1e-5)


def test_augment_margin_by_hand() -> None:
    # One example for each: flipped (1, 3), cropped (5, 1), brightened by 0.2 (1.2, 2.2), saturated (-0.5, 5.5).
    margins = [2 * 1 - 3 * 3 - 1, 6, 3 * 2.2 + 1 - 2 * 1.2, 3 * 5.5 + 1 - 0.0]
    hidden = torch.tensor([[1, 3], [5, 1], [1.2, 2.2], [0, 5.5]])
    expected = -sum(margins) / 4 / SLOPE / math.sqrt(float(hidden.var(dim=0, correction=0).mean()))
    assert measure("Augment margin")(hand_network(), INSIDE) == pytest.approx(expected, rel=1e-5)


def test_constrained_input_margin_by_hand() -> None:
    # The data vary along the first axis alone, along which the boundary 2 a + 10 b = 0 is |a| away.
    network = nn.Sequential(nn.Flatten(), plain_linear([[1, 5], [-1, -5]]))
    points = data([(1, 0), (3, 0), (-1, 0), (-3, 0)], [0, 0, 1, 1])
    assert measure("Constrained input margin")(network, points) == pytest.approx(-2, rel=1e-6)


@pytest.mark.parametrize(
    "name", ["kV-margin", "kV-GN-margin", "Mixup margin", "Margin distribution", "Constrained input margin"]
)
def test_no_margin_in_units_of_the_logits_changes_with_their_scale(name: str) -> None:
    network = hand_network()
    value = measure(name)(network, INSIDE)
    with torch.no_grad():
        for parameter in network[3].parameters():
            parameter.mul_(5)
    assert measure(name)(network, INSIDE) == pytest.approx(value, rel=1e-5)


def test_label_wise_mixup_by_hand() -> None:
    # Class 0 where |a| > |b| and class 1 elsewhere is beyond a linear network, not beyond this one:
    # logits (relu(a) + relu(-a), relu(b) + relu(-b)).
    network = nn.Sequential(
        nn.Flatten(),
        linear([[1, 0], [-1, 0], [0, 1], [0, -1]]),
        nn.ReLU(),
        linear([[1, 1, 0, 0], [0, 0, 1, 1]], [0.0, 0.5]),
    )
    # Class 0 in a circle: (2,0) (4,0) (-2,0) (-4,0). Halfway to the next: 3, 1, -3, -1 with margins 2.5 and
    # 0.5; halfway to the next but one: 0, four times, with logits (0, 0.5) for class 1.
    # Class 1: (0,1) and (0,3), halfway 2 with margin 2.5, twice.
    points = data([(2, 0), (4, 0), (-2, 0), (-4, 0), (0, 1), (0, 3)], [0, 0, 0, 0, 1, 1])
    margins = [2.5, 0.5, 2.5, 0.5, -0.5, -0.5, -0.5, -0.5, 2.5, 2.5]
    expected = sum(1 / (1 + math.exp(margin)) for margin in margins) / 10
    assert measure("Label-wise mixup")(network, points) == pytest.approx(expected, rel=1e-12)


def test_label_wise_mixup_falls_as_the_network_grows_surer() -> None:
    network = hand_network()
    value = measure("Label-wise mixup")(network, POINTS)
    with torch.no_grad():
        for parameter in network[3].parameters():
            parameter.mul_(2)
    assert measure("Label-wise mixup")(network, POINTS) < value


def test_pairs_of_one_label_use_each_example_equally_and_only_its_own_class() -> None:
    labels = torch.tensor([0, 1, 2] * 20 + [3])
    first, second = same_label_pairs(labels, 200)
    assert torch.equal(labels[first], labels[second])
    assert not (first == second).any()
    assert first.bincount(minlength=61).tolist() == [3] * 60 + [0]
    assert len({frozenset(pair) for pair in zip(first.tolist(), second.tolist(), strict=True)}) == len(first)


def test_there_are_never_more_pairs_than_the_limit() -> None:
    first, second = same_label_pairs(torch.arange(1000) % 7, 64)
    assert len(first) == len(second) <= 64


@pytest.mark.parametrize("name", ["Label-wise mixup", "Mixup margin", "kV-margin", "kV-GN-margin"])
def test_what_mixes_or_halves_classes_says_when_they_are_too_small(name: str) -> None:
    with pytest.raises(ValueError, match="no class"):
        measure(name)(hand_network(), data([(1, 0), (0, 1)], [0, 1]))


def test_augmentation_penalties_by_hand() -> None:
    # Class 0 where the left pixel is the brighter one. Both flips change every answer; Sobel's two pixels are equal,
    # which counts as class 0 and changes class 1; nothing else changes which is brighter. Saturation doubles the
    # difference of the pixels, erasing (of the left one) halves it, crop and brightness leave it alone.
    network = nn.Sequential(nn.Flatten(), plain_linear([[1, -1], [-1, 1]]))
    points = data([(2, 1), (5, 3), (1, 4), (0, 2)], [0, 0, 1, 1])

    def sure(difference: int, factor: float) -> float:
        return 1 / (1 + math.exp(-2 * factor * difference))

    surer = [sure(d, 2) - sure(d, 1) for d in (1, 2, 3, 2)]
    less_sure = [sure(d, 1) - sure(d, 1 / 2) for d in (1, 2, 3, 2)]
    undecided = [sure(d, 1) - 1 / 2 for d in (1, 2)]
    expected = 6 + 12 + (3 * 2 + sum(surer) + sum(less_sure) + sum(undecided)) / 4
    assert measure("Augmentation penalties")(network, points) == pytest.approx(expected)


def test_a_network_that_always_says_the_same_pays_no_penalty() -> None:
    network = nn.Sequential(nn.Flatten(), linear([[0, 0], [0, 0]], [1.0, 0.0]))
    assert measure("Augmentation penalties")(network, POINTS) == 0


def test_gi_and_pal_by_hand() -> None:
    # Right until halfway, where the tie counts as class 0: the response is 1 ten times and then 1/2.
    network = nn.Sequential(nn.Flatten(), plain_linear([[1, 0], [0, 1]]))
    points = data([(1, 0), (0, 1)], [0, 1])
    assert measure("Gi-score")(network, points) == pytest.approx(0.1 * 0.025 / 2)
    assert measure("Pal-score")(network, points) == pytest.approx(-(0.325 + 0.1 * (0.9 + 0.975) / 2) / 0.005)


@pytest.mark.parametrize("name", ["Gi-score", "Pal-score"])
def test_accuracy_that_falls_sooner_scores_higher(name: str) -> None:
    points = data([(1, 0), (0, 1)] * 4, [0, 1] * 4)
    lasting = nn.Sequential(nn.Flatten(), plain_linear([[1, 0], [0, 1]]))
    failing = nn.Sequential(nn.Flatten(), linear([[1, 0], [0, 1]], [0.0, 0.7]))
    assert measure(name)(failing, points) > measure(name)(lasting, points)
    with pytest.raises(ValueError, match="one label"):
        measure(name)(lasting, data([(1, 0), (0, 1)], [0, 0]))


def test_augmentations_by_hand() -> None:
    image = torch.tensor([[0.0, 1, 2, 3], [4, 5, 6, 7]])[None, None]
    assert flipped(image)[0, 0].tolist() == [[3, 2, 1, 0], [7, 6, 5, 4]]
    assert brightened(image, 0.5)[0, 0, 0].tolist() == [3.5, 4.5, 5.5, 6.5]
    assert saturated(image, 3.0)[0, 0, 0].tolist() == [-7, -4, -1, 2]
    colours = torch.tensor([1.0, 3.0]).view(1, 2, 1, 1)
    assert saturated(colours, 2.0).flatten().tolist() == [0, 4]
    assert erased(image, 0.5)[0, 0].tolist() == [[0, 3.5, 3.5, 3], [4, 5, 6, 7]]
    assert cropped(image, 1.0).tolist() == image.tolist()
    assert cropped(image, 0.5)[0, 0].flatten().tolist() == pytest.approx([1, 1.25, 1.75, 2] * 2)
    slopes = sobel(torch.arange(4.0).repeat(3, 1)[None, None])
    assert slopes[0, 0].tolist() == [[4, 8, 8, 4]] * 3


def test_the_transport_distance_agrees_with_scipys_on_a_line() -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.randn(9, 1, generator=generator).double() for _ in range(2))
    expected = wasserstein_distance(first[:, 0].numpy(), second[:, 0].numpy())
    assert wasserstein(first, second) == pytest.approx(expected)


def test_margins_of_networks_with_attention_are_distances_too() -> None:
    network, dataset = network_of("vit"), images(20)
    value = measure("Constrained input margin")(network, dataset)
    scale(network, {"5.weight": 3, "5.bias": 3})
    assert measure("Constrained input margin")(network, dataset) == pytest.approx(value, rel=1e-5)
