"""Graphs of examples that lie close to each other in a layer, and how labels vary along their edges.

Lassance, Béthune, Bontonou, Hamidouche and Gripon 2021, "Ranking Deep Learning Generalization using Label Variation
in Latent Geometry Graphs": a graph over training examples joins each with its nearest neighbours by cosine
similarity; the variation of a label signal s is trace(sᵀ L s) for the graph's Laplacian L.
"""

import torch
from torch import Tensor
from torch.nn.functional import normalize, one_hot


def neighbour_graph(points: Tensor, neighbours: int) -> Tensor:
    """Adjacency (n, n), symmetric: i and j are joined if one is among the other's nearest by cosine similarity.

    Edges weigh the similarity where it is positive.
    """
    count = len(points)
    similarity = cosine_similarity(points)
    kept = min(neighbours, count - 1)
    nearest = similarity.clone().fill_diagonal_(-torch.inf).topk(kept, dim=1).indices
    chosen = torch.zeros(count, count, dtype=torch.bool).scatter(1, nearest, value=True)
    return torch.where(chosen | chosen.T, similarity.clamp(min=0), 0.0)


def cosine_similarity(points: Tensor) -> Tensor:
    """Cosines (n, n) between the points' directions from the origin; 0 for a point at the origin."""
    directions = normalize(points, dim=1)
    return directions @ directions.T


def label_variation(adjacency: Tensor, signal: Tensor) -> float:
    """trace(sᵀ L s) over the total weight of all edges, for the graph's Laplacian L: 0 where no edge joins two labels.

    signal: (n, classes), such as one-hot labels. For those it is the weight's part that joins different labels.
    """
    total = float(adjacency.sum())
    if total == 0:
        return 0.0
    laplacian = torch.diag(adjacency.sum(dim=1)) - adjacency
    return float((signal * (laplacian @ signal)).sum()) / total


def label_signal(labels: Tensor, classes: int) -> Tensor:
    """One-hot labels, float64 of shape (n, classes)."""
    return one_hot(labels, classes).double()
