"""How deep into the network examples have to go until their neighbours agree with its prediction.

Formula: the mean over training examples of the prediction depth over the number of representations: the first
representation (input, hidden layers averaged over positions, logits) from which on a vote of the nearest other training
examples always gives the network's final prediction. 30 neighbours vote, or half a class where classes are smaller.
Source: Baldock, Maennel and Neyshabur 2021, "Deep Learning Through the Lens of Example Difficulty".
Cost: one forward pass over at most 1000 training examples, and their distances in every layer.
Higher: harder examples, decided later, so a larger expected gap.
"""

import torch
from gengap_measures import Dataset, activations, distances, hidden_layers, label_signal, logits, pooled, some
from torch import Tensor, nn

NAME = "Prediction depth"
SOURCE = "Baldock et al. 2021"
TRACK = "standard"
COST = "m"

EXAMPLES = 1000
NEIGHBOURS = 30


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """The mean relative depth, from 0 (decided at the input) to 1 (not even by the logits)."""
    inputs, labels = some(dataset, EXAMPLES)
    outputs = logits(model, inputs)
    predicted = outputs.argmax(dim=1)
    votes = label_signal(labels, max(dataset.classes, outputs.shape[1]))
    neighbours = max(1, min(NEIGHBOURS, len(labels) // (2 * dataset.classes)))
    points = [inputs.flatten(1).double(), *activations(model, inputs, hidden_layers(model), pooled), outputs]
    agrees = torch.stack([vote(layer, votes, neighbours) == predicted for layer in points])  # (layers, n)
    agrees_from_here = agrees.flip(0).cumprod(dim=0)
    return float(1 - agrees_from_here.double().mean())


def vote(points: Tensor, votes: Tensor, neighbours: int) -> Tensor:
    """The label that most of each point's nearest others have (n,), at a tie that of the nearest one."""
    apart = distances(points, points).fill_diagonal_(torch.inf)
    nearest = apart.topk(neighbours, largest=False).indices
    # One neighbour outweighs all that are farther, and all of them together weigh less than a vote.
    tie_break = torch.pow(2.0, -torch.arange(2, neighbours + 2, dtype=torch.float64))[:, None]
    return (votes[nearest] * (1 + tie_break)).sum(dim=1).argmax(dim=1)
