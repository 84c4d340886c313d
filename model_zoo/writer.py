"""Writes a zoo folder, which appears complete or not at all. Used by training and importers."""

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
from pydantic import ValidationError

from model_zoo.manifest import (
    ARCHITECTURE_CODE,
    COUNTER,
    KEY,
    MANIFEST,
    NETWORKS,
    TEST_DATA,
    TRAINING_DATA,
    TRUTH,
    UNLABELLED,
    Axis,
    FileDigest,
    NetworkFilesEntry,
    NetworkList,
    NetworkTruth,
    TrajectoryPoint,
    ZooCard,
    ZooError,
    ZooManifest,
    ZooTruth,
    dump,
    faults,
)
from model_zoo.safetensors_writer import Arrays, write_tensors

_ID_BYTES = 6


def opaque_ids(count: int, seed: int) -> list[str]:
    """Draw random network ids.

    Parameters
    ----------
    count : int
    seed : int
        The same seed gives the same ids. For a zoo with hidden truth use `ZooKey.ids`.

    Returns
    -------
    list of str
        `count` different ids of 12 hexadecimal digits.
    """
    generator = np.random.default_rng(seed)
    ids: dict[str, None] = {}
    while len(ids) < count:
        ids[generator.bytes(_ID_BYTES).hex()] = None
    return list(ids)


class ZooWriter:
    """A zoo being written; `new_zoo` makes one. Each method writes its files at once and keeps no arrays.

    Call `training_data` once and `network` for each network, ordered by id: the files' inode numbers follow the order
    of writing and must not reveal anything. The other methods are optional; `finish` comes last.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, FileDigest] = {}
        self._networks: dict[str, NetworkFilesEntry] = {}
        self._siblings: dict[str, list[str]] = {}
        self._trajectories: dict[str, list[TrajectoryPoint]] = {}
        self._truths: dict[str, NetworkTruth] = {}

    def training_data(self, inputs: NDArray[np.float32], labels: NDArray[np.int64]) -> None:
        """Write the training data: inputs float32 (n, C, H, W), labels int64 (n,)."""
        self._write_arrays(TRAINING_DATA, {"inputs": inputs, "labels": labels})

    def test_data(self, inputs: NDArray[np.float32], labels: NDArray[np.int64]) -> None:
        """Write the test data: inputs float32 (n, C, H, W), labels int64 (n,)."""
        self._write_arrays(TEST_DATA, {"inputs": inputs, "labels": labels})

    def unlabelled(self, inputs: NDArray[np.float32]) -> None:
        """Write the test inputs, float32 (n, C, H, W), that measures of the extended track may use."""
        self._write_arrays(UNLABELLED, {"inputs": inputs})

    def key(self, content: bytes) -> None:
        """Write the key of a zoo with hidden truth, see `model_zoo.recipes.keys`: its ids must come from it."""
        self._write(KEY, content)

    def architecture_code(self, content: bytes) -> None:
        """Write the zoo's own architecture.py, for networks of the family "custom". It is not executed here."""
        self._write(ARCHITECTURE_CODE, content)

    def network(
        self,
        network_id: str,
        architecture: Mapping[str, object],
        weights: Arrays,
        initial: Arrays | None,
        truth: NetworkTruth,
    ) -> None:
        """Write the files of one network.

        Parameters
        ----------
        network_id : str
        architecture : mapping
            Declaration, see docs/zoo-format.md.
        weights, initial : mapping of str to ndarray
            By `state_dict` name, after and before training; `initial` may be None.
        truth : NetworkTruth

        Raises
        ------
        ZooError
            If a weight is not finite or the id is taken.
        """
        if network_id in self._networks:
            raise ZooError(f"network {network_id} was written already; every network needs an id of its own")
        entry = NetworkFilesEntry(
            id=network_id,
            architecture=dict(architecture),
            weights=f"public/networks/{network_id}.safetensors",
            initial=None if initial is None else f"public/networks/{network_id}.initial.safetensors",
        )
        whose = f"network {network_id} ({truth.hyperparameters or truth.source})"
        self._write_weights(entry.weights, weights, whose)
        if entry.initial is not None and initial is not None:
            self._write_weights(entry.initial, initial, whose)
        self._networks[network_id] = entry
        self._truths[network_id] = truth

    def sibling(self, network_id: str, weights: Arrays) -> None:
        """Write the weights of a sibling of `network_id`; before or after the network itself."""
        siblings = self._siblings.setdefault(network_id, [])
        name = f"public/siblings/{network_id}.{len(siblings)}.safetensors"
        self._write_weights(name, weights, f"sibling {len(siblings)} of network {network_id}")
        siblings.append(name)

    def trajectory(self, network_id: str, epoch: float, weights: Arrays) -> None:
        """Write the weights of `network_id` after `epoch` epochs; call it in the order of the epochs."""
        points = self._trajectories.setdefault(network_id, [])
        name = f"public/trajectory/{network_id}.{len(points)}.safetensors"
        self._write_weights(name, weights, f"network {network_id} after epoch {epoch:g}")
        points.append(TrajectoryPoint(epoch=epoch, weights=name))

    def finish(self, card: ZooCard, axes: list[Axis], test_size: int) -> None:
        """Write the three JSON files, zoo.json last, and give all files the same time and mode.

        Parameters
        ----------
        card : ZooCard
        axes : list of Axis
        test_size : int
            Number of examples that the test accuracies were measured on.

        Raises
        ------
        ZooError
            If the parts do not belong together, or a metric of one of the card's targets is missing.
        """
        for what, of_network in (("siblings", self._siblings), ("a trajectory", self._trajectories)):
            if orphans := sorted(of_network.keys() - self._networks.keys()):
                raise ZooError(f"network {orphans[0]} has {what}, but is not in the zoo itself")
        try:
            networks = [self._complete(entry) for _, entry in sorted(self._networks.items())]
        except ValidationError as error:
            raise ZooError(faults(error)) from None
        truth = ZooTruth(format=1, axes=axes, test_size=test_size, networks=dict(sorted(self._truths.items())))
        if card.truth_public and KEY in self._files:
            raise ZooError(f"{KEY} is for zoos with hidden truth; leave it out")
        for target in card.targets:
            truth.target(target)
        self._write(NETWORKS, dump(NetworkList(format=1, networks=networks)))
        self._write(TRUTH, dump(truth))
        manifest = ZooManifest(**dict(card), format=1, files=dict(sorted(self._files.items())))
        self._write(MANIFEST, dump(manifest))
        make_alike(self._folder)

    def _complete(self, entry: NetworkFilesEntry) -> NetworkFilesEntry:
        further = {"siblings": self._siblings.get(entry.id, []), "trajectory": self._trajectories.get(entry.id, [])}
        return NetworkFilesEntry(**dict(entry) | further)

    def _write_weights(self, name: str, arrays: Arrays, whose: str) -> None:
        for key, array in arrays.items():
            if not np.isfinite(array).all():
                raise ZooError(
                    f"{whose}: {key} is not finite, so its training diverged; "
                    "lower the learning rate or leave the network out"
                )
        self._write_arrays(name, _Uncounted(arrays))

    def _write_arrays(self, name: str, arrays: Arrays) -> None:
        self._files[name] = write_tensors(self._place(name), arrays)

    def _write(self, name: str, content: bytes) -> None:
        self._place(name).write_bytes(content)
        self._files[name] = FileDigest(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))

    def _place(self, name: str) -> Path:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


