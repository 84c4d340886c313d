"""Measures of size and norms, by hand and by what their papers claim."""

import math

import pytest
import torch
from gengap_measures import convolution_spectral_norm, linear_maps, with_batch_norm_folded
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from tests.baselines.networks import (
    cnn,
    data,
    hand_initial,
    hand_network,
    images,
    linear,
    measure,
    mlp,
    network_of,
    scale,
    with_initial,
)

POINTS = data([(1, 0), (4, 1), (0, 1), (1, 2)], [0, 0, 1, 1])
MARGIN = 1.9  # margins 1, 4, 4, 5: the 10th percentile lies 0.3 of the way from the first to the second
NETWORK = with_initial(hand_network(), hand_initial())
# The layers are I and diag(2, 3); the second came from diag(-1, -1).
BY_HAND = {
    "Parameter count": 12,
    "VC dimension": 2 * 12 * math.log(12),
    "Squared norm": 2 + 13,
    "Distance from initialization": 5,
    "Spectral distance from initialization": 16,
    "Squared spectral norms": 1 + 9,
    "Product of spectral norms": math.log(9),
    "Product of spectral norms over margin": math.log(9 / MARGIN**2),
    "Sum of spectral norms": math.log(2 * 3),
    "Sum of spectral norms over margin": math.log(2 * 3 / MARGIN),
    "Product of Frobenius norms": math.log(2 * 13),
    "Product of Frobenius norms over margin": math.log(2 * 13 / MARGIN**2),
    "Sum of Frobenius norms": math.log(2 * math.sqrt(26)),
    "Sum of Frobenius norms over margin": math.log(2 * math.sqrt(26) / MARGIN),
    "Frobenius over spectral norms": 2 + 13 / 9,
    "Spectral complexity": math.log(3 * (7 / 3) / MARGIN),
    "Spectral complexity from origin": math.log(3 * (2 ** (2 / 3) + (5 / 3) ** (2 / 3)) ** 1.5 / MARGIN),
    "Path norm": 4 + 9 + 1,
    "Path norm over margin": 14 / MARGIN**2,
}


@pytest.mark.parametrize("name", BY_HAND)
def test_by_hand(name: str) -> None:
    assert measure(name)(NETWORK, POINTS) == pytest.approx(BY_HAND[name], rel=1e-6)


@pytest.mark.parametrize(
    "name",
    [
        "Product of spectral norms",
        "Product of Frobenius norms",
        "Sum of spectral norms",
        "Frobenius over spectral norms",
        "Spectral complexity from origin",
        "Path norm",
    ],
)
def test_rescaling_relu_layers_against_each_other_changes_nothing(name: str) -> None:
    network = hand_network()
    value = measure(name)(network, POINTS)
    scale(network, {"1.weight": 4, "3.weight": 1 / 4})
    assert measure(name)(network, POINTS) == pytest.approx(value, rel=1e-6)


@pytest.mark.parametrize("name", ["Squared norm", "Squared spectral norms"])
def test_squared_norms_grow_with_the_square_of_the_weights(name: str) -> None:
    network, dataset = mlp(1).eval(), images(20)
    value = measure(name)(network, dataset)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(3)
    assert measure(name)(network, dataset) == pytest.approx(9 * value)


@pytest.mark.parametrize("name", ["Distance from initialization", "Spectral distance from initialization"])
def test_distances_are_zero_before_training_and_need_initial_weights(name: str) -> None:
    assert measure(name)(with_initial(cnn(0), cnn(0)), images(20)) == 0
    with pytest.raises(ValueError, match="no initial weights"):
        measure(name)(with_initial(cnn(0), None), images(20))


def test_parameter_count_counts_batch_norm_and_convolutions() -> None:
    network = nn.Sequential(nn.Conv2d(2, 3, 5), nn.BatchNorm2d(3))
    assert measure("Parameter count")(network, POINTS) == 2 * 3 * 25 + 3 + 6


def test_wider_networks_have_a_larger_vc_dimension() -> None:
    narrow, wide = nn.Linear(64, 4), nn.Linear(64, 5)
    assert measure("VC dimension")(wide, images(4)) > measure("VC dimension")(narrow, images(4))


