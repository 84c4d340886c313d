"""Networks that a zoo builds by its own architecture.py: the declaration, and calling its `build`.

Called by `networks`. Executing the file is not done here but by the sandbox's harness, which hands over its `build`.
"""

from collections.abc import Callable, Mapping

from torch import nn

from model_zoo.architectures.keywords import ArchitectureError

CUSTOM = "custom"

OwnBuild = Callable[..., nn.Module]


def build_custom(architecture: Mapping[str, object], own: OwnBuild | None) -> nn.Module:
    """The network that `own`, the `build` of the zoo's architecture.py, makes of the declared arguments.

    `{"family": "custom", "arguments": {…}}`. Raises ArchitectureError for a wrong declaration or result, and where
    there is no `own` because this is not a sandbox. What `own` raises passes through.
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
