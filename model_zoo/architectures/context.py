"""What a measure of the extended track gets in addition to a network and its training data."""

from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True)
class Moment:
    """A network as it was after `epoch` epochs of training (a fraction is within an epoch).

    Attributes
    ----------
    epoch : float
    network : torch.nn.Module
        In eval mode, parameters requiring gradients, `initial` None.
    """

    epoch: float
    network: nn.Module


@dataclass(frozen=True)
class Context:
    """What a zoo offers for a network of the extended track; None where it does not have it for every network.

    Attributes
    ----------
    siblings : tuple of torch.nn.Module
        Networks of the same architecture and hyperparameters, trained on the same data from other seeds; in eval mode,
        parameters requiring gradients, `initial` None.
    unlabelled : torch.Tensor
        Test inputs without labels, float32 of shape (n, C, H, W).
    trajectory : tuple of Moment
        The network itself during training, in order, without its initial and final weights.
    """

    siblings: tuple[nn.Module, ...] | None
    unlabelled: Tensor | None
    trajectory: tuple[Moment, ...] | None
