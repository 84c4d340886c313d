"""Measures of spectra, modules and memorisation, by hand and by what their papers claim."""

import math

import numpy as np
import pytest
import torch
from gengap_measures import evenly, flat, penultimate, some, some_of_each_class, weight_spans
from gengap_measures.power_law import fitted
from scipy.stats import kstest, pareto
from torch import nn

from tests.baselines.networks import (
    data,
    hand_initial,
    hand_network,
    images,
    linear,
    measure,
    mlp,
    network_of,
    scale,
    seeded,
    with_initial,
)

POINTS = data([(3, 1), (5, 1), (1, 2), (1, 4)], [0, 0, 1, 1])


def diagonal_network(eigenvalues: torch.Tensor) -> nn.Module:
    """One layer whose Wᵀ W has these eigenvalues."""
    layer = nn.Linear(len(eigenvalues), len(eigenvalues))
    with torch.no_grad():
        layer.weight.copy_(torch.diag(eigenvalues.sqrt()))
    return layer


@pytest.mark.parametrize("exponent", [2.0, 3.0, 5.0])
def test_the_exponent_of_an_exact_power_law_is_found(exponent: float) -> None:
    places = (torch.arange(300, dtype=torch.float64) + 0.5) / 300
    network = diagonal_network((1 - places) ** (-1 / (exponent - 1)))
    alpha = measure("Power-law exponent")(network, images(4))
    assert alpha == pytest.approx(exponent, rel=0.05)
    largest = float((1 - places[-1]) ** (-1 / (exponent - 1)))
    weighted = measure("Weighted power-law exponent")(network, images(4))
    assert weighted == pytest.approx(alpha * math.log10(largest), rel=1e-5)


def test_the_exponent_is_a_matter_of_shape_not_scale_or_order() -> None:
    network = mlp(1)
    value = measure("Power-law exponent")(network, images(4))
    weights = network.state_dict()
    for name in ("1.weight", "3.weight", "5.weight"):
        weights[name].copy_(3 * weights[name][:, torch.randperm(weights[name].shape[1])])
    assert measure("Power-law exponent")(network, images(4)) == pytest.approx(value, rel=1e-4)


