"""Opens a zoo folder and checks its files, without torch. `open_zoo` is the entry point for all other rooms."""

import hashlib
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from model_zoo.manifest import (
    ARCHITECTURE_CODE,
    MANIFEST,
    NETWORKS,
    TEST_DATA,
    TRAINING_DATA,
    TRUTH,
    UNLABELLED,
    FileDigest,
    NetworkFilesEntry,
    NetworkList,
    ZooError,
    ZooManifest,
    ZooTruth,
    parse,
)

PIECE_BYTES = 2**20
_CUSTOM = "custom"  # as in model_zoo.architectures, which needs torch
_JSON_LIMIT_BYTES = 256 * 2**20


# What a zoo may offer to measures of the extended track, in the order in which pages name them.
OFFERS = ("siblings", "unlabelled", "trajectory")


@dataclass(frozen=True)
class NetworkEntry:
    """One network of a zoo.

    Attributes
    ----------
    id : str
        Random identifier.
    architecture : mapping
        Declaration, see docs/zoo-format.md.
    weights, initial : Path
        Files with the weights after and before training; `initial` may be None.
    siblings : tuple of Path
        Weights of networks of the same architecture and hyperparameters from other seeds.
    trajectory : tuple of (float, Path)
        Epoch and weights of the network during training, in order.
    """

    id: str
    architecture: Mapping[str, object]
    weights: Path
    initial: Path | None
    siblings: tuple[Path, ...] = ()
    trajectory: tuple[tuple[float, Path], ...] = ()

    @property
    def is_custom(self) -> bool:
        """Whether the zoo's own architecture.py builds it, so that only a sandbox can load it."""
        return self.architecture.get("family") == _CUSTOM


@dataclass(frozen=True)
class Zoo:
    """An opened zoo folder.

    Its files exist with the sizes that the manifest gives; `verify` reads and compares them all. In a zoo opened as
    partial, only the JSON files have to exist. `model_zoo.loading` loads networks and data.

    Attributes
    ----------
    folder : Path
    manifest : ZooManifest
    manifest_sha256 : str
        Identity of the zoo: the sha256 of zoo.json.
    networks : tuple of NetworkEntry
    """

    folder: Path
    manifest: ZooManifest
    manifest_sha256: str
    networks: tuple[NetworkEntry, ...]

    @property
    def name(self) -> str:
        """The zoo's name in zoo.json."""
        return self.manifest.name

    @property
    def training_file(self) -> Path:
        """The file of training inputs and labels, which measures may see."""
        return self.folder / TRAINING_DATA

    @property
    def test_file(self) -> Path | None:
        """The file of test inputs and labels, or None where the zoo has none."""
        return self._optional(TEST_DATA)

    @property
    def unlabelled_file(self) -> Path | None:
        """The file of test inputs without labels, for the extended track, or None."""
        return self._optional(UNLABELLED)

    @property
    def architecture_file(self) -> Path | None:
        """The zoo's own architecture.py, which only a sandbox may execute, or None."""
        return self._optional(ARCHITECTURE_CODE)

    @property
    def offers(self) -> tuple[str, ...]:
        """What measures of the extended track get of every network, in the order of OFFERS.

        Empty for a zoo without the extended track.
        """
        has = {
            "siblings": all(entry.siblings for entry in self.networks),
            "unlabelled": self.unlabelled_file is not None,
            "trajectory": all(entry.trajectory for entry in self.networks),
        }
        return tuple(name for name in OFFERS if has[name]) if "extended" in self.manifest.tracks else ()

    @property
    def has_truth(self) -> bool:
        """Whether the private part is here, so that `truth` can be read."""
        return TRUTH in self.manifest.files

    def network(self, network_id: str) -> NetworkEntry:
        """Return the network with this id. Raises ZooError if there is none."""
        for entry in self.networks:
            if entry.id == network_id:
                return entry
        raise ZooError(f"{self.folder}: no network {network_id} in this zoo")

    def truth(self) -> ZooTruth:
        """Read the hyperparameters and metrics of every network.

        Raises
        ------
        ZooError
            If the folder is the public part alone, the file was changed, or it does not fit the networks and targets.
        """
        if not self.has_truth:
            raise ZooError(f"{self.folder}: only the public part of this zoo is here, without {TRUTH}")
        path = self.folder / TRUTH
        truth = parse(ZooTruth, _read_checked(path, self.manifest.files[TRUTH]), path)
        if (named := truth.networks.keys()) != (listed := {entry.id for entry in self.networks}):
            odd = sorted(named ^ listed)[0]
            missing = NETWORKS if odd in named else TRUTH
            raise ZooError(f"{path}: the truth is not about this zoo's networks; {missing} does not name {odd}")
        for target in self.manifest.targets:
            try:
                truth.target(target)
            except ZooError as error:
                raise ZooError(f"{path}: {error}") from None
        return truth

    def verify(self) -> None:
        """Read every file and compare size and sha256. Raises ZooError naming the first that differs."""
        for name, digest in self.manifest.files.items():
            path = regular_file(self.folder, name)
            _check_size(path, digest)
            if sha256_of(path) != digest.sha256:
                raise ZooError(f"{path}: its sha256 is not the one in {MANIFEST}; make or fetch the zoo again")

    def _optional(self, name: str) -> Path | None:
        return self.folder / name if name in self.manifest.files else None


