"""Builds a `torch.nn.Module` from the declaration of an architecture and a weight file.

The sandbox's harness imports this package alone, so it imports nothing else of ours.
"""

from model_zoo.architectures.context import Context, Moment
from model_zoo.architectures.custom import OwnBuild
from model_zoo.architectures.data import TrainingData, load_inputs, load_training_data
from model_zoo.architectures.keywords import ArchitectureError
from model_zoo.architectures.layers import build
from model_zoo.architectures.networks import load_network
from model_zoo.architectures.weights import WeightsError, load_weights

__all__ = [
    "ArchitectureError",
    "Context",
    "Moment",
    "OwnBuild",
    "TrainingData",
    "WeightsError",
    "build",
    "load_inputs",
    "load_network",
    "load_training_data",
    "load_weights",
]
