"""Computes a network's accuracy on examples, with bounded memory."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from model_zoo.architectures import ArchitectureError, build
from model_zoo.importers.examples import Examples
from model_zoo.importers.import_request import Device
from model_zoo.manifest import ZooError

_ACTIVATION_BYTES = 2**27
_MOST_AT_ONCE = 512


def chosen_device(wanted: Device) -> torch.device:
    """Choose the device to compute on; "auto" means a GPU if there is one. Raises ZooError if it is not available."""
    if wanted == "cpu" or (wanted == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise ZooError("torch finds no GPU here; import with the device cpu, or install torch for CUDA")
    torch.backends.cudnn.allow_tf32 = False  # its 10 bits of mantissa would turn over close decisions
    return torch.device("cuda")


def declared(architecture: Mapping[str, object], place: str) -> nn.Sequential:
    """Build the declared network without numbers (on the meta device). Raises ZooError that begins with `place`."""
    try:
        with torch.device("meta"):
            return build(architecture).eval()
    except ArchitectureError as error:
        raise ZooError(f"{place}: {error}") from None


def with_weights(
    architecture: Mapping[str, object], weights: Mapping[str, NDArray[Any]], device: torch.device, place: str
) -> nn.Sequential:
    """Build the declared network with these weights, in eval mode. Raises ZooError that begins with `place`."""
    network = declared(architecture, place)
    try:
        network.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()}, assign=True)
    except RuntimeError as error:
        raise ZooError(f"{place}: the weights do not fit the architecture: {error}") from None
    return network.to(device)


def logits(network: nn.Sequential, inputs: Tensor, place: str) -> Tensor:
    """Compute the network's outputs.

    Parameters
    ----------
    network : torch.nn.Sequential
    inputs : torch.Tensor
        (n, C, H, W).
    place : str
        Beginning of error messages.

    Returns
    -------
    torch.Tensor
        Logits (n, classes).

    Raises
    ------
    ZooError
        If the network does not accept the inputs, or its outputs are not finite logits.
    """
    try:
        with torch.inference_mode():
            outputs: Tensor = network(inputs)
    except RuntimeError as error:
        raise ZooError(f"{place}: the network does not take inputs of {tuple(inputs.shape[1:])}: {error}") from None
    if outputs.ndim != 2 or outputs.shape[1] < 2:
        raise ZooError(f"{place}: the network's outputs have the shape {tuple(outputs.shape)}, not (n, classes)")
    if not torch.isfinite(outputs).all():
        raise ZooError(f"{place}: the network's outputs are not finite; leave out or replace this network")
    return outputs


def accuracy(
    network: nn.Sequential, examples: Examples, device: torch.device, place: str, each_tenth: Callable[[int], None]
) -> float:
    """Compute the share of examples whose largest logit is that of their label.

    Parameters
    ----------
    network : torch.nn.Sequential
    examples : Examples
    device : torch.device
    place : str
        Beginning of error messages.
    each_tenth : callable
        Called with the percentage done, about every tenth of the examples.

    Raises
    ------
    ZooError
        As for `logits`.
    """
    right = seen = tenths = 0
    for inputs, labels in examples.batches(_batch_size(network, examples, device)):
        outputs = logits(network, torch.from_numpy(inputs).to(device), place)
        right += int((outputs.argmax(dim=1).cpu() == torch.from_numpy(labels)).sum())
        seen += len(labels)
        if seen * 10 // len(examples) > tenths:
            tenths = seen * 10 // len(examples)
            each_tenth(10 * tenths)
    return right / len(examples)


def _batch_size(network: nn.Sequential, examples: Examples, device: torch.device) -> int:
    """Choose the batch size for which inputs and outputs of every layer fit in a fixed number of bytes."""
    shape = examples.inputs.shape[1:]
    largest = math.prod(shape)
    x = torch.zeros((1, *shape), device=device)
    with torch.inference_mode():
        for module in network:
            x = module(x)
            largest = max(largest, x.numel())
    return max(1, min(_MOST_AT_ONCE, _ACTIVATION_BYTES // (4 * largest * 3)))