def open_zoo(path: Path | str, *, partial: bool = False) -> Zoo:
    """Open a zoo folder. Weights are not read; `Zoo.verify` does that.

    Parameters
    ----------
    path : Path or str
    partial : bool
        Whether files other than the JSON files may be missing.

    Returns
    -------
    Zoo

    Raises
    ------
    ZooError
        If a file is missing or wrong; the message names it.
    """
    folder = Path(path)
    if not (folder / MANIFEST).exists():
        raise ZooError(f"{folder}: no {MANIFEST} here, so this is not a zoo folder")
    manifest_path = regular_file(folder, MANIFEST)
    content = _read_limited(manifest_path)
    manifest = parse(ZooManifest, content, manifest_path)
    for name, digest in manifest.files.items():
        is_needed = not partial or name in (NETWORKS, TRUTH)
        if is_needed or (folder / name).exists():
            _check_size(regular_file(folder, name), digest)
    networks_path = folder / NETWORKS
    listed = parse(NetworkList, _read_checked(networks_path, manifest.files[NETWORKS]), networks_path)
    for network in listed.networks:
        _check_files_are_listed(network, manifest, networks_path)
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
                siblings=tuple(folder / name for name in network.siblings),
                trajectory=tuple((point.epoch, folder / point.weights) for point in network.trajectory),
            )
            for network in listed.networks
        ),
    )


def _check_files_are_listed(network: NetworkFilesEntry, manifest: ZooManifest, path: Path) -> None:
    for name in network.files:
        if name not in manifest.files:
            raise ZooError(f"{path}: {name} of network {network.id} is not listed in {MANIFEST}")
    if network.architecture.get("family") == _CUSTOM and ARCHITECTURE_CODE not in manifest.files:
        raise ZooError(f"{path}: the family {_CUSTOM!r} of network {network.id} needs {ARCHITECTURE_CODE} in the zoo")


def sha256_of(path: Path) -> str:
    """Compute the sha256 of a file, in lower-case hexadecimal, without loading it whole."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def copy_of(source: Path, sink: IO[bytes]) -> FileDigest:
    """Copy a file, piece by piece, to the end of an open one, and return the size and sha256 of what was copied."""
    found, size = hashlib.sha256(), 0
    with source.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            found.update(piece)
            sink.write(piece)
            size += len(piece)
    return FileDigest(sha256=found.hexdigest(), bytes=size)


def regular_file(folder: Path, name: str) -> Path:
    """Return the path of the zoo's file `name`.

    Raises
    ------
    ZooError
        If it is missing, not a regular file, or reached through a symbolic link.
    """
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


def _read_limited(path: Path) -> bytes:
    if path.stat().st_size > _JSON_LIMIT_BYTES:
        raise ZooError(f"{path}: larger than {_JSON_LIMIT_BYTES} bytes, so not a file of a zoo")
    return path.read_bytes()


def _read_checked(path: Path, digest: FileDigest) -> bytes:
    content = _read_limited(path)
    if hashlib.sha256(content).hexdigest() != digest.sha256:
        raise ZooError(f"{path}: its sha256 is not the one in {MANIFEST}; make or fetch the zoo again")
    return content
