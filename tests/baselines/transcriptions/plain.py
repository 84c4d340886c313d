"""What transcriptions of publications' definitions share: a network with all that is known of it, and how it computes.

Nothing here or in the modules beside it comes from `gengap_measures`. Networks are plain chains of layers in double
precision, so that two right programs agree to far more than 1e-6.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import conv2d, cross_entropy, pad

Array = NDArray[np.float64]
WeightLayer = nn.Linear | nn.Conv2d


@dataclass(frozen=True)
class Case:
    """A network, its training data, and what the extended track adds. Tensors and networks are float64."""

    network: nn.Module
    initial: nn.Module
    inputs: Tensor
    labels: Tensor
    classes: int
    siblings: tuple[nn.Module, ...]
    unlabelled: Tensor
    moments: tuple[tuple[float, nn.Module], ...]


@dataclass(frozen=True)
class Step:
    """One layer of the chain with what it gets and gives."""

    layer: nn.Module
    given: Tensor
    output: Tensor


def chain(network: nn.Module) -> list[nn.Module]:
    return [module for module in network.modules() if not list(module.children())]


def steps(network: nn.Module, inputs: Tensor) -> list[Step]:
    """The network layer by layer."""
    found: list[Step] = []
    value = inputs
    for layer in chain(network):
        found.append(Step(layer, value, layer(value)))
        value = found[-1].output
    return found


def rest(network: nn.Module, start: int) -> Callable[[Tensor], Tensor]:
    """The function of what layer number `start` gets."""

    def function(value: Tensor) -> Tensor:
        for layer in chain(network)[start:]:
            value = layer(value)
        return value

    return function


def weight_layers(network: nn.Module) -> list[WeightLayer]:
    return [layer for layer in chain(network) if isinstance(layer, nn.Linear | nn.Conv2d)]


def places_after_relu(network: nn.Module) -> list[int]:
    """For each ReLU, the place in the chain that follows it."""
    return [place + 1 for place, layer in enumerate(chain(network)) if isinstance(layer, nn.ReLU)]


def array(tensor: Tensor) -> Array:
    return np.asarray(tensor.detach().numpy(), dtype=np.float64)


def outputs(network: nn.Module, inputs: Tensor) -> Array:
    """Logits."""
    return array(network(inputs))


def softmax(logits: Array) -> Array:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: Array = powers / powers.sum(axis=1, keepdims=True)
    return shares


def accuracy(logits: Array, labels: Tensor) -> float:
    return float(np.mean(np.argmax(logits, axis=1) == labels.numpy()))


def margins(logits: Array, labels: Tensor) -> Array:
    """z_y minus the largest other logit."""
    return np.array([row[y] - max(np.delete(row, y)) for row, y in zip(logits, labels.tolist(), strict=True)])


def one_hot(labels: Tensor, classes: int) -> Array:
    rows: Array = np.eye(classes)[labels.numpy()]
    return rows


def folded_weights(network: nn.Module) -> list[tuple[WeightLayer, Array, Array]]:
    """Each weight layer with its weight and bias once batch norm right behind it is a part of it."""
    layers = chain(network)
    found = []
    for layer, following in zip(layers, [*layers[1:], nn.Identity()], strict=True):
        if isinstance(layer, nn.Linear | nn.Conv2d):
            weight = array(layer.weight)
            bias = np.zeros(len(weight)) if layer.bias is None else array(layer.bias)
            if isinstance(following, nn.BatchNorm1d | nn.BatchNorm2d):
                assert following.running_mean is not None
                assert following.running_var is not None
                factor = array(following.weight) / np.sqrt(array(following.running_var) + following.eps)
                weight = weight * factor.reshape(-1, *[1] * (weight.ndim - 1))
                bias = (bias - array(following.running_mean)) * factor + array(following.bias)
            found.append((layer, weight, bias))
    return found


def linear_map(layer: WeightLayer, weight: Array, given: Tensor) -> Array:
    """The matrix of a layer without its bias, found by what it does to every unit vector. Padding is circular.

    given: what the layer gets, for its size.
    """
    if isinstance(layer, nn.Linear):
        return weight
    shape = given.shape[1:]
    size = int(np.prod(shape))
    unit_images = torch.eye(size, dtype=torch.float64).view(size, *shape)
    rows, columns = weight.shape[2] - 1, weight.shape[3] - 1
    around = pad(unit_images, (0, columns, 0, rows), mode="circular")
    return array(conv2d(around, torch.from_numpy(weight), stride=layer.stride).flatten(1).T)


def maps(network: nn.Module, inputs: Tensor, weights: Sequence[Array]) -> list[Array]:
    """The matrices of the network's weight layers with these weights in their place."""
    given = [step.given for step in steps(network, inputs[:1]) if isinstance(step.layer, nn.Linear | nn.Conv2d)]
    return [
        linear_map(layer, weight, x) for layer, weight, x in zip(weight_layers(network), weights, given, strict=True)
    ]


