"""Statistics of clouds of points: distances, clusters, transport. Points are float64 of shape (n, features)."""

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor


def distances(first: Tensor, second: Tensor) -> Tensor:
    """Euclidean distances (n, m) between the rows of two sets of points."""
    return torch.cdist(first, second, compute_mode="donot_use_mm_for_euclid_dist")


def class_centers(points: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The classes that occur (k,), ascending, and the mean of each one's points (k, features)."""
    present = torch.unique(labels)
    return present, torch.stack([points[labels == label].mean(dim=0) for label in present])


def davies_bouldin(points: Tensor, labels: Tensor) -> float:
    """The Davies–Bouldin index: the mean over classes of the worst (s_i + s_j) / d_ij; lower is better clustered.

    s: the mean distance of a class's points to their center. d: the distance of two centers. Raises ValueError for
    fewer than two classes, or for two classes with one center.
    """
    present, centers = class_centers(points, labels)
    if len(present) < 2:
        raise ValueError("all these examples have one label, so there are no clusters to tell apart")
    pairs = zip(present, centers, strict=True)
    spread = torch.stack([distances(points[labels == y], center[None]).mean() for y, center in pairs])
    apart = distances(centers, centers).fill_diagonal_(torch.inf)
    if float(apart.min()) == 0:
        raise ValueError("two classes have the same center at this layer, so the Davies-Bouldin index is infinite")
    return float(((spread[:, None] + spread) / apart).amax(dim=1).mean())


def wasserstein(first: Tensor, second: Tensor) -> float:
    """The Wasserstein-1 distance of two clouds of equally many points: the mean distance of the best pairing."""
    cost = distances(first, second)
    rows, columns = linear_sum_assignment(cost.numpy())
    return float(cost[rows, columns].mean())
