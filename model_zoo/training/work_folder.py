"""The intermediate results of a training, as files beside the future zoo, from which it continues after a kill.

The folder has a file for each finished network, and a snapshot for each group in training. Files appear complete or not
at all. The folder's name begins with a dot and it has no zoo.json, so it never looks like a zoo.
"""

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from model_zoo.manifest import ZooError
from model_zoo.recipes.keys import ZooKey, new_key, read_key

_METRICS = "metrics"
_PROCESSES = "processes"
_KEY = "key.json"
_DIGEST_DIGITS = 12


@dataclass(frozen=True)
class FinishedNetwork:
    """A trained network as it was saved: its weights and metrics."""

    weights: dict[str, Tensor]
    metrics: dict[str, float]


@dataclass(frozen=True)
class WorkFolder:
    """Finished networks, by their index among all, and snapshots of groups, by the index of their first network."""

    path: Path

    @contextmanager
    def held(self) -> Iterator[None]:
        """Lock the folder while a training process writes in it; the process may outlive a killed parent."""
        with (self.path / _PROCESSES).open("w") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            yield

    def key(self, recipe_sha256: str) -> ZooKey:
        """Return the key of the zoo in training, which is made on the first call; only its owner can read the file.

        Raises
        ------
        ZooError
            If it cannot be written.
        """
        path = self.path / _KEY
        if not path.exists():
            key, unfinished = new_key(recipe_sha256), path.with_suffix(".unfinished")
            try:
                unfinished.unlink(missing_ok=True)
                with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                    file.write(key.dump())
                    file.flush()
                    os.fsync(file.fileno())
                unfinished.replace(path)
            except OSError as error:
                raise ZooError(f"{path}: cannot write the key: {error.strerror}; make room and run it again") from None
        return read_key(path, recipe_sha256)

    def has_network(self, place: int) -> bool:
        """Whether the network is finished: its file exists and is complete."""
        try:
            with safe_open(self._network(place), framework="pt") as file:
                return _METRICS in (file.metadata() or {})
        except (OSError, SafetensorError):
            return False

    def network(self, place: int) -> FinishedNetwork:
        """Read the finished network at `place`."""
        with safe_open(self._network(place), framework="pt") as file:
            metrics = json.loads(file.metadata()[_METRICS])
            return FinishedNetwork({name: file.get_tensor(name) for name in file.keys()}, metrics)  # noqa: SIM118

    def add_network(self, place: int, network: FinishedNetwork) -> None:
        """Save a finished network."""
        _save(self._network(place), network.weights, {_METRICS: json.dumps(network.metrics)})

    def add_trajectory_state(self, place: int, epoch: int, weights: Mapping[str, Tensor]) -> None:
        """Save the weights of the network at `place` after an epoch; saving them again changes nothing."""
        _save(self.path / f"{place}.{epoch}.state", weights, {})

    def trajectory(self, place: int) -> Iterator[tuple[int, dict[str, Tensor]]]:
        """Iterate over the epochs of the network's trajectory and the weights after them, in order."""
        found = {int(path.suffixes[-2][1:]): path for path in self.path.glob(f"{place}.*.state")}
        return ((epoch, load_file(path)) for epoch, path in sorted(found.items()))

    def snapshot(self, first_place: int) -> dict[str, Tensor] | None:
        """Read the last snapshot of a group, or None."""
        try:
            return load_file(self._snapshot(first_place))
        except (OSError, SafetensorError):
            return None

    def set_snapshot(self, first_place: int, snapshot: Mapping[str, Tensor]) -> None:
        """Save a snapshot of a group."""
        _save(self._snapshot(first_place), snapshot, {})

    def drop_snapshot(self, first_place: int) -> None:
        """Remove the snapshot of a group that is finished."""
        self._snapshot(first_place).unlink(missing_ok=True)

    def _network(self, place: int) -> Path:
        return self.path / f"{place}.network"

    def _snapshot(self, first_place: int) -> Path:
        return self.path / f"{first_place}.group"


@contextmanager
def work_folder(zoo: Path, digest: str) -> Iterator[WorkFolder]:
    """Open the work folder of the zoo that is to be at `zoo`.

    It is removed when the block ends, and stays for the next time if the block raises. What trainings of other recipes
    left for the same zoo is removed.

    Parameters
    ----------
    zoo : Path
    digest : str
        Of what the zoo is trained from.

    Yields
    ------
    WorkFolder

    Raises
    ------
    ZooError
        If another process trains this zoo.
    """
    path = zoo.parent / f".{zoo.name}.{digest[:_DIGEST_DIGITS]}.training"
    for other in set(zoo.parent.glob(f".{zoo.name}.*.training")) - {path}:
        with contextlib.suppress(BlockingIOError), _locked(other):
            shutil.rmtree(other)
    try:
        with _locked(path):
            yield WorkFolder(path)
            shutil.rmtree(path)
    except BlockingIOError:
        raise ZooError(f"{zoo}: another process is training this zoo; wait for it or end it") from None


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold an exclusive lock on `folder`, which is made if necessary; the kernel releases it if this process dies.

    Waits for training processes in it that outlive a killed one. Raises BlockingIOError if another process holds it,
    ZooError if the folder cannot be made.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)  # what is in it tells the truth of a zoo
        folder.chmod(0o700)  # one that an earlier version began
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise ZooError(f"{folder}: cannot make the folder for unfinished work: {error.strerror}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with (folder / _PROCESSES).open("w") as processes:
            fcntl.flock(processes, fcntl.LOCK_EX)  # those of a killed training end at their next word to it
        yield
    finally:
        os.close(lock)


def _save(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str]) -> None:
    unfinished = path.with_suffix(f"{path.suffix}.unfinished")
    try:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, unfinished, metadata)
        unfinished.replace(path)
    except (OSError, SafetensorError) as error:
        unfinished.unlink(missing_ok=True)
        raise ZooError(f"{path}: cannot write: {error}; make room and run it again, which goes on from here") from None
