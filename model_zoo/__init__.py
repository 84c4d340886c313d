"""Zoo folders: the manifest, the truth, the architectures and how zoos are trained.

This package imports no torch: `model_zoo.architectures`, `model_zoo.networks` and `model_zoo.training` do.
"""

from model_zoo.manifest import Axis, NetworkTruth, ZooError, ZooManifest, ZooTruth
from model_zoo.zoo import NetworkEntry, Zoo, open_zoo

__all__ = [
    "Axis",
    "NetworkEntry",
    "NetworkTruth",
    "Zoo",
    "ZooError",
    "ZooManifest",
    "ZooTruth",
    "open_zoo",
]
