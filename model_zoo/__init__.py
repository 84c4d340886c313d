"""Model zoos: sets of trained networks in folders. Their format, architectures, training, import, check and store.

Importing this package does not import torch. `architectures` and `loading` need it, and so do training, importing and
measuring, which other rooms run in child processes.
"""

from model_zoo.manifest import Axis, NetworkTruth, ZooError, ZooManifest, ZooTruth
from model_zoo.zoo import NetworkEntry, Zoo, open_zoo

__all__ = ["Axis", "NetworkEntry", "NetworkTruth", "Zoo", "ZooError", "ZooManifest", "ZooTruth", "open_zoo"]
