"""Measures of flatness and of gradients, by hand and by what their papers claim."""

import math

import pytest
import torch
from gengap_measures import (
    flat,
    gradient_gram,
    hessian_product,
    hutchinson,
    lanczos,
    largest,
    layer_jacobians,
    per_example_gradients,
)
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from model_zoo.architectures import TrainingData
from tests.baselines.networks import (
    data,
    hand_initial,
    hand_network,
    images,
    measure,
    mlp,
    network_of,
    plain_linear,
    scale,
    seeded,
    with_initial,
)

POINTS = data([(3, 1), (5, 1), (1, 2), (1, 4)], [0, 0, 1, 1])
AXES = data([(1, 0), (0, 1)], [0, 1])
ONE = data([(1, 0)], [0])
Q = 1 / (1 + math.e)  # the probability of the wrong class where the margin is 1


def identity() -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), plain_linear([[1, 0], [0, 1]])).eval()


def zero() -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), plain_linear([[0, 0], [0, 0]])).eval()


def test_pac_bayes_measures_are_the_papers_formulas_of_one_sigma() -> None:
    # The same seed gives the same draws, and so the same sigma, to each of them.
    network = with_initial(hand_network(), hand_initial())
    sigma2 = 1 / seeded("PAC-Bayes flatness", network, POINTS)
    rest = math.log(4 / math.sqrt(sigma2)) + 10
    moved, size = 9 + 16 + 1, 1 + 1 + 4 + 9 + 1
    assert seeded("PAC-Bayes init", network, POINTS) == pytest.approx(moved / (4 * sigma2) + rest)
    assert seeded("PAC-Bayes origin", network, POINTS) == pytest.approx(size / (4 * sigma2) + rest)


def test_magnitude_aware_pac_bayes_measures_are_the_papers_formulas_of_one_sigma() -> None:
    network = with_initial(hand_network(), hand_initial())
    sigma2 = 1 / seeded("PAC-Bayes magnitude flatness", network, POINTS)
    moves = [0] * 6 + [3, 0, 0, 4, 0, 1]

    def bound(reference: float) -> float:
        above = 1e-6 + (sigma2 + 1) * reference / 12
        logs = sum(math.log(above / (1e-6 + sigma2 * move**2)) for move in moves)
        return logs / 4 + math.log(4 / math.sqrt(sigma2)) + 10

    assert seeded("PAC-Bayes magnitude init", network, POINTS) == pytest.approx(bound(26))
    assert seeded("PAC-Bayes magnitude origin", network, POINTS) == pytest.approx(bound(16))


@pytest.mark.parametrize("name", ["PAC-Bayes init", "PAC-Bayes magnitude init", "PAC-Bayes magnitude origin"])
def test_bounds_from_the_initialization_need_it(name: str) -> None:
    with pytest.raises(ValueError, match="no initial weights"):
        measure(name)(with_initial(hand_network(), None), POINTS)


def test_what_noise_a_linear_network_bears_grows_with_its_weights() -> None:
    torch.manual_seed(1)
    network, inputs = nn.Sequential(nn.Flatten(), nn.Linear(64, 4, bias=False)).eval(), torch.randn(60, 1, 8, 8)
    dataset = TrainingData(inputs, network(inputs).argmax(dim=1), 4)
    plain, relative = (seeded(f"PAC-Bayes {kind}", network, dataset) for kind in ("flatness", "magnitude flatness"))
    scale(network, {"1.weight": 8})
    assert seeded("PAC-Bayes flatness", network, dataset) == pytest.approx(plain / 64, rel=0.01)
    assert seeded("PAC-Bayes magnitude flatness", network, dataset) == pytest.approx(relative, rel=0.05)


def test_worst_case_sharpness_by_hand() -> None:
    # In a box of half side a the worst margin of (1, 0) is (1 - a) - a: wrong beyond a half.
    assert measure("Worst-case sharpness")(identity(), AXES) == pytest.approx(4, rel=0.02)
    # Relative to the weights only the diagonal moves: wrong beyond nearly the whole, (1 - 0.001 a) / 1.001.
    assert measure("Worst-case magnitude sharpness")(identity(), AXES) == pytest.approx(1.004, rel=0.02)


