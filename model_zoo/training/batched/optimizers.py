"""Optimizers that update all networks of a stack at once, each with its own rates.

They compute what torch.optim's SGD and Adam do, and SAM [1]_ with SGD; weight decay is an L2 penalty.

References
----------
.. [1] Foret et al., "Sharpness-Aware Minimization for Efficiently Improving Generalization", ICLR 2021.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from model_zoo.recipes import TrainingSettings
from model_zoo.training.batched.stack import Batch, Stack

_ADAM_BETAS = (0.9, 0.999)
_ADAM_EPS = 1e-8
_SAM_EPS = 1e-12


class Optimizer(ABC):
    """An optimizer of the parameters `stack.flat`.

    Attributes
    ----------
    vectors : dict
        Its memory between steps, by name, laid out like `stack.flat`.
    steps : int
        Number of steps so far.
    factor : float
        Factor of all learning rates.
    """

    def __init__(self, settings: Sequence[TrainingSettings], stack: Stack) -> None:
        self._own_rates = _column(settings, "learning_rate", stack)
        self._decays = _column(settings, "weight_decay", stack)
        self._has_decay = any(setting.weight_decay for setting in settings)
        self.vectors: dict[str, Tensor] = {}
        self.steps = 0
        self._use(1.0)

    def resume(self, vectors: dict[str, Tensor], steps: int, factor: float) -> None:
        """Continue from the state of another optimizer of these networks.

        Parameters
        ----------
        vectors : dict of str to torch.Tensor
        steps : int
        factor : float
            Its attributes of these names.
        """
        self.vectors, self.steps = vectors, steps
        self._use(factor)

    def set_factor(self, factor: float) -> None:
        """Set the factor of the learning rates."""
        if factor != self.factor:
            self._use(factor)

    def _use(self, factor: float) -> None:
        self.factor = factor
        self._rates = self._own_rates * factor
        self._shrink = (self._rates * self._decays).unsqueeze(1)

    @abstractmethod
    def step(self, stack: Stack, batch: Batch) -> None:
        """Make one step of every network on its own batch."""


class Sgd(Optimizer):
    """SGD with momentum. It stores velocity times learning rate, so that a step needs no product with the rates."""

    def __init__(self, settings: Sequence[TrainingSettings], stack: Stack) -> None:
        super().__init__(settings, stack)
        momenta = {setting.momentum for setting in settings}
        self._momenta = _column(settings, "momentum", stack) if len(momenta) > 1 else None
        self._momentum = 1.0 if len(momenta) > 1 else settings[0].momentum
        self.vectors["moves"] = torch.zeros_like(stack.flat)
        self._pairs: list[tuple[Tensor, Tensor]] = []

    def resume(self, vectors: dict[str, Tensor], steps: int, factor: float) -> None:
        """Continue from the state of another optimizer of these networks."""
        super().resume(vectors, steps, factor)
        self._pairs = []

    def set_factor(self, factor: float) -> None:
        """Set the factor of the learning rates; the stored moves are scaled with it."""
        if factor != self.factor:
            self.vectors["moves"].mul_(factor / self.factor)
        super().set_factor(factor)

    def step(self, stack: Stack, batch: Batch) -> None:
        """Make one step of every network on its own batch."""
        self._accumulate(stack, batch)
        self._move(stack)

    def _accumulate(self, stack: Stack, batch: Batch) -> None:
        moves = self.vectors["moves"]
        if self._momenta is not None:
            for block in stack.blocks(moves):
                block.mul_(self._momenta.unsqueeze(1))
        stack.add_gradients(batch, self._rates, moves, self._momentum)

    def _move(self, stack: Stack) -> None:
        moves = self.vectors["moves"]
        if self._has_decay:
            if not self._pairs:
                self._pairs = list(zip(stack.blocks(moves), stack.blocks(stack.flat), strict=True))
            for block, parameters in self._pairs:
                block.addcmul_(parameters, self._shrink)
        stack.flat.sub_(moves)


class Sam(Sgd):
    """Sharpness-aware minimization: SGD with the gradient where the loss is about highest within `rho`."""

    def __init__(self, settings: Sequence[TrainingSettings], stack: Stack) -> None:
        super().__init__(settings, stack)
        self._rhos = _column(settings, "rho", stack)

    def step(self, stack: Stack, batch: Batch) -> None:
        """Make one step of every network on its own batch."""
        here, climb = stack.flat.clone(), torch.zeros_like(stack.flat)
        stack.add_gradients(batch, torch.ones_like(self._rates), climb, 0.0)
        statistics = {name: buffer.clone() for name, buffer in stack.buffers.items()}
        slopes = stack.blocks(climb)
        steepness = torch.stack([slope.square().sum(dim=1) for slope in slopes]).sum(dim=0).sqrt()
        lengths = (self._rhos / (steepness + _SAM_EPS)).unsqueeze(1)
        for parameters, slope in zip(stack.blocks(stack.flat), slopes, strict=True):
            parameters.addcmul_(slope, lengths)
        self._accumulate(stack, batch)
        stack.flat.copy_(here)
        for name, buffer in stack.buffers.items():
            buffer.copy_(statistics[name])  # batch norm's are those of the networks themselves
        self._move(stack)


class Adam(Optimizer):
    """Adam with torch.optim.Adam's defaults for all but the learning rate and weight decay."""

    def __init__(self, settings: Sequence[TrainingSettings], stack: Stack) -> None:
        super().__init__(settings, stack)
        self.vectors = {"means": torch.zeros_like(stack.flat), "squares": torch.zeros_like(stack.flat)}

    def step(self, stack: Stack, batch: Batch) -> None:
        """Make one step of every network on its own batch."""
        means, squares = self.vectors["means"], self.vectors["squares"]
        gradient = torch.zeros_like(stack.flat)
        stack.add_gradients(batch, torch.ones_like(self._rates), gradient, 0.0)
        if self._has_decay:
            for block, parameters in zip(stack.blocks(gradient), stack.blocks(stack.flat), strict=True):
                block.addcmul_(parameters, self._decays.unsqueeze(1))
        self.steps += 1
        first, second = (beta**self.steps for beta in _ADAM_BETAS)
        means.lerp_(gradient, 1 - _ADAM_BETAS[0])
        squares.mul_(_ADAM_BETAS[1]).addcmul_(gradient, gradient, value=1 - _ADAM_BETAS[1])
        moves = means / squares.div(1 - second).sqrt_().add_(_ADAM_EPS)
        rates = (self._rates / (1 - first)).unsqueeze(1)
        for block, parameters in zip(stack.blocks(moves), stack.blocks(stack.flat), strict=True):
            parameters.addcmul_(block, rates, value=-1)


def optimizer_of(settings: Sequence[TrainingSettings], stack: Stack) -> Optimizer:
    """Make a new optimizer of the kind that the settings name."""
    kinds: dict[str, type[Optimizer]] = {"sgd": Sgd, "sam": Sam, "adam": Adam}
    return kinds[settings[0].optimizer](settings, stack)


def _column(settings: Sequence[TrainingSettings], name: str, stack: Stack) -> Tensor:
    values = [float(getattr(setting, name)) for setting in settings]
    return torch.tensor(values, device=stack.flat.device)
