"""Perturbed images: augmentations of a batch (n, C, H, W), and mixtures of examples.

All are fixed functions of their arguments. Brightness and saturation leave the range of the data alone: zoos
normalise their images each in their own way, so nothing is clipped.
"""

import torch
from torch import Tensor
from torch.nn.functional import conv2d, interpolate, pad


def flipped(images: Tensor) -> Tensor:
    """Left and right exchanged."""
    return images.flip(-1)


def saturated(images: Tensor, factor: float = 2.0) -> Tensor:
    """Each pixel's channels pulled away from their mean by `factor`; one-channel images: away from the image's mean."""
    grey = images.mean(dim=1, keepdim=True)
    if images.shape[1] == 1:
        grey = images.mean(dim=(2, 3), keepdim=True)
    return grey + factor * (images - grey)


def cropped(images: Tensor, part: float = 0.8) -> Tensor:
    """The middle `part` of rows and columns, stretched to the images' own size (bilinear)."""
    rows, columns = images.shape[2:]
    kept_rows, kept_columns = max(1, round(part * rows)), max(1, round(part * columns))
    top, left = (rows - kept_rows) // 2, (columns - kept_columns) // 2
    middle = images[:, :, top : top + kept_rows, left : left + kept_columns]
    stretched: Tensor = interpolate(middle, size=(rows, columns), mode="bilinear", align_corners=False)
    return stretched


def sobel(images: Tensor) -> Tensor:
    """The length of the Sobel gradient in every channel, edges repeated at the border."""
    across = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]], dtype=images.dtype)
    kernels = torch.stack([across, across.T])[:, None]
    channels = images.flatten(0, 1)[:, None]
    slopes = conv2d(pad(channels, (1, 1, 1, 1), mode="replicate"), kernels)
    lengths: Tensor = slopes.norm(dim=1).view_as(images)
    return lengths


def brightened(images: Tensor, part: float = 0.2) -> Tensor:
    """Every pixel raised by `part` of the range between the images' least and largest value."""
    lowest, highest = images.amin(dim=(1, 2, 3), keepdim=True), images.amax(dim=(1, 2, 3), keepdim=True)
    return images + part * (highest - lowest)


def erased(images: Tensor, part: float = 0.25) -> Tensor:
    """A square of `part` of each side, in the middle, set to the image's mean."""
    rows, columns = images.shape[2:]
    height, width = max(1, round(part * rows)), max(1, round(part * columns))
    top, left = (rows - height) // 2, (columns - width) // 2
    result = images.clone()
    result[:, :, top : top + height, left : left + width] = images.mean(dim=(1, 2, 3))[:, None, None, None]
    return result


def same_label_pairs(labels: Tensor, limit: int) -> tuple[Tensor, Tensor]:
    """Indices of at most `limit` pairs of different examples with one label, spread evenly over examples.

    Example i of a class goes with the 1st, 2nd, ... next example of that class, around the circle, so that every
    example is used equally often and every network sees the same pairs; nothing is drawn at random. Raises ValueError
    where no class has two examples.
    """
    first = second = labels.new_empty(0)
    for label in range(int(labels.max()) + 1):
        members = (labels == label).nonzero()[:, 0]
        # Shifts beyond half the circle give the same pairs again.
        shifts = min(len(members) // 2, max(1, limit // len(labels)))
        for shift in range(1, shifts + 1):
            first = torch.cat([first, members])
            second = torch.cat([second, members.roll(-shift)])
    if len(first) == 0:
        raise ValueError("no class of this training data has two examples, so there is nothing to mix")
    every = max(1, -(-len(first) // limit))
    return first[::every], second[::every]


def other_label_partners(labels: Tensor) -> Tensor:
    """For each example the index of the next one, around the circle, that has another label.

    Raises ValueError if all labels are the same.
    """
    if bool((labels == labels[0]).all()):
        raise ValueError("all these examples have one label, so none has a partner of another")
    count = len(labels)
    places = torch.arange(count)
    partners = torch.full_like(places, -1)
    shift = 1
    while bool((partners < 0).any()):
        candidates = (places + shift) % count
        partners = torch.where((partners < 0) & (labels[candidates] != labels), candidates, partners)
        shift += 1
    return partners