@pytest.mark.parametrize("rows", [48, 96, 192])
def test_the_weighted_exponent_is_the_exponent_times_the_logarithm_of_the_eigenvalue_whatever_the_rows(
    rows: int,
) -> None:
    torch.manual_seed(0)
    layer = nn.Linear(32, rows, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.randn(rows, 32))
        layer.weight.mul_((10 / torch.linalg.matrix_norm(layer.weight, 2) ** 2).sqrt())  # λ_max of Wᵀ W is 10
    alpha, weighted = (
        measure(name)(layer, images(4)) for name in ("Power-law exponent", "Weighted power-law exponent")
    )
    assert weighted == pytest.approx(alpha, rel=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_a_fit_starts_where_scipy_finds_the_least_kolmogorov_smirnov_distance(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    values = torch.rand(10, generator=generator, dtype=torch.float64).pow(-0.5).sort().values
    found = []
    for start in range(7):
        tail = values[start:].numpy()
        exponent = 1 + len(tail) / float(np.log(tail / tail[0]).sum())
        law = kstest(tail, pareto(b=exponent - 1, scale=tail[0]).cdf)
        found.append((float(law.statistic), exponent))
    assert fitted(values).exponent == pytest.approx(min(found)[1], rel=1e-12)


def test_equal_eigenvalues_have_no_tail() -> None:
    with pytest.raises(ValueError, match="no tail"):
        measure("Power-law exponent")(diagonal_network(torch.ones(10)), images(4))


def test_a_network_that_has_not_moved_has_no_critical_module() -> None:
    network = with_initial(hand_network(), hand_network())
    assert seeded("Module criticality", network, POINTS) == pytest.approx(math.log(1e-12))


def test_only_the_module_that_had_to_move_is_critical() -> None:
    # The hand network's second layer came from minus the identity, where every answer is wrong or undecided.
    network = with_initial(hand_network(), hand_initial())
    value = seeded("Module criticality", network, POINTS)
    sigma2 = 1 / seeded("PAC-Bayes flatness", network, POINTS)
    assert math.log(1e-12) < value < math.log(25 / sigma2) + 3
    farther = hand_initial()
    scale(farther, {"3.weight": 10})
    assert seeded("Module criticality", with_initial(hand_network(), farther), POINTS) > value
    with pytest.raises(ValueError, match="no initial weights"):
        measure("Module criticality")(with_initial(hand_network(), None), POINTS)


def test_weights_are_where_their_spans_say() -> None:
    network = network_of("cnn")
    parts = [flat(network)[span] for span in weight_spans(network)]
    for part, name in zip(parts, ("0.weight", "4.weight", "8.weight"), strict=True):
        assert torch.equal(part, network.state_dict()[name].double().flatten())


def test_leave_one_out_memorisation_is_that_of_refitting_without_each_example() -> None:
    network, dataset = mlp(1).eval(), images(24)
    features = penultimate(network, dataset.inputs)
    signal = torch.nn.functional.one_hot(dataset.labels, 4).double()
    centered = features - features.mean(dim=0)
    ridge = 0.01 * float(centered.square().sum(dim=1).mean())

    def scores(chosen: torch.Tensor) -> torch.Tensor:
        """Of all examples, after a fit to the chosen ones; the intercept is not penalised."""
        design = torch.cat([features, torch.ones(len(features), 1)], dim=1)
        penalty = ridge * torch.diag(torch.cat([torch.ones(features.shape[1]), torch.zeros(1)]).double())
        weights = torch.linalg.solve(design[chosen].T @ design[chosen] + penalty, design[chosen].T @ signal[chosen])
        found: torch.Tensor = design @ weights
        return found

    everybody = torch.arange(24)
    own = scores(everybody)[everybody, dataset.labels]
    without = torch.stack([scores(everybody[everybody != i])[i, dataset.labels[i]] for i in range(24)])
    expected = float((own - without).mean())
    assert measure("Leave-one-out memorisation")(network, dataset) == pytest.approx(expected, rel=1e-4)


def test_random_labels_are_memorised_more_than_true_ones() -> None:
    network, dataset = mlp(1).eval(), images(60)
    shuffled = type(dataset)(dataset.inputs, dataset.labels[torch.randperm(60, generator=torch.Generator())], 4)
    for name in ("Leave-one-out memorisation", "Neighbour disagreement"):
        assert measure(name)(network, shuffled) > measure(name)(network, dataset)


def test_a_constant_network_is_explained_perfectly() -> None:
    network = nn.Sequential(nn.Flatten(), linear([[0, 0], [0, 0]], [1.0, 0.0]))
    assert seeded("Local explanation error", network, POINTS) == pytest.approx(0, abs=1e-12)


def test_a_steeper_network_is_explained_worse() -> None:
    near = data([(1.1, 1), (1, 1.1), (1.2, 1), (1, 1.2)] * 5, [0, 1, 0, 1] * 5)
    flat_one = nn.Sequential(nn.Flatten(), linear([[1, 0], [0, 1]]))
    steep = nn.Sequential(nn.Flatten(), linear([[20, 0], [0, 20]]))
    errors = [seeded("Local explanation error", network, near) for network in (flat_one, steep)]
    assert 0 < errors[0] < errors[1]


def test_even_choices_are_even() -> None:
    assert evenly(3, 5).tolist() == [0, 1, 2]
    assert evenly(10, 5).tolist() == [0, 2, 4, 6, 8]
    inputs, labels = some_of_each_class(images(40), 3)
    assert labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert len(inputs) == 12


def test_a_sample_of_the_data_is_the_same_every_time_and_has_all_classes() -> None:
    dataset = images(400)  # whose classes come in turn
    state = torch.random.get_rng_state()
    inputs, labels = some(dataset, 100)
    assert torch.equal(state, torch.random.get_rng_state())
    assert labels.bincount(minlength=4).min() >= 15
    assert torch.equal(inputs, some(dataset, 100)[0])
    assert len({row.numpy().tobytes() for row in inputs}) == 100
    assert torch.equal(some(dataset, 400)[0], dataset.inputs)
