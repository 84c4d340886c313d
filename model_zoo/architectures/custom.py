"""Networks that are built by the zoo's own architecture.py: their declaration, and the call of its `build`.

The sandbox's harness executes the file and passes its `build`; nothing is executed here.
"""

from collections.abc import Callable, Mapping

from torch import nn

from model_zoo.architectures.keywords import ArchitectureError

CUSTOM = "custom"

OwnBuild = Callable[..., nn.Module]


def build_custom(architecture: Mapping[str, object], own: OwnBuild | None) -> nn.Module:
    """Build a network with the zoo's own code.

    Parameters
    ----------
    architecture : mapping
        ``{"family": "custom", "arguments": {…}}``.
    own : callable or None
        `build` of the zoo's architecture.py; None outside a sandbox.

    Returns
    -------
    torch.nn.Module

    Raises
    ------
    ArchitectureError
        If the declaration or the result is wrong, or `own` is None. What `own` raises passes through.
    """
    arguments = architecture.get("arguments", {})
    if extra := sorted(architecture.keys() - {"family", "arguments"}):
        raise ArchitectureError(f"architecture: unknown keyword {extra[0]!r}")
    if not isinstance(arguments, Mapping) or not all(isinstance(name, str) for name in arguments):
        raise ArchitectureError(f"arguments: must be an object, not {arguments!r}")
    if own is None:
        raise ArchitectureError(
            "family: 'custom' is built by the zoo's architecture.py, which runs only inside a sandbox; "
            "evaluate a measure on this zoo to look at its networks"
        )
    network: object = own(**arguments)
    if not isinstance(network, nn.Module):
        raise ArchitectureError(f"architecture.py: build returned a {type(network).__name__}, not a torch.nn.Module")
    return network
