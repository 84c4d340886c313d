"""The third argument of measures of the extended track, and what to ask of it.

A zoo that does not offer a part has None there. A measure that says `NEEDS` is never evaluated on such a zoo; what asks
all the same gets a ValueError that says so.
"""

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor, nn


class Moment(Protocol):
    """A network as it was during its training."""

    @property
    def epoch(self) -> float:
        """After how many epochs; a fraction where it was within one."""

    @property
    def network(self) -> nn.Module:
        """In eval mode, `initial` None."""


class Context(Protocol):
    """What a measure gets as `context`. Each is None where the zoo does not offer it of every network."""

    @property
    def siblings(self) -> Sequence[nn.Module] | None:
        """Networks of the same architecture and hyperparameters, trained on the same data from other seeds."""

    @property
    def unlabelled(self) -> Tensor | None:
        """Test inputs without their labels: float32 of shape (n, C, H, W)."""

    @property
    def trajectory(self) -> Sequence[Moment] | None:
        """The network itself during its training, in order, without the initial and the final weights."""


def siblings_of(context: Context) -> Sequence[nn.Module]:
    """The network's siblings, at least one. Raises ValueError where the zoo offers none."""
    if not context.siblings:
        raise ValueError("this zoo has no siblings of its networks, so there is nothing to compare with")
    return context.siblings


def unlabelled_of(context: Context) -> Tensor:
    """Test inputs without labels. Raises ValueError where the zoo offers none."""
    if context.unlabelled is None:
        raise ValueError("this zoo has no unlabelled test inputs")
    return context.unlabelled


def trajectory_of(context: Context) -> Sequence[Moment]:
    """The moments of the network's training, at least one. Raises ValueError where the zoo offers none."""
    if not context.trajectory:
        raise ValueError("this zoo does not have the trajectories of its networks")
    return context.trajectory
