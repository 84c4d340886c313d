"""Packs the public part of a zoo as a folder or zip archive, and the hidden truth only on request.

The result is a zoo itself, whose zoo.json lists only the files it contains.
"""

import os
import stat
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO

from model_zoo.manifest import MANIFEST, TEST_DATA, TRUTH, ZooError, ZooManifest, dump
from model_zoo.writer import make_alike, new_folder, unfinished_prefix
from model_zoo.zoo import Zoo, copy_of, regular_file

_MODE = stat.S_IFREG | 0o644


_Create = Callable[[str, int], IO[bytes]]  # opens a new file of this name and size for writing


def publish(zoo: Zoo, out: Path, *, with_truth: bool = False, with_test: bool = False) -> Path:
    """Write the public part of a zoo to a new file or folder.

    Every file is compared with its sha256 while it is copied, and `out` appears complete or not at all.

    Parameters
    ----------
    zoo : Zoo
    out : Path
        A new zip archive if the name ends in .zip, else a new folder.
    with_truth : bool
        Also include hyperparameters and metrics.
    with_test : bool
        Also include the labelled test data.

    Returns
    -------
    Path
        `out`.

    Raises
    ------
    ZooError
        If something to include is missing, `out` cannot be written, or the truth is hidden and only the test data were
        asked for: everybody could compute the gaps from their labels.
    """
    manifest = published_manifest(zoo, with_truth=with_truth, with_test=with_test)
    if out.suffix.lower() == ".zip":
        with _new_zip(out) as archive:
            _write(zoo, manifest, partial(_create_in_zip, archive, manifest.name))
    else:
        with new_folder(out) as folder:
            _write(zoo, manifest, partial(_create_in_folder, folder))
            make_alike(folder)
    return out


def published_manifest(zoo: Zoo, *, with_truth: bool = False, with_test: bool = False) -> ZooManifest:
    """Make the zoo.json of a published zoo: the included files, and the recipe unless it would reveal the truth.

    Parameters
    ----------
    zoo : Zoo
    with_truth, with_test : bool
        As for `publish`.

    Returns
    -------
    ZooManifest

    Raises
    ------
    ZooError
        As for `publish`.
    """
    manifest = zoo.manifest
    is_hidden = not manifest.truth_public and not with_truth
    if with_test and is_hidden:
        raise ZooError(
            f"{zoo.folder}: the truth of this zoo is hidden, and its test data would reveal it: anybody "
            "with them can compute every gap. Publish both (--with-truth --with-test) or neither"
        )
    private = {TRUTH: with_truth, TEST_DATA: with_test}
    for name, is_asked in private.items():
        if is_asked and name not in manifest.files:
            raise ZooError(f"{zoo.folder}: this zoo carries no {name}, so it cannot be published with it")
    files = {
        name: digest
        for name, digest in manifest.files.items()
        if name.startswith("public/") or private.get(name, False)
    }
    # Who knows recipe and seed can draw the ids again, and knows every network's hyperparameters.
    return manifest.model_copy(update={"files": files, "recipe": None if is_hidden else manifest.recipe})


def _write(zoo: Zoo, manifest: ZooManifest, create: _Create) -> None:
    content = dump(manifest)
    with create(MANIFEST, len(content)) as sink:
        sink.write(content)
    for name, digest in sorted(manifest.files.items()):
        with create(name, digest.bytes) as sink:
            source = regular_file(zoo.folder, name)
            if copy_of(source, sink) != digest:
                raise ZooError(f"{source}: its sha256 is not the one in {MANIFEST}; make or fetch the zoo again")


def _create_in_folder(folder: Path, name: str, _size: int) -> IO[bytes]:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("xb")


def _create_in_zip(archive: zipfile.ZipFile, top: str, name: str, size: int) -> IO[bytes]:
    """Files lie in one folder of an uncompressed archive, all with one date. Trained weights hardly compress."""
    info = zipfile.ZipInfo(f"{top}/{name}")
    info.external_attr = _MODE << 16
    info.file_size = size  # from which zipfile sees whether the entry needs 64 bits
    return archive.open(info, "w")


@contextmanager
def _new_zip(out: Path) -> Iterator[zipfile.ZipFile]:
    if out.exists():
        raise ZooError(f"{out}: exists already; remove it or choose another name")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=unfinished_prefix(out), dir=out.parent)
    except OSError as error:
        raise ZooError(f"{out}: cannot write there: {error.strerror}") from None
    unfinished = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            yield archive
        unfinished.chmod(0o644)
        unfinished.rename(out)
    except OSError as error:
        raise ZooError(f"{out}: cannot write the zoo: {error.strerror}; nothing was left behind") from error
    finally:
        unfinished.unlink(missing_ok=True)