class _Uncounted(Mapping[str, NDArray[Any]]):
    """The arrays one at a time, with batch norm's counter of training steps set to 0."""

    def __init__(self, arrays: Arrays) -> None:
        self._arrays = arrays

    def __getitem__(self, key: str) -> NDArray[Any]:
        array = self._arrays[key]
        return np.zeros_like(array) if key.endswith(COUNTER) else array

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)


def make_alike(folder: Path) -> None:
    """Give all files below `folder` the same time and mode, and all folders too; only the owner can read the key."""
    now = (folder / MANIFEST).stat().st_mtime
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o600 if path == folder / KEY else 0o644)
        os.utime(path, (now, now))  # a measure could read the order of training from a file's time


@contextmanager
def new_zoo(folder: Path) -> Iterator[ZooWriter]:
    """Write a new zoo, which appears at `folder` when the block ends, and not at all if the block raises.

    Yields
    ------
    ZooWriter
        The block must end with its `finish`.

    Raises
    ------
    ZooError
        If `folder` exists or cannot be written.
    """
    with new_folder(folder) as unfinished:
        yield ZooWriter(unfinished)


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Make an empty folder that is renamed to `folder` when the block ends, and removed if it raises.

    Yields
    ------
    Path
        The temporary folder.

    Raises
    ------
    ZooError
        If `folder` exists or cannot be written.
    """
    if folder.exists():
        raise ZooError(f"{folder}: exists already; remove it or choose another folder")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=unfinished_prefix(folder), dir=folder.parent))
    except OSError as error:
        raise ZooError(f"{folder}: cannot make the folder: {error.strerror}") from None
    try:
        yield unfinished
        unfinished.rename(folder)
    except OSError as error:
        raise ZooError(f"{folder}: cannot write the zoo: {error.strerror}; nothing was left behind") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def unfinished_prefix(folder: Path) -> str:
    """Return the prefix of temporary folders in which the zoo `folder` is being written."""
    return f".{folder.name}.unfinished-"
