"""Gradients in the parameters: of the mean loss, of every example by itself, along the weights; and in the layers.

Examples are differentiated one by one. `torch.func.vmap` is no faster on these networks and its first call in a process
imports for a second, which every network would pay anew.
"""

from collections.abc import Callable, Iterator, Mapping

import torch
from gengap_measures.data import batches, small_batches
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy

LARGEST_BLOCK = 2**23  # numbers of a block of gradients: 64 MB

ExampleLoss = Callable[[Tensor, Tensor], Tensor]


def unflattened(model: nn.Module, vector: Tensor) -> dict[str, Tensor]:
    """A vector of all parameters, cut into the network's parameters by name; `outputs.logits` takes it."""
    named = dict(model.named_parameters())
    parts = torch.split(vector, [parameter.numel() for parameter in named.values()])
    return {
        name: part.view_as(parameter).to(parameter.dtype)
        for (name, parameter), part in zip(named.items(), parts, strict=True)
    }


def loss_gradient(
    model: nn.Module, inputs: Tensor, labels: Tensor, parameters: Mapping[str, Tensor] | None = None
) -> Tensor:
    """The gradient of the mean cross-entropy as one vector, float64. parameters: others than the network's own."""
    used = dict(model.named_parameters()) if parameters is None else parameters
    given = {name: value.detach().requires_grad_(True) for name, value in used.items()}
    total = torch.zeros(sum(value.numel() for value in given.values()), dtype=torch.float64)
    for x, y in batches(inputs, labels):
        with torch.enable_grad():
            loss = cross_entropy(functional_call(model, given, (x,)), y, reduction="sum")
            total += _vector(torch.autograd.grad(loss, list(given.values()), materialize_grads=True))
    return total / len(labels)


def cross_entropy_of_one(outputs: Tensor, label: Tensor) -> Tensor:
    """The loss of one example, from its logits (classes,)."""
    return cross_entropy(outputs, label)


def per_example_gradients(
    model: nn.Module, inputs: Tensor, labels: Tensor, loss: ExampleLoss = cross_entropy_of_one
) -> Iterator[Tensor]:
    """Each example's gradient of `loss`(its logits, its label) in all parameters: float64 (parameters,), in order."""
    parameters = list(model.parameters())
    for x, y in zip(inputs, labels, strict=True):
        with torch.enable_grad():
            yield _vector(torch.autograd.grad(loss(model(x[None])[0], y), parameters, materialize_grads=True))


def gradient_gram(model: nn.Module, inputs: Tensor, labels: Tensor, loss: ExampleLoss = cross_entropy_of_one) -> Tensor:
    """Inner products (n, n) of the examples' gradients of `loss`(its logits, its label), float64.

    For large networks a block of examples at a time, so that never more than two blocks are in memory.
    """
    size = max(1, LARGEST_BLOCK // sum(parameter.numel() for parameter in model.parameters()))
    pieces = list(batches(inputs, labels, size=size))
    rows = []
    for i, (x, y) in enumerate(pieces):
        block = torch.stack(list(per_example_gradients(model, x, y, loss)))
        row = [torch.zeros(len(y), i * size, dtype=torch.float64), block @ block.T]
        for later_x, later_y in pieces[i + 1 :]:
            row.append(block @ torch.stack(list(per_example_gradients(model, later_x, later_y, loss))).T)
        rows.append(torch.cat(row, dim=1))
    upper = torch.cat(rows).triu()
    return upper + upper.triu(1).T


def derivative_along_weights(model: nn.Module, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Logits and their derivative as all parameters grow in proportion, d f((1 + t) θ) / dt: float64 (n, classes).

    It is the derivative of v → (Jᵀ v)·θ, which is the same for every v.
    """
    parameters = list(model.parameters())
    outputs, slopes = [], []
    for (x,) in batches(inputs):
        with torch.enable_grad():
            output = model(x)
            free = torch.zeros_like(output, requires_grad=True)
            # Not by grad's own argument for v, whose checks import for a second.
            pulled = torch.autograd.grad((output * free).sum(), parameters, create_graph=True, materialize_grads=True)
            along = [(p * parameter.detach()).sum() for p, parameter in zip(pulled, parameters, strict=True)]
            (slope,) = torch.autograd.grad(torch.stack(along).sum(), free)
        outputs.append(output.detach().double())
        slopes.append(slope.double())
    return torch.cat(outputs), torch.cat(slopes)


def layer_jacobians(model: nn.Module, inputs: Tensor) -> Tensor:
    """The mean square of ∂ z_k / ∂ h_i over examples, logits k and entries i of a layer's input h: float64 (layers,).

    Layers are the modules without parts, in the order in which the network calls them.
    """
    points: list[Tensor] = []
    leaves = [module for module in model.modules() if not list(module.children())]
    hooks = [leaf.register_forward_pre_hook(lambda _m, given: points.append(given[0])) for leaf in leaves]
    total: Tensor | None = None
    try:
        for (x,) in small_batches(inputs):
            points.clear()
            with torch.enable_grad():
                outputs = model(x.detach().requires_grad_(True))
                entries = torch.tensor([point[0].numel() for point in points], dtype=torch.float64)
                squares = torch.zeros(len(points), dtype=torch.float64)
                for logit in outputs.sum(dim=0):
                    gradients = torch.autograd.grad(logit, points, retain_graph=True, materialize_grads=True)
                    squares += torch.stack([gradient.double().square().sum() for gradient in gradients])
            mean = squares / (entries * outputs.shape[1] * len(inputs))
            total = mean if total is None else total + mean
    finally:
        for hook in hooks:
            hook.remove()
    assert total is not None
    return total


def _vector(gradients: tuple[Tensor, ...]) -> Tensor:
    return torch.cat([gradient.detach().double().flatten() for gradient in gradients])
