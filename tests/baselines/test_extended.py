"""Measures of siblings, unlabelled inputs and trajectories, by hand and by what their papers claim."""

import copy
import itertools
import math

import pytest
import torch
from gengap_measures import (
    aligned,
    fitted_map,
    interpolated,
    logits,
    loss_barrier,
    siblings_of,
    trajectory_of,
    unlabelled_of,
)
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from model_zoo.architectures import Context, Moment
from tests.baselines.networks import (
    around,
    data,
    disturbed,
    hand_network,
    images,
    linear,
    measure,
    network_of,
    permuted_units,
    plain_linear,
    with_initial,
)

NOTHING = Context(None, None, None)
TWO_CLASSES = data([(1, 0), (0, 1)], [0, 1])


def inputs_of(*points: tuple[float, float]) -> Tensor:
    return torch.tensor(points).float().reshape(-1, 1, 1, 2)


def deciding(sign: float) -> nn.Module:
    """Class 0 where sign · (a - b) is above 0."""
    return nn.Sequential(nn.Flatten(), plain_linear([[sign, 0], [0, sign]])).eval()


def with_siblings(*siblings: nn.Module) -> Context:
    return Context(siblings, None, None)


def test_disagreement_by_hand() -> None:
    unlabelled = inputs_of((1, 0), (2, 1), (0, 1), (5, 6))
    shifted = nn.Sequential(nn.Flatten(), linear([[1, 0], [0, 1]], [0.0, 1.5])).eval()
    context = Context((deciding(1), deciding(-1), shifted), unlabelled, None)
    # The same, the opposite everywhere, and the opposite on the first two.
    assert measure("Disagreement")(deciding(1), TWO_CLASSES, context) == pytest.approx((0 + 1 + 0.5) / 3)


def test_average_thresholded_confidence_by_hand() -> None:
    # Sureness grows with the difference of the inputs; in training the least sure example has a difference of 1.
    training = data([(3, 0), (0, 1), (2, 0), (0, 4)], [0, 1, 0, 1])
    unlabelled = inputs_of((0.5, 0), (0, 0.9), (3, 1), (0, 9))
    name, context = "Average thresholded confidence", Context(None, unlabelled, None)
    assert measure(name)(deciding(1), training, context) == pytest.approx(2 / 4)
    # One training error, so that one training example lies below the threshold: the next has a difference of 2.
    wrong = data([(3, 0), (0, 1), (2, 0), (0, 4)], [1, 1, 0, 1])
    unlabelled = inputs_of((0.5, 0), (0, 1.9), (3, 0.5), (0, 9))
    assert measure(name)(deciding(1), wrong, Context(None, unlabelled, None)) == pytest.approx(2 / 4 - 1 / 4)


def test_a_network_that_is_as_sure_of_new_inputs_has_no_predicted_gap() -> None:
    network, dataset = network_of("mlp"), images(40)
    with torch.no_grad():
        labels = network(dataset.inputs).argmax(dim=1)
    right = type(dataset)(dataset.inputs, labels, 4)
    context = Context(None, dataset.inputs, None)
    assert measure("Average thresholded confidence")(network, right, context) == 0


def swapped_pair() -> tuple[nn.Module, nn.Module]:
    """The hand network, and the same function with its two hidden units in the other order."""
    other = nn.Sequential(nn.Flatten(), linear([[0, 1], [1, 0]]), nn.ReLU(), linear([[0, 2], [3, 0]], [0.0, 1.0]))
    return hand_network(), other.eval()


def test_the_barrier_by_hand() -> None:
    # Halfway every weight of the first layer is 1/2, of the second 1 or 3/2: logits (h, 3 h / 2 + 1) with
    # h = 2 relu((a + b) / 2). The example (1, 0) of class 0 has h = 1; at the ends its logits are (2, 1).
    first, second = swapped_pair()
    points = data([(1, 0)], [0])
    halfway = math.log(1 + math.exp(2.5 - 1))
    end = math.log(1 + math.exp(1 - 2))
    between = logits(interpolated(first, second, 0.5, points.inputs), points.inputs)
    assert between[0].tolist() == pytest.approx([1, 2.5])
    barrier = measure("Mode-connectivity barrier")(first, points, with_siblings(second))
    assert barrier == pytest.approx(halfway - end, rel=1e-5)
    both = measure("Mode-connectivity barrier")(first, points, with_siblings(second, first))
    assert both == pytest.approx((halfway - end) / 2, rel=1e-5)


