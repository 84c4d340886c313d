"""The Hessian of the training loss without ever writing it down: products with vectors, Lanczos, Hutchinson."""

from collections.abc import Callable

import torch
from gengap_measures.data import batches
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

LARGEST_BASIS = 2**26  # numbers: 512 MB
FEWEST_STEPS = 6

Product = Callable[[Tensor], Tensor]


def hessian_product(model: nn.Module, inputs: Tensor, labels: Tensor) -> Product:
    """v → H v for the Hessian H of the mean cross-entropy in all parameters. Vectors are float64 of their number."""
    parameters = list(model.parameters())
    sizes = [parameter.numel() for parameter in parameters]

    def product(vector: Tensor) -> Tensor:
        parts = torch.split(vector, sizes)
        directions = [part.view_as(p).to(p.dtype) for part, p in zip(parts, parameters, strict=True)]
        total = torch.zeros_like(vector)
        for x, y in batches(inputs, labels):
            with torch.enable_grad():
                loss = cross_entropy(model(x), y, reduction="sum")
                slopes = torch.autograd.grad(loss, parameters, create_graph=True, materialize_grads=True)
                along = sum(((s * d).sum() for s, d in zip(slopes, directions, strict=True)), start=loss * 0)
                bent = torch.autograd.grad(along, parameters, materialize_grads=True)
            total += torch.cat([b.detach().double().flatten() for b in bent])
        return total / len(labels)

    return product


def lanczos(product: Product, size: int, steps: int) -> Tensor:
    """Ritz values of a symmetric matrix, ascending; the last approaches its largest eigenvalue from below.

    Full reorthogonalisation; the starting vector comes from torch's generator. At most `steps` values, fewer where
    the space is exhausted, or where the basis would not fit into memory: then six at least.
    """
    steps = min(steps, max(FEWEST_STEPS, LARGEST_BASIS // size))
    basis = [torch.randn(size, dtype=torch.float64)]
    basis[0] /= basis[0].norm()
    diagonal: list[float] = []
    beside: list[float] = []
    for _ in range(min(steps, size)):
        following = product(basis[-1])
        diagonal.append(float(following @ basis[-1]))
        for _ in range(2):  # once is not enough to stay orthogonal in floating point
            for vector in basis:
                following = following - (vector @ following) * vector
        length = float(following.norm())
        if length < 1e-8 * (1 + max(abs(value) for value in diagonal)):
            break
        beside.append(length)
        basis.append(following / length)
    off = torch.tensor(beside[: len(diagonal) - 1], dtype=torch.float64)
    matrix = torch.diag(torch.tensor(diagonal, dtype=torch.float64)) + torch.diag(off, 1) + torch.diag(off, -1)
    values: Tensor = torch.linalg.eigvalsh(matrix)
    return values


def hutchinson(product: Product, size: int, probes: int) -> float:
    """An unbiased estimate of the trace: the mean of v·Hv over random sign vectors v."""
    total = 0.0
    for _ in range(probes):
        signs = torch.randint(0, 2, (size,)).double() * 2 - 1
        total += float(signs @ product(signs))
    return total / probes
