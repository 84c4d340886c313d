"""The zoo store: zoos as content-addressed objects in a local folder or on S3, and each machine's cache of them.

`submissions` puts zoos in and looks at their JSON files; the worker's evaluator fetches what a network needs.
"""

from model_zoo.store.objects import ZooStoreError
from model_zoo.store.zoo_store import ZooStore

__all__ = ["ZooStore", "ZooStoreError"]