def test_starting_kit_sharpness_by_hand() -> None:
    # Zeros stay, and the diagonal starts in the inner half of its box: not even the whole range [0, 2] breaks it.
    assert seeded("Starting-kit sharpness", identity(), AXES) == pytest.approx(0.25, rel=0.01)


@pytest.mark.parametrize("name", ["SAM sharpness", "m-sharpness"])
def test_sam_sharpness_by_hand(name: str) -> None:
    # The gradient is (-q, q) in two weights: the step of 0.05 takes 0.05 √2 from the margin of 1.
    expected = math.log(1 + math.exp(0.05 * math.sqrt(2) - 1)) - math.log(1 + math.exp(-1))
    assert measure(name)(identity(), ONE) == pytest.approx(expected, rel=1e-4)


def test_m_sharpness_is_sam_sharpness_of_small_batches() -> None:
    network, dataset = mlp(1).eval(), images(32)
    halves = [type(dataset)(dataset.inputs[part], dataset.labels[part], 4) for part in (slice(16), slice(16, 32))]
    mean = sum(measure("SAM sharpness")(network, half) for half in halves) / 2
    assert measure("m-sharpness")(network, dataset) == pytest.approx(mean, rel=1e-6)


def test_the_hessians_largest_eigenvalue_by_hand() -> None:
    # The loss of one margin m is bent by p q along m, which is (1, -1) in two weights.
    assert seeded("Hessian largest eigenvalue", identity(), ONE) == pytest.approx(2 * Q * (1 - Q), rel=1e-5)


def test_the_hessians_trace_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(measure("Hessian trace").__globals__, "PROBES", 2000)
    assert seeded("Hessian trace", identity(), ONE) == pytest.approx(2 * Q * (1 - Q), rel=0.1)


def full_hessian(network: nn.Module, inputs: Tensor, labels: Tensor) -> Tensor:
    parameters = list(network.parameters())
    gradients = torch.autograd.grad(cross_entropy(network(inputs), labels), parameters, create_graph=True)
    rows = []
    for entry in torch.cat([gradient.flatten() for gradient in gradients]):
        row = torch.autograd.grad(entry, parameters, retain_graph=True, materialize_grads=True)
        rows.append(torch.cat([part.flatten() for part in row]).double())
    return torch.stack(rows)


def test_hessian_products_and_lanczos_agree_with_the_written_out_matrix() -> None:
    torch.manual_seed(0)
    network, dataset = nn.Sequential(nn.Flatten(), nn.Linear(64, 3), nn.Tanh(), nn.Linear(3, 4)).eval(), images(30)
    matrix = full_hessian(network, dataset.inputs, dataset.labels)
    product = hessian_product(network, dataset.inputs, dataset.labels)
    vector = torch.randn(len(matrix)).double()
    assert torch.allclose(product(vector), matrix @ vector, atol=1e-5)
    assert float(lanczos(product, len(matrix), 40)[-1]) == pytest.approx(float(torch.linalg.eigvalsh(matrix)[-1]), 1e-4)


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=8))
def test_hutchinson_and_lanczos_are_exact_on_diagonal_matrices(diagonal: list[float]) -> None:
    values = torch.tensor(diagonal, dtype=torch.float64)
    torch.manual_seed(0)
    assert hutchinson(lambda vector: values * vector, len(values), 1) == pytest.approx(float(values.sum()), abs=1e-9)
    found = lanczos(lambda vector: values * vector, len(values), len(values))
    assert float(found[-1]) == pytest.approx(max(diagonal), rel=1e-6, abs=1e-6)


@given(st.floats(-4, 1.5))
def test_bisection_finds_the_scale_at_which_something_ends(exponent: float) -> None:
    found = largest(lambda scale: scale <= 10**exponent, 1e-5, 1e2, 30)
    assert found == pytest.approx(10**exponent, rel=1e-6)
    assert found <= 10**exponent


def test_bisection_stays_in_its_range() -> None:
    assert largest(lambda _: True, 1e-5, 1e2, 5) == 1e2
    assert largest(lambda _: False, 1e-5, 1e2, 5) == 1e-5


def test_fisher_rao_norm_by_hand() -> None:
    # Two layers without biases: 2² · E <p - y, f>². Logits are (2 a, 3 b): the wrong class's share times the margin.
    network = nn.Sequential(nn.Flatten(), plain_linear([[1, 0], [0, 1]]), nn.ReLU(), plain_linear([[2, 0], [0, 3]]))
    margins = [3, 7, 4, 10]
    expected = 4 * sum((margin / (1 + math.exp(margin))) ** 2 for margin in margins) / 4
    assert measure("Fisher-Rao norm")(network, POINTS) == pytest.approx(expected, rel=1e-5)


