"""Checks that a zoo's files are exactly those in its manifest, with the right content."""

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from model_zoo.checks.report import Item, error, ok, some, warning
from model_zoo.manifest import MANIFEST, ZooError
from model_zoo.zoo import Zoo, sha256_of

Watch = Callable[[int, int, str], None]


def checksums(zoo: Zoo, watch: Watch) -> Item:
    """Check that every listed file exists with its sha256; `watch` is as in `check_zoo`."""
    wrong: list[str] = []
    files = zoo.manifest.files
    for number, (name, digest) in enumerate(files.items()):
        watch(0, len(zoo.networks), f"checksums: {number} of {len(files)} files")
        try:
            if sha256_of(zoo.folder / name) != digest.sha256:
                wrong.append(name)
        except OSError as fault:
            raise ZooError(f"{zoo.folder / name}: cannot be read: {fault.strerror}") from None
    if wrong:
        return error(
            "checksums",
            f"{len(wrong)} of {len(files)} files are not those of {MANIFEST}: {some(wrong)}. "
            "Nothing else was looked at.",
            "Copy or make the zoo again; if a file was changed on purpose, rewrite the zoo with its digests.",
        )
    return ok("checksums", f"All {len(files)} files have the size and sha256 of {MANIFEST}.")


def nothing_unlisted(zoo: Zoo) -> Item:
    """Check that the folder has no link, device or pipe, and no file that the manifest does not list."""
    found = sorted(_everything(zoo.folder))
    odd = [name for name, mode in found if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))]
    listed = {MANIFEST, *zoo.manifest.files}
    extra = [name for name, mode in found if stat.S_ISREG(mode) and name not in listed]
    if odd:
        return error(
            "unlisted",
            f"The folder holds what is neither a file nor a folder (links, pipes, devices): {some(odd)}.",
            "Remove them; a zoo holds plain files only.",
        )
    if extra:
        return warning(
            "unlisted",
            f"The folder holds {len(extra)} files that {MANIFEST} does not name: {some(extra)}.",
            "They will not be stored, and no measure sees them. Remove them before you give the folder to others.",
        )
    return ok("unlisted", f"The folder holds nothing but the files that {MANIFEST} names.")


def _everything(folder: Path) -> Iterator[tuple[str, int]]:
    """Iterate over the path inside `folder` and the mode of everything in it, without following links."""
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(parent, name)
            yield str(path.relative_to(folder)), path.lstat().st_mode
