"""Opening a zoo folder and checking its files, without torch. Every room above calls `open_zoo`."""

import hashlib
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from model_zoo.manifest import (
    MANIFEST,
    NETWORKS,
    TEST_DATA,
    TRAINING_DATA,
    TRUTH,
    FileDigest,
    NetworkList,
    ZooError,
    ZooManifest,
    ZooTruth,
    parse,
)

_CHUNK_BYTES = 2**20
_JSON_LIMIT_BYTES = 256 * 2**20


@dataclass(frozen=True)
class NetworkEntry:
    """One network of a zoo: its opaque id, its declarative architecture and its weight files."""

    id: str
    architecture: Mapping[str, object]
    weights: Path
    initial: Path | None


@dataclass(frozen=True)
class Zoo:
    """An opened zoo folder. Its files exist with the sizes of the manifest; `verify` reads them all."""

    folder: Path
    manifest: ZooManifest
    manifest_sha256: str
    networks: tuple[NetworkEntry, ...]

    @property
    def name(self) -> str:
        return self.manifest.name

    @property
    def training_data(self) -> Path:
        """The file of training inputs and labels, which measures may see."""
        return self.folder / TRAINING_DATA

    @property
    def test_data(self) -> Path | None:
        """The file of test inputs and labels, or None where the zoo does not carry them."""
        return self.folder / TEST_DATA if TEST_DATA in self.manifest.files else None

    @property
    def has_truth(self) -> bool:
        """Whether the private part is here: `truth` can be read."""
        return TRUTH in self.manifest.files

    def network(self, network_id: str) -> NetworkEntry:
        """The network called `network_id`. Raises ZooError if there is none."""
        for entry in self.networks:
            if entry.id == network_id:
                return entry
        raise ZooError(f"{self.folder}: no network {network_id} in this zoo")

    def truth(self) -> ZooTruth:
        """Hyperparameters and metrics of every network; its `model_dump()` is truth.json.

        Raises ZooError if the folder is the public part alone, or the file was changed.
        """
        if not self.has_truth:
            raise ZooError(f"{self.folder}: only the public part of this zoo is here, without {TRUTH}")
        path = self.folder / TRUTH
        truth = parse(ZooTruth, _read_checked(path, self.manifest.files[TRUTH]), path)
        if (named := truth.networks.keys()) != (listed := {entry.id for entry in self.networks}):
            odd = sorted(named ^ listed)[0]
            missing = NETWORKS if odd in named else TRUTH
            raise ZooError(f"{path}: the truth is not about this zoo's networks; {missing} does not name {odd}")
        return truth

    def verify(self) -> None:
        """Read every file and compare size and sha256. Raises ZooError naming the first that differs."""
        for name, digest in self.manifest.files.items():
            _check_digest(_regular_file(self.folder, name), digest)


def open_zoo(path: Path | str) -> Zoo:
    """The zoo in the folder `path`. Raises ZooError naming the file that is missing or wrong.

    Weights are not read: `Zoo.verify` does that.
    """
    folder = Path(path)
    if not (folder / MANIFEST).exists():
        raise ZooError(f"{folder}: no {MANIFEST} here, so this is not a zoo folder")
    manifest_path = _regular_file(folder, MANIFEST)
    content = _read_limited(manifest_path)
    manifest = parse(ZooManifest, content, manifest_path)
    for name, digest in manifest.files.items():
        _check_size(_regular_file(folder, name), digest)
    networks_path = folder / NETWORKS
    listed = parse(NetworkList, _read_checked(networks_path, manifest.files[NETWORKS]), networks_path)
    for network in listed.networks:
        for name in filter(None, (network.weights, network.initial)):
            if name not in manifest.files:
                raise ZooError(f"{networks_path}: {name} of network {network.id} is not listed in {MANIFEST}")
    return Zoo(
        folder=folder,
        manifest=manifest,
        manifest_sha256=hashlib.sha256(content).hexdigest(),
        networks=tuple(
            NetworkEntry(
                id=network.id,
                architecture=network.architecture,
                weights=folder / network.weights,
                initial=folder / network.initial if network.initial else None,
            )
            for network in listed.networks
        ),
    )


def sha256_of(path: Path) -> str:
    """The sha256 of a file in lower-case hex, read piece by piece."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _regular_file(folder: Path, name: str) -> Path:
    path = folder
    for part in name.split("/"):
        path = path / part
        if path.is_symlink():
            raise ZooError(f"{path}: a symbolic link; a zoo holds plain files only, so copy the file itself")
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise ZooError(f"{path}: {error.strerror or error}; make or fetch the zoo again") from None
    if not stat.S_ISREG(mode):
        raise ZooError(f"{path}: not a plain file")
    return path


def _check_size(path: Path, digest: FileDigest) -> None:
    size = path.stat().st_size
    if size != digest.bytes:
        raise ZooError(f"{path}: {size} bytes, but {MANIFEST} says {digest.bytes}; make or fetch the zoo again")


def _check_digest(path: Path, digest: FileDigest) -> None:
    _check_size(path, digest)
    if sha256_of(path) != digest.sha256:
        raise ZooError(f"{path}: its sha256 is not the one in {MANIFEST}; make or fetch the zoo again")


def _read_limited(path: Path) -> bytes:
    if path.stat().st_size > _JSON_LIMIT_BYTES:
        raise ZooError(f"{path}: larger than {_JSON_LIMIT_BYTES} bytes, so not a file of a zoo")
    return path.read_bytes()


def _read_checked(path: Path, digest: FileDigest) -> bytes:
    content = _read_limited(path)
    if hashlib.sha256(content).hexdigest() != digest.sha256:
        raise ZooError(f"{path}: its sha256 is not the one in {MANIFEST}; make or fetch the zoo again")
    return content