def vector(network: nn.Module) -> Tensor:
    """All trainable parameters, in order."""
    return torch.cat([parameter.detach().reshape(-1) for parameter in network.parameters()])


def named(network: nn.Module, point: Tensor) -> dict[str, Tensor]:
    found, start = {}, 0
    for name, parameter in network.named_parameters():
        found[name] = point[start : start + parameter.numel()].view(parameter.shape)
        start += parameter.numel()
    return found


def loss(network: nn.Module, point: Tensor, inputs: Tensor, labels: Tensor) -> Tensor:
    """The mean cross-entropy at the parameters `point`, differentiable in them."""
    return cross_entropy(functional_call(network, named(network, point), (inputs,)), labels)


def loss_gradient(network: nn.Module, point: Tensor, inputs: Tensor, labels: Tensor) -> Tensor:
    gradient: Tensor = torch.func.grad(lambda place: loss(network, place, inputs, labels))(point)
    return gradient


def example_gradients(
    network: nn.Module, inputs: Tensor, of: Callable[[Tensor, Tensor], Tensor], extra: Tensor
) -> Array:
    """For each example the gradient of of(its logits, its row of `extra`) in all parameters: (n, parameters)."""

    def one(point: Tensor, x: Tensor, more: Tensor) -> Tensor:
        return of(functional_call(network, named(network, point), (x[None],))[0], more)

    return array(torch.func.vmap(torch.func.grad(one), in_dims=(None, 0, 0))(vector(network), inputs, extra))


def margin_gradients(function: Callable[[Tensor], Tensor], points: Tensor, labels: Tensor) -> tuple[Array, Array]:
    """Margins (n,) of a function's logits and their gradients (n, features) in its argument, by whole Jacobians."""
    logits = array(function(points))
    jacobians = array(torch.func.vmap(torch.func.jacrev(lambda x: function(x[None])[0]))(points).flatten(2))
    found = []
    for row, jacobian, y in zip(logits, jacobians, labels.tolist(), strict=True):
        others = np.where(np.arange(len(row)) == y, -np.inf, row)
        found.append(jacobian[y] - jacobian[int(np.argmax(others))])
    return margins(logits, labels), np.array(found)


def averaged(activation: Tensor) -> Array:
    """Images by the mean over positions, vectors as they are."""
    values = array(activation)
    return values.mean(axis=(2, 3)) if values.ndim == 4 else values


def last_inputs(network: nn.Module, inputs: Tensor) -> Array:
    """What the last weight layer gets."""
    return averaged(
        next(s.given for s in reversed(steps(network, inputs)) if isinstance(s.layer, nn.Linear | nn.Conv2d))
    )


def cosines(points: Array) -> Array:
    unit = points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-12)
    found: Array = unit @ unit.T
    return found


def per_class(case: Case, limit: int) -> Tensor:
    """Places of at most `limit` examples of each class at even distances, class by class: the choice of measures."""
    chosen = []
    for label in range(case.classes):
        members = np.flatnonzero(case.labels.numpy() == label)
        count = min(limit, len(members))
        chosen += [members[place * len(members) // count] for place in range(count)]
    return torch.tensor(chosen)
