"""Loads what measures of the extended track get besides network and data, in the measure's own process.

`participant` calls it before any participant code. The files came as descriptors, in the order of the request.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from model_zoo.architectures import Context, Moment, OwnBuild, load_inputs, load_network
from worker.harness.descriptors import Descriptors


def load_context(request: Mapping[str, Any], files: Descriptors, own: OwnBuild | None) -> Context | None:
    """Load the measure's third argument; None on the standard track, where it has two.

    request: its "context" is null for the standard track, else says what the zoo offers, and the trajectory's epochs.
    own: the `build` of the zoo's architecture.py.
    """
    offered = request["context"]
    if offered is None:
        return None
    architecture = request["architecture"]

    def networks(descriptors: Sequence[int]) -> list[Any]:
        return [load_network(architecture, weights, None, own) for weights in descriptors]

    epochs = offered["trajectory"]
    return Context(
        siblings=tuple(networks(files.siblings)) if offered["siblings"] else None,
        unlabelled=None if files.unlabelled is None else load_inputs(files.unlabelled),
        trajectory=None if epochs is None else tuple(map(Moment, epochs, networks(files.trajectory))),
    )