def test_fisher_rao_norm_does_not_see_layers_rescaled_against_each_other() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 5, bias=False), nn.ReLU(), nn.Linear(5, 4, bias=False))
    value = measure("Fisher-Rao norm")(network, images(20))
    scale(network, {"1.weight": 3, "3.weight": 1 / 3})
    assert measure("Fisher-Rao norm")(network, images(20)) == pytest.approx(value, rel=1e-5)


def test_fisher_trace_by_hand() -> None:
    # Both classes have probability 1/2: whichever is drawn, two weights have the gradient ±1/2.
    assert seeded("Fisher trace", zero(), ONE) == pytest.approx(0.5)


def test_gradient_variance_by_hand() -> None:
    # One input under both labels: gradients (-1/2, 1/2) and (1/2, -1/2), mean zero.
    assert measure("Gradient variance")(zero(), data([(1, 0), (1, 0)], [0, 1])) == pytest.approx(0.5)
    assert measure("Gradient variance")(zero(), data([(1, 0), (1, 0)], [0, 0])) == pytest.approx(0, abs=1e-12)


def test_gradient_alignment_by_hand() -> None:
    assert measure("Gradient alignment")(zero(), data([(1, 0), (2, 0)], [0, 0])) == pytest.approx(-1)
    assert measure("Gradient alignment")(zero(), data([(1, 0), (0, 1)], [0, 0])) == pytest.approx(0)
    assert measure("Gradient alignment")(zero(), data([(1, 0), (-1, 0)], [0, 0])) == pytest.approx(1)
    with pytest.raises(ValueError, match="no class"):
        measure("Gradient alignment")(zero(), AXES)


def test_jacobian_norm_by_hand() -> None:
    # The Jacobian is diag(2, 3) wherever both units are open, so 13 / 4 at the inputs of all four layers; where the
    # first unit is closed, 9 / 4 at the inputs of all but the last.
    both_open = data([(1, 2), (3, 1)], [0, 1])
    assert measure("Jacobian norm")(hand_network(), both_open) == pytest.approx(13 / 4)
    assert measure("Jacobian norm")(hand_network(), data([(-1, 2)], [1])) == pytest.approx((3 * 9 / 4 + 13 / 4) / 4)


def test_jacobians_are_those_of_torch_itself() -> None:
    network, dataset = network_of("cnn"), images(5)
    assert isinstance(network, nn.Sequential)
    found = layer_jacobians(network, dataset.inputs)
    for place in (0, 4, 8):  # convolutions and the last layer
        below, above = network[:place], network[place:]
        point = below(dataset.inputs).detach().requires_grad_()
        rows = [torch.autograd.grad(logit, point, retain_graph=True)[0] for logit in above(point).sum(dim=0)]
        assert float(found[place]) == pytest.approx(float(torch.stack(rows).square().mean()), rel=1e-5)


def test_ntk_label_alignment_by_hand() -> None:
    # A linear network's kernel is that of its inputs, here the labels' own.
    same = data([(1, 0), (1, 0), (0, 1), (0, 1)], [0, 0, 1, 1])
    crossed = data([(1, 0), (0, 1), (1, 0), (0, 1)], [0, 0, 1, 1])
    assert seeded("NTK-label alignment", zero(), same) == pytest.approx(-1)
    assert seeded("NTK-label alignment", zero(), crossed) == pytest.approx(0, abs=1e-9)
    with pytest.raises(ValueError, match="one label"):
        measure("NTK-label alignment")(zero(), ONE)


def test_the_gram_matrix_of_gradients_is_the_same_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    network, dataset = network_of("cnn"), images(12)
    rows = torch.stack(list(per_example_gradients(network, dataset.inputs, dataset.labels)))
    whole = gradient_gram(network, dataset.inputs, dataset.labels)
    monkeypatch.setattr("gengap_measures.gradients.LARGEST_BLOCK", 5 * len(flat(network)))
    assert torch.allclose(whole, rows @ rows.T)
    assert torch.allclose(gradient_gram(network, dataset.inputs, dataset.labels), whole)