def test_folding_batch_norm_keeps_the_function_and_every_measure_of_it() -> None:
    network, dataset = network_of("cnn"), images(20)
    folded = with_batch_norm_folded(network)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    assert torch.allclose(network(dataset.inputs), folded(dataset.inputs), atol=1e-5)
    for name in ("Path norm", "Product of spectral norms", "Product of Frobenius norms"):
        assert measure(name)(folded, dataset) == pytest.approx(measure(name)(network, dataset), rel=1e-5)


def test_no_scale_in_front_of_batch_norm_changes_products_of_norms() -> None:
    network, dataset = network_of("cnn"), images(20)
    value = measure("Product of spectral norms")(network, dataset)
    scale(network, {"0.weight": 2, "0.bias": 2, "1.running_mean": 2, "1.running_var": 4})
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps *= 4
    assert measure("Product of spectral norms")(network, dataset) == pytest.approx(value, rel=1e-5)


def test_the_path_norm_says_in_which_networks_it_means_nothing() -> None:
    for layer in (nn.Tanh(), nn.LayerNorm(2), nn.Sigmoid()):
        network = nn.Sequential(nn.Flatten(), linear([[1, 0], [0, 1]]), layer, linear([[1, 0], [0, 1]]))
        with pytest.raises(ValueError, match=type(layer).__name__):
            measure("Path norm")(network, POINTS)


def test_residual_paths_count_both_ways() -> None:
    network = network_of("resnet")
    value = measure("Path norm")(network, images(4))
    with torch.no_grad():
        next(module for name, module in network.named_modules() if name.endswith("shortcut.0")).weight.zero_()
    assert measure("Path norm")(network, images(4)) < value


def circular_matrix(kernel: Tensor, size: tuple[int, int], stride: int, dilation: int, groups: int) -> Tensor:
    """The convolution with circular padding written out, one row for each output."""
    outputs, inputs, height, width = kernel.shape
    rows = []
    for out in range(outputs):
        first = out // (outputs // groups) * inputs
        for y in range(0, size[0], stride):
            for x in range(0, size[1], stride):
                row = torch.zeros(groups * inputs, *size, dtype=torch.float64)
                for channel in range(inputs):
                    for dy in range(height):
                        for dx in range(width):
                            place = (first + channel, (y + dilation * dy) % size[0], (x + dilation * dx) % size[1])
                            row[place] += kernel[out, channel, dy, dx]
                rows.append(row.flatten())
    return torch.stack(rows)


@given(
    seed=st.integers(0, 10**6),
    groups=st.integers(1, 2),
    width=st.integers(1, 2),
    kernel=st.tuples(st.integers(1, 5), st.integers(1, 3)),
    stride=st.integers(1, 2),
    dilation=st.integers(1, 2),
    half=st.tuples(st.integers(1, 2), st.integers(1, 3)),
)
@settings(max_examples=25)
def test_the_spectral_norm_of_a_convolution_is_that_of_the_matrix_it_is(
    seed: int, groups: int, width: int, kernel: tuple[int, int], stride: int, dilation: int, half: tuple[int, int]
) -> None:
    weight = torch.randn(2 * groups, width, *kernel, generator=torch.Generator().manual_seed(seed)).double()
    size = (2 * half[0], 2 * half[1])
    expected = float(torch.linalg.matrix_norm(circular_matrix(weight, size, stride, dilation, groups), 2))
    found = convolution_spectral_norm(weight, size, (stride, stride), (dilation, dilation), groups)
    assert found == pytest.approx(expected, rel=1e-9)


def test_a_convolution_has_not_the_norm_of_its_reshaped_kernel() -> None:
    network = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1, bias=False), nn.Flatten(), nn.Linear(64, 2))
    network.state_dict()["0.weight"].fill_(1.0)
    assert linear_maps(network, images(2).inputs)[0].spectral == pytest.approx(9)  # constant images come out ninefold
    assert linear_maps(network, images(2).inputs)[0].frobenius == pytest.approx(3)
