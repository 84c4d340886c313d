"""Loads a network as a measure gets it: final weights, initial weights beside them, eval mode."""

from collections.abc import Mapping

import torch
from torch import nn

from model_zoo.architectures.custom import CUSTOM, OwnBuild, build_custom
from model_zoo.architectures.layers import build
from model_zoo.architectures.weights import WeightsError, load_weights


def load_network(
    architecture: Mapping[str, object], weights_fd: int, initial_fd: int | None, own: OwnBuild | None = None
) -> nn.Module:
    """Load a trained network in eval mode.

    Parameters
    ----------
    architecture : mapping
        Declaration, see docs/zoo-format.md.
    weights_fd : int
        Descriptor of the file with the weights after training.
    initial_fd : int or None
        Descriptor of the file with the weights before training.
    own : callable, optional
        `build` of the zoo's architecture.py, for the family "custom"; given only in a sandbox.

    Returns
    -------
    torch.nn.Module
        Maps float32 inputs (n, C, H, W) to float32 logits (n, classes). Its parameters are float32, require gradients
        and may be changed in place: the change stays in this process. `initial` is the same network with the weights
        from before training, or None; it is a plain attribute, so `parameters()` and `state_dict()` do not include it.

    Raises
    ------
    ArchitectureError
        If the declaration is wrong.
    WeightsError
        If the weights do not fit the declaration.
    """
    network = _with_weights(architecture, weights_fd, own)
    initial = None if initial_fd is None else _with_weights(architecture, initial_fd, own)
    # Past nn.Module.__setattr__, which would register it as a submodule.
    object.__setattr__(network, "initial", initial)
    return network


def _with_weights(architecture: Mapping[str, object], fd: int, own: OwnBuild | None) -> nn.Module:
    network: nn.Module
    if architecture.get("family") == CUSTOM:
        torch.manual_seed(0)  # a buffer that is in no file is the same whenever the network is built
        network = build_custom(architecture, own)  # not on "meta": such a buffer would have no numbers
    else:
        with torch.device("meta"):  # no memory, and no random numbers drawn
            network = build(architecture)
    weights = load_weights(fd)
    for name, wanted in network.state_dict().items():
        found = weights.get(name)
        if found is None:
            raise WeightsError(f"the tensor {name!r} is missing")
        if found.shape != wanted.shape or found.dtype != wanted.dtype:
            raise WeightsError(
                f"tensor {name!r}: {found.dtype} of shape {tuple(found.shape)}, "
                f"but the architecture needs {wanted.dtype} of shape {tuple(wanted.shape)}"
            )
    if unused := weights.keys() - network.state_dict().keys():
        raise WeightsError(f"the tensor {min(unused)!r} belongs to no layer of the architecture")
    network.load_state_dict(weights, assign=True)
    return network.requires_grad_(True).eval()
