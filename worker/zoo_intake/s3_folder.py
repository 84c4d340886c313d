"""Copies a zoo's folder from S3 to this machine, file by file. The job of adding a zoo from an address calls it.

Only files that the zoo's own zoo.json lists are downloaded, to paths inside the folder; the check then reads them all.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from model_zoo import ZooError
from model_zoo.manifest import MANIFEST, ZooManifest, parse
from model_zoo.store.schemes import connect
from submissions.settings import Settings
from submissions.zoos.allowed_sources import allowed_address
from submissions.zoos.uploads import SPARE_BYTES

Watch = Callable[[int, int, str], None]


def fetch_zoo(address: str, into: Path, settings: Settings, watch: Watch) -> Path:
    """Copy the zoo at an s3:// address into the new folder `into`. Raises SourceError, or ZooError with the object."""
    objects = connect(allowed_address(address, settings.zoo_sources), settings.store_endpoint)
    content = objects.read(MANIFEST)
    manifest = parse(ZooManifest, content, Path(MANIFEST))
    total = sum(digest.bytes for digest in manifest.files.values())
    into.mkdir(parents=True, mode=0o700)
    free = shutil.disk_usage(into).free
    if total + SPARE_BYTES > free:
        raise ZooError(f"The zoo has {total // 2**20} MiB, and {free // 2**20} MiB are free here; free disk space.")
    (into / MANIFEST).write_bytes(content)
    done = 0
    for name, digest in manifest.files.items():
        watch(done, total, "fetching")
        target = into / name
        target.parent.mkdir(parents=True, exist_ok=True)
        objects.bring(name, target)
        os.utime(target, (0, 0))  # a time without meaning, as in the store
        done += digest.bytes
    return into
