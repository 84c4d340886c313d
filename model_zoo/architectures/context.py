"""What a measure of the extended track gets beside a network and its training data. The harness makes it."""

from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True)
class Moment:
    """A network as it was during its training, after `epoch` epochs (a fraction where it was within one).

    network: in eval mode, parameters requiring gradients, `initial` None.
    """

    epoch: float
    network: nn.Module


@dataclass(frozen=True)
class Context:
    """What the zoo offers of a network besides; each is None where the zoo does not offer it of every network.

    siblings: networks of the same architecture and hyperparameters, trained on the same data from other seeds; in eval
    mode, parameters requiring gradients, `initial` None. unlabelled: test inputs without their labels, float32 of shape
    (n, C, H, W). trajectory: the network itself during its training, in order, without the initial and the final
    weights, which `model.initial` and `model` have.
    """

    siblings: tuple[nn.Module, ...] | None
    unlabelled: Tensor | None
    trajectory: tuple[Moment, ...] | None
