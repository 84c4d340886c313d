"""A store and what is in it, seen from outside: the same few words for a local folder and for a bucket."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from model_zoo.store import ZooStore
from tests.buckets import Bucket

ROOMY = 2**30


class Content(Protocol):
    """What a store holds, by the names of its objects."""

    def names(self) -> set[str]: ...
    def read(self, name: str) -> bytes: ...
    def write(self, name: str, content: bytes) -> None: ...
    def remove(self, name: str) -> None: ...


@dataclass(frozen=True)
class FolderContent:
    folder: Path

    def names(self) -> set[str]:
        return {path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*") if path.is_file()}

    def read(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()

    def write(self, name: str, content: bytes) -> None:
        """As a new file, so that a cache's link to the old one keeps the old content."""
        self.remove(name)
        (self.folder / name).write_bytes(content)

    def remove(self, name: str) -> None:
        (self.folder / name).unlink()


@dataclass(frozen=True)
class Place:
    """Where a store is. `store` gives a new one, as another process would have it."""

    url: str
    endpoint: str
    content: Content
    cache: Path

    @classmethod
    def local(cls, folder: Path, cache: Path) -> "Place":
        return cls(str(folder), "", FolderContent(folder), cache)

    @classmethod
    def s3(cls, bucket: Bucket, cache: Path) -> "Place":
        return cls(bucket.url, bucket.address, bucket, cache)

    def store(self, cache_bytes: int = ROOMY, cache: Path | None = None) -> ZooStore:
        return ZooStore(self.url, cache or self.cache, cache_bytes, endpoint=self.endpoint)


def object_of(sha256: str) -> str:
    return f"files/{sha256[:2]}/{sha256}"
