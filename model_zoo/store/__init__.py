"""The zoo store: zoos as content-addressed objects in a folder or on a service, and each machine's cache of them.

`submissions` stores zoos and reads their JSON files; the worker's evaluator fetches what a network needs.
"""

from model_zoo.store.objects import ZooStoreError
from model_zoo.store.zoo_store import ZooStore

__all__ = ["ZooStore", "ZooStoreError"]