def test_once_the_units_are_in_one_order_nothing_is_between_equal_networks() -> None:
    first, second = swapped_pair()
    points = data([(3, 1), (5, 1), (1, 2), (1, 4)], [0, 0, 1, 1])
    assert measure("Mode-connectivity barrier")(first, points, with_siblings(second)) > 0.1
    assert measure("Aligned mode-connectivity barrier")(first, points, with_siblings(second)) == pytest.approx(
        0, abs=1e-6
    )


def test_a_linear_network_has_no_barrier_for_its_loss_is_convex() -> None:
    first, second = (nn.Sequential(nn.Flatten(), nn.Linear(64, 4)) for _ in range(2))
    assert loss_barrier(first, second, images(40).inputs, images(40).labels) == 0


@pytest.mark.parametrize("kind", ["mlp", "cnn"])
def test_alignment_undoes_any_order_of_units(kind: str) -> None:
    network, dataset = network_of(kind), images(60)
    for seed in range(3):
        shuffled = shuffle_units(network, seed)
        found = aligned(shuffled, network, dataset.inputs)
        for name, tensor in network.state_dict().items():
            assert torch.allclose(found.state_dict()[name], tensor), name


@pytest.mark.parametrize("kind", ["mlp", "cnn"])
def test_an_aligned_network_computes_what_it_did(kind: str) -> None:
    network, dataset = network_of(kind), images(60)
    other = disturbed(network, 5)
    found = aligned(other, network, dataset.inputs)
    assert torch.allclose(logits(found, dataset.inputs), logits(other, dataset.inputs), atol=1e-5)


def shuffle_units(network: nn.Module, seed: int) -> nn.Module:
    """A copy with the units of every hidden layer in another order."""
    generator = torch.Generator().manual_seed(seed)
    copied = copy.deepcopy(network)
    layers = [module for module in copied.modules() if isinstance(module, nn.Linear | nn.Conv2d)]
    norms = {0: next((module for module in copied.modules() if isinstance(module, nn.BatchNorm2d)), None)}
    with torch.no_grad():
        for place, (layer, following) in enumerate(itertools.pairwise(layers)):
            order = torch.randperm(len(layer.weight), generator=generator)
            tensors = [layer.weight, layer.bias]
            if (norm := norms.get(place)) is not None:
                tensors += [norm.weight, norm.bias, norm.running_mean, norm.running_var]
            for tensor in tensors:
                assert tensor is not None
                tensor.copy_(tensor[order].clone())
            following.weight.copy_(following.weight[:, order].clone())
    return copied


def test_batch_norm_between_two_networks_has_statistics_of_its_own() -> None:
    network, dataset = network_of("cnn"), images(60)
    between = interpolated(network, disturbed(network, 3), 0.5, dataset.inputs)
    norm = between.get_submodule("1")
    assert isinstance(norm, nn.BatchNorm2d)
    with torch.no_grad():
        before = between.get_submodule("0")(dataset.inputs)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert torch.allclose(norm.running_mean, before.mean(dim=(0, 2, 3)), atol=1e-6)
    assert torch.allclose(norm.running_var, before.var(dim=(0, 2, 3)), rtol=1e-4)
    assert not between.training


def linear_chain(inner: list[list[float]], outer: list[list[float]]) -> nn.Module:
    return nn.Sequential(nn.Flatten(), plain_linear(inner), nn.LeakyReLU(1.0), plain_linear(outer)).eval()


def test_halves_of_networks_that_differ_by_a_linear_map_fit_together() -> None:
    own = linear_chain([[1, 0], [0, 1]], [[3, 0], [0, 3]])
    other = linear_chain([[2, 1], [1, 1]], [[3, -3], [-3, 6]])  # the same function, its units mixed
    dataset = data([(float(i % 5), float(i % 3)) for i in range(30)], [i % 2 for i in range(30)])
    assert torch.allclose(logits(own, dataset.inputs), logits(other, dataset.inputs))
    assert measure("Stitching loss")(own, dataset, with_siblings(other)) == pytest.approx(0, abs=5e-3)
    assert measure("Stitching loss")(own, dataset, with_siblings(own)) == pytest.approx(0, abs=5e-3)


