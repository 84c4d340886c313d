"""The random numbers of one network's training: initial weights, order of examples, dropout."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from model_zoo.architectures import build
from model_zoo.training.batched.stack import State
from model_zoo.training.plan import NetworkPlan

_NORMALISATIONS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm)
_LEVELS = 2**16  # dropout is decided by 16 bits: its probability is right to 1e-5
_WORD = 4  # 16-bit numbers in one that the generator draws
_BLOCK_VALUES = 2**18


def initial_state(architecture: Mapping[str, object], scale: float, generator: torch.Generator) -> State:
    """Make weights before training: He-normal times `scale`, biases and positions 0, normalisation the identity.

    Parameters
    ----------
    architecture : mapping
    scale : float
    generator : torch.Generator

    Returns
    -------
    dict of str to torch.Tensor
        By `state_dict` name.
    """
    with torch.device("meta"):
        network = build(architecture)
    state: State = {}
    for path, module in network.named_modules():
        slots = [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
        for key, slot in slots:
            if isinstance(module, _NORMALISATIONS):
                made = torch.full(slot.shape, int(key in ("weight", "running_var")), dtype=slot.dtype)
            elif isinstance(module, nn.Linear | nn.Conv2d) and key == "weight":
                fan_in = slot[0].numel()
                made = torch.randn(slot.shape, generator=generator) * (scale * (2 / fan_in) ** 0.5)
            else:
                made = torch.zeros(slot.shape)
            state[f"{path}.{key}"] = made
    return state


def block_steps(plan: NetworkPlan, examples: int) -> int:
    """Compute for how many steps a network draws its dropout at once, at most an epoch's.

    It depends on the plan and the data alone, not on the other networks of the group.
    """
    values = plan.settings.batch_size * max(1, sum(plan.dropout_after.values()))
    return min(-(-examples // plan.settings.batch_size), max(1, _BLOCK_VALUES // values))


class Draws:
    """All random numbers of one network after its initialization, whatever its group."""

    def __init__(self, plan: NetworkPlan, examples: int) -> None:
        self._orders = plan.randomness.generator("order")
        self._dropout = plan.randomness.generator("dropout")
        self._examples = examples
        self.steps = block_steps(plan, examples)
        self.threshold = round(plan.settings.dropout * _LEVELS)

    def order(self) -> Tensor:
        """Draw one epoch's order of the examples: int64 of shape (n,)."""
        return torch.randperm(self._examples, generator=self._orders)

    def draw_levels(self, into: Tensor) -> None:
        """Fill `into`, int64 words, with 16 random bits for each value that dropout may zero in one block of steps."""
        into.random_(-(2**63), None, generator=self._dropout)

    @property
    def state(self) -> Tensor:
        """State of both random streams, uint8; assign it to continue from there."""
        return torch.stack([self._orders.get_state(), self._dropout.get_state()])

    @state.setter
    def state(self, state: Tensor) -> None:
        self._orders.set_state(state[0].clone())  # torch reads it from the start of its storage
        self._dropout.set_state(state[1].clone())


def kept_values(plans: Sequence[NetworkPlan], draws: Sequence[Draws]) -> list[dict[int, Tensor]]:
    """Compute the dropout factors of the next block.

    Parameters
    ----------
    plans : sequence of NetworkPlan
        Of `count` networks.
    draws : sequence of Draws
        Of the same networks; their state changes.

    Returns
    -------
    list of dict
        For each step, by layer index, a tensor (count, batch size, features) that is 0 with the plan's probability p,
        else 1 / (1 - p).
    """
    plan = plans[0]
    widths = [width * plan.settings.batch_size for width in plan.dropout_after.values()]
    if not any(draw.threshold for draw in draws):
        return [{}] * draws[0].steps
    values = draws[0].steps * sum(widths)
    words = torch.zeros(len(draws), -(-values // _WORD), dtype=torch.int64)
    for row, draw in zip(words, draws, strict=True):
        if draw.threshold:  # the others keep everything, so draw nothing
            draw.draw_levels(row)
    thresholds = torch.tensor([[draw.threshold] for draw in draws])
    is_kept = words.view(torch.int16)[:, :values] >= (thresholds - _LEVELS // 2).to(torch.int16)
    kept = is_kept.float().mul_(_LEVELS / (_LEVELS - thresholds))
    return [
        {
            layer: torch.unflatten(part, 1, (plan.settings.batch_size, -1))
            for layer, part in zip(plan.dropout_after, torch.split(step, widths, dim=1), strict=True)
        }
        for step in torch.split(kept, sum(widths), dim=1)
    ]
