"""Changes training examples at random, as the recipe's [augmentation] table says.

The change of an example depends only on its network's seed, the step and its place in the batch: a training that was
interrupted, or that trains other networks at the same time, sees the same images.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from model_zoo.recipes import RecipeAugmentation
from model_zoo.training.augmentation.policy import COLUMNS, apply_policy

_TOP = 255
_HAS_POLICY, _FLIP, _ROW, _COLUMN = range(4)
_OWN = 4  # chances of ours; the policy's follow
_FRACTION_BITS = 53


def chances(seed: int, step: int, examples: int) -> NDArray[np.float64]:
    """Draw the random numbers that decide how the examples of one step are changed.

    They come from the counter-based generator Philox [1]_ with the seed as key and the step as counter, so any step can
    be computed directly.

    Parameters
    ----------
    seed : int
        Of the network.
    step : int
        From 0.
    examples : int
        Number of examples.

    Returns
    -------
    ndarray
        float64, (examples, 9), uniform in [0, 1).

    References
    ----------
    .. [1] Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
    """
    words = np.random.Philox(key=seed, counter=[0, step, 0, 0]).random_raw(examples * (_OWN + COLUMNS))
    shifted = words >> np.uint64(64 - _FRACTION_BITS)
    return np.asarray(shifted.reshape(examples, -1) * 2.0**-_FRACTION_BITS)


def augmented(inputs: Tensor, rules: RecipeAugmentation, seeds: Sequence[int], step: int) -> Tensor:
    """Change the examples of a step.

    Parameters
    ----------
    inputs : torch.Tensor
        (count, B, C, H, W), a batch for each of `count` networks.
    rules : RecipeAugmentation
    seeds : sequence of int
        Of the networks.
    step : int
        From 0.

    Returns
    -------
    torch.Tensor
        Of the same shape.
    """
    drawn = np.concatenate([chances(seed, step, inputs.shape[1]) for seed in seeds])
    pictures = inputs.flatten(0, 1)
    if rules.policy is not None:
        pictures = _by_policy(pictures, drawn, rules.policy_share)
    if rules.flip:
        is_turned = torch.from_numpy(drawn[:, _FLIP] < 0.5).to(pictures.device)
        pictures = torch.where(is_turned.view(-1, 1, 1, 1), pictures.flip(3), pictures)
    if rules.crop_padding:
        pictures = _cropped(pictures, drawn, rules.crop_padding)
    return pictures.view(inputs.shape)


def _by_policy(pictures: Tensor, drawn: NDArray[np.float64], share: float) -> Tensor:
    """Apply the policy to images whose values are bytes divided by 255; those it leaves alone stay as they are."""
    places = np.flatnonzero(drawn[:, _HAS_POLICY] < share)
    rows = torch.from_numpy(places).to(pictures.device)
    levels = apply_policy((pictures[rows] * _TOP).round(), drawn[places, _OWN:])
    return pictures.index_copy(0, rows, levels / _TOP)


def _cropped(pictures: Tensor, drawn: NDArray[np.float64], padding: int) -> Tensor:
    count, _, height, width = pictures.shape
    starts = torch.from_numpy((drawn[:, [_ROW, _COLUMN]] * (2 * padding + 1)).astype(np.int64)).to(pictures.device)
    rows = starts[:, :1] + torch.arange(height, device=pictures.device)
    columns = starts[:, 1:] + torch.arange(width, device=pictures.device)
    padded = functional.pad(pictures, (padding, padding, padding, padding)).permute(0, 2, 3, 1)
    each = torch.arange(count, device=pictures.device).view(-1, 1, 1)
    return padded[each, rows.unsqueeze(2), columns.unsqueeze(1)].permute(0, 3, 1, 2).contiguous()
