"""The zoo store on an S3 service, `s3://bucket/prefix`, through fsspec's s3fs.

Credentials come from the environment variables AWS_* alone.
"""

import hashlib
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import fsspec
from botocore.exceptions import BotoCoreError, ClientError

from model_zoo.manifest import FileDigest
from model_zoo.store.objects import BROUGHT, WRITTEN, changed, naming
from model_zoo.zoo import copy_of

PART_BYTES = 16 * 2**20
_TIMES = {"connect_timeout": 10, "read_timeout": 60, "retries": {"max_attempts": 3}}


SETTINGS = "GENGAP_STORE_URL, GENGAP_STORE_ENDPOINT and the variables AWS_*"


def connect(url: str, endpoint: str) -> "S3Objects":
    """Return the objects of a bucket, or below a prefix of it.

    Parameters
    ----------
    url : str
        ``s3://bucket/prefix``.
    endpoint : str
        Address of the service; empty: AWS.
    """
    return S3Objects(url, endpoint)


class S3Objects:
    """Objects of a bucket, or below a prefix of it. An object appears when its last part has arrived, or never."""

    parallel = 8

    def __init__(self, url: str, endpoint: str) -> None:
        self._root = url.removeprefix("s3://").strip("/")
        # Others write to the bucket as well: what was listed before is no answer.
        self._files: Any = fsspec.filesystem(
            "s3",
            endpoint_url=endpoint or None,
            use_listings_cache=False,
            skip_instance_cache=True,
            config_kwargs=_TIMES,
        )

    def is_made_later(self) -> bool:
        """Return False: a bucket has to exist."""
        return False

    def address(self, name: str) -> str:
        """Return the object's s3:// URL."""
        return f"s3://{self._path(name)}"

    def holds(self, name: str, digest: FileDigest) -> bool:
        """Compare only the size: reading the object would cost as much as sending it."""
        with _naming(self.address(name), "looked up"):
            try:
                return bool(self._files.info(self._path(name))["size"] == digest.bytes)
            except FileNotFoundError:
                return False

    def keep_file(self, name: str, source: Path, digest: FileDigest) -> None:
        """Upload the file, in parts if it is large; an upload whose digest is wrong is discarded."""
        with _naming(self.address(name), WRITTEN):
            if digest.bytes <= PART_BYTES:
                content = source.read_bytes()
                if hashlib.sha256(content).hexdigest() != digest.sha256:
                    raise changed(source)
                self._files.pipe_file(self._path(name), content)
            else:
                self._send(name, source, digest)

    def _send(self, name: str, source: Path, digest: FileDigest) -> None:
        target = self._files.open(self._path(name), "wb", block_size=PART_BYTES, autocommit=False)
        try:
            if copy_of(source, target).sha256 != digest.sha256:
                raise changed(source)
            target.close()
            target.commit()
        except BaseException:
            target.discard()
            target.closed = True  # else its end would send the rest after all
            raise

    def settle(self, names: list[str]) -> None:
        """Do nothing: the service guarantees durability when it answers."""

    def keep(self, name: str, content: bytes) -> None:
        """Upload the content."""
        with _naming(self.address(name), WRITTEN):
            self._files.pipe_file(self._path(name), content)

    def read(self, name: str) -> bytes:
        """Download the content."""
        with _naming(self.address(name), "read"):
            return bytes(self._files.cat_file(self._path(name)))

    def link(self, name: str, target: Path) -> bool:
        """Return False: there are no hard links to a bucket."""
        return False

    def bring(self, name: str, target: Path) -> None:
        """Download the object to a file."""
        with _naming(self.address(name), BROUGHT):
            self._files.get_file(self._path(name), str(target))

    def names(self, prefix: str) -> list[str]:
        """List the objects below the prefix."""
        with _naming(self.address(prefix), "listed"):
            found = self._files.find(self._path(prefix))
        return sorted(path.removeprefix(f"{self._root}/") for path in found)

    def remove(self, name: str) -> None:
        """Delete the object if it exists."""
        with _naming(self.address(name), "removed"):
            if self._files.exists(self._path(name)):
                self._files.rm_file(self._path(name))

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"


def _naming(address: str, what: str) -> AbstractContextManager[None]:
    return naming(address, what, (OSError, BotoCoreError, ClientError))
