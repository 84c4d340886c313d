"""Writing a zoo folder so that it appears whole or not at all. The training and importers call it; no torch."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from model_zoo.manifest import (
    MANIFEST,
    NETWORKS,
    TEST_DATA,
    TRAINING_DATA,
    TRUTH,
    Axis,
    FileDigest,
    NetworkFilesEntry,
    NetworkList,
    NetworkTruth,
    ZooCard,
    ZooError,
    ZooManifest,
    ZooTruth,
    dump,
)

Arrays = Mapping[str, NDArray[Any]]
_ID_BYTES = 6


def opaque_ids(count: int, seed: int) -> list[str]:
    """`count` different random ids of 12 hexadecimal digits, the same for the same seed."""
    generator = np.random.default_rng(seed)
    ids: dict[str, None] = {}
    while len(ids) < count:
        ids[generator.bytes(_ID_BYTES).hex()] = None
    return list(ids)


class ZooWriter:
    """A zoo being written; made by `new_zoo`.

    Call `training_data` once and `network` for each network, in an order that tells nothing (by id): a file's
    number on the disk follows it. `test_data` is optional.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, FileDigest] = {}
        self._networks: list[NetworkFilesEntry] = []
        self._truths: dict[str, NetworkTruth] = {}

    def training_data(self, inputs: NDArray[np.float32], labels: NDArray[np.int64]) -> None:
        """inputs: (n, C, H, W); labels: (n,)."""
        self._write(TRAINING_DATA, save({"inputs": inputs, "labels": labels}))

    def test_data(self, inputs: NDArray[np.float32], labels: NDArray[np.int64]) -> None:
        """inputs: (n, C, H, W); labels: (n,)."""
        self._write(TEST_DATA, save({"inputs": inputs, "labels": labels}))

    def network(
        self,
        network_id: str,
        architecture: Mapping[str, object],
        weights: Arrays,
        initial: Arrays | None,
        truth: NetworkTruth,
    ) -> None:
        """Write one network's files. Raises ZooError if a weight is not finite."""
        entry = NetworkFilesEntry(
            id=network_id,
            architecture=dict(architecture),
            weights=f"public/networks/{network_id}.safetensors",
            initial=None if initial is None else f"public/networks/{network_id}.initial.safetensors",
        )
        for name, arrays in ((entry.weights, weights), (entry.initial, initial)):
            if name is None or arrays is None:
                continue
            for key, array in arrays.items():
                if not np.isfinite(array).all():
                    raise ZooError(
                        f"network {network_id} ({truth.hyperparameters or truth.source}): {key} is not finite, "
                        "so its training diverged; lower the learning rate or leave the network out"
                    )
            self._write(name, save(dict(arrays)))
        self._networks.append(entry)
        self._truths[network_id] = truth

    def finish(self, card: ZooCard, axes: list[Axis], test_size: int) -> None:
        """Write the three JSON files, zoo.json last, and make all files alike from outside."""
        networks = sorted(self._networks, key=lambda network: network.id)
        truths = dict(sorted(self._truths.items()))
        self._write(NETWORKS, dump(NetworkList(format=1, networks=networks)))
        self._write(TRUTH, dump(ZooTruth(format=1, axes=axes, test_size=test_size, networks=truths)))
        manifest = ZooManifest(**dict(card), format=1, files=dict(sorted(self._files.items())))
        self._write(MANIFEST, dump(manifest))
        now = (self._folder / MANIFEST).stat().st_mtime
        for path in (self._folder, *self._folder.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
            os.utime(path, (now, now))  # a measure could read the order of training from a file's time

    def _write(self, name: str, content: bytes) -> None:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        self._files[name] = FileDigest(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))


@contextmanager
def new_zoo(folder: Path) -> Iterator[ZooWriter]:
    """A writer whose zoo appears at `folder` when the block ends, and not at all if it raises.

    The block must end with `writer.finish`. Raises ZooError if `folder` exists or the disk refuses.
    """
    if folder.exists():
        raise ZooError(f"{folder}: exists already; remove it or choose another folder")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=f"{unfinished_prefix(folder)}", dir=folder.parent))
    except OSError as error:
        raise ZooError(f"{folder}: cannot make the folder: {error.strerror}") from None
    try:
        yield ZooWriter(unfinished)
        unfinished.rename(folder)
    except OSError as error:
        raise ZooError(f"{folder}: cannot write the zoo: {error.strerror}; nothing was left behind") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def unfinished_prefix(folder: Path) -> str:
    """How the names of folders begin in which the zoo `folder` is being written."""
    return f".{folder.name}.unfinished-"