def test_the_stitching_loss_of_a_network_that_sees_nothing_by_hand() -> None:
    # Its hidden units are always 0, so that the map gives the sibling's mean activations: (1/2, 1/2) in each half,
    # where logits are (1, 1) and the loss is log 2. The sibling itself has logits (2, 0) or (0, 2).
    blind = linear_chain([[0, 0], [0, 0]], [[2, 0], [0, 2]])
    seeing = linear_chain([[1, 0], [0, 1]], [[2, 0], [0, 2]])
    dataset = data([(1, 0), (1, 0), (0, 1), (0, 1)], [0, 0, 1, 1])
    expected = math.log(2) - math.log(1 + math.exp(-2))
    assert measure("Stitching loss")(blind, dataset, with_siblings(seeing)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("kind", ["mlp", "cnn", "resnet", "vit"])
def test_a_network_can_be_stitched_to_itself_and_worse_to_noise(kind: str) -> None:
    network, dataset = network_of(kind), images(200)
    itself = measure("Stitching loss")(network, dataset, with_siblings(network))
    assert abs(itself) < 0.05
    assert measure("Stitching loss")(network, dataset, around(network, dataset)) != itself


@given(st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_a_fitted_map_finds_an_affine_one(units: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    points = torch.randn(60, units, generator=generator)
    weight, offset = torch.randn(units, 3, generator=generator), torch.randn(3, generator=generator)
    mapped = fitted_map(points, points @ weight + offset)(points)
    assert torch.allclose(mapped, points @ weight + offset, atol=2e-2)


def test_training_speed_by_hand() -> None:
    # Losses log(1 + exp(-d)) at the initial weights (d = 0) and with logits 1 and 2 apart.
    points = data([(1, 0)], [0])
    network = with_initial(deciding(4), deciding(0))
    context = Context(None, None, (Moment(1.0, deciding(1)), Moment(3.0, deciding(2))))
    start, one, two = (math.log(1 + math.exp(-d)) for d in (0, 1, 2))
    expected = (start + one) / 2 + 2 * (one + two) / 2
    assert measure("Training speed")(network, points, context) == pytest.approx(expected, rel=1e-6)
    without = with_initial(deciding(4), None)
    assert measure("Training speed")(without, points, context) == pytest.approx(one + two, rel=1e-6)
    with pytest.raises(ValueError, match="one moment of a training alone"):
        measure("Training speed")(without, points, Context(None, None, context.trajectory[:1]))  # type: ignore[index]


def test_a_network_that_learns_later_has_a_larger_area() -> None:
    points, network = data([(1, 0)], [0]), with_initial(deciding(4), deciding(0))
    quick, slow = (
        Context(None, None, tuple(Moment(epoch, deciding(sign)) for epoch, sign in zip((1, 2, 3), signs, strict=True)))
        for signs in ((3, 3.5, 4), (0.1, 0.2, 3))
    )
    assert measure("Training speed")(network, points, slow) > measure("Training speed")(network, points, quick)


def test_what_a_zoo_does_not_offer_is_said() -> None:
    for ask, message in (
        (siblings_of, "no siblings"),
        (unlabelled_of, "no unlabelled test inputs"),
        (trajectory_of, "does not have the trajectories"),
    ):
        with pytest.raises(ValueError, match=message):
            ask(NOTHING)


def test_one_example_cannot_be_halved() -> None:
    with pytest.raises(ValueError, match="cannot be halved"):
        measure("Stitching loss")(deciding(1), data([(1, 0)], [0]), with_siblings(deciding(1)))


def test_siblings_with_their_units_in_another_order_are_the_same_to_all_but_the_plain_barrier() -> None:
    dataset = data([(float(i % 7) - 3, float(i % 5) - 2) for i in range(40)], [i % 2 for i in range(40)])
    siblings = [with_initial(network, None) for network in permuted_units()]
    wider = nn.Sequential(nn.Flatten(), nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 2)).eval()
    for name in ("Disagreement", "Aligned mode-connectivity barrier", "Stitching loss"):
        values = [measure(name)(wider, dataset, Context((sibling,), dataset.inputs, None)) for sibling in siblings]
        assert values[0] == pytest.approx(values[1], rel=1e-5, abs=1e-9), name
