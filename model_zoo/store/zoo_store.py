"""Stores, opens, fetches and deletes zoos, which are identified by the sha256 of their zoo.json.

Objects are named by their content (`files/aa/<sha256>`), so zoos share what they have in common and an interrupted
upload continues where it stopped; `zoos/<sha256>.json` is written last.
"""

import hashlib
import os
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

from model_zoo.manifest import MANIFEST, FileDigest, ZooManifest, ZooTruth, parse
from model_zoo.store import schemes
from model_zoo.store.cache import JSON_FILES, Wanted, ZooCache
from model_zoo.store.objects import ObjectMissingError, ZooStoreError, changed
from model_zoo.zoo import Zoo, open_zoo

_FILES, _ZOOS, _PROBE = "files/", "zoos/", "probe-"
_OPEN_ZOOS = 64
_TRUTHS = 16

Watch = Callable[[int, int, str], None]
T = TypeVar("T")


class ZooStore:
    """A zoo store seen through this machine's cache. Safe with many threads and processes.

    Parameters
    ----------
    url : str
        A folder, or a URL with one of the schemes of `model_zoo.store.schemes`.
    cache : Path
        Folder for fetched files.
    cache_bytes : int
        Approximate limit of its size.
    endpoint : str
        Address of the service; empty: the usual one of the scheme.

    Raises
    ------
    ZooStoreError
        If the scheme is unknown.
    """

    def __init__(self, url: str, cache: Path, cache_bytes: int, *, endpoint: str = "") -> None:
        self.url = url
        self._objects = schemes.connect(url, endpoint)
        self._cache = ZooCache(cache, cache_bytes, self._objects)
        self._guard = threading.Lock()  # of the two below
        self._zoos: OrderedDict[str, Zoo] = OrderedDict()
        self._truths: OrderedDict[str, ZooTruth] = OrderedDict()

    def put(self, folder: Path, *, watch: Watch | None = None) -> str:
        """Copy the zoo in `folder` into the store.

        Every file is compared with its digest while it is copied; files that are stored already are not sent again.

        Parameters
        ----------
        folder : Path
        watch : callable, optional
            Called with bytes stored, bytes in total, and a text that says what is being done.

        Returns
        -------
        str
            sha256 of zoo.json, by which the zoo is opened.

        Raises
        ------
        ZooError
            If the folder is not a correct zoo, or the store fails.
        """
        zoo = open_zoo(folder)
        manifest = (folder / MANIFEST).read_bytes()
        if hashlib.sha256(manifest).hexdigest() != zoo.manifest_sha256:
            raise changed(folder / MANIFEST)
        by_content = {digest.sha256: (folder / name, digest) for name, digest in zoo.manifest.files.items()}
        total, done = sum(digest.bytes for _, digest in by_content.values()), 0
        with ThreadPoolExecutor(self._objects.parallel) as executor:
            sent = {executor.submit(self._keep, path, digest): (path, digest) for path, digest in by_content.values()}
            try:
                for future in as_completed(sent):
                    future.result()
                    path, digest = sent[future]
                    done += digest.bytes
                    if watch is not None:
                        watch(done, total, f"storing {path.relative_to(folder)}")
            except BaseException:
                executor.shutdown(cancel_futures=True)
                raise
        self._objects.settle([_file(digest.sha256) for _, digest in by_content.values()])
        self._objects.keep(_manifest(zoo.manifest_sha256), manifest)
        return zoo.manifest_sha256

    def _keep(self, path: Path, digest: FileDigest) -> None:
        name = _file(digest.sha256)
        if not self._objects.holds(name, digest):
            self._objects.keep_file(name, path, digest)

    def probe(self) -> str:
        """Write, read and remove a small object, or check that a store that does not exist yet can be made.

        Returns
        -------
        str
            What was done, for the table of `gengap doctor`.

        Raises
        ------
        ZooStoreError
            If it did not work.
        """
        if self._objects.is_made_later():
            return "created at first start"
        content = secrets.token_bytes(16)
        name = f"{_PROBE}{content.hex()}"
        self._objects.keep(name, content)
        try:
            if self._objects.read(name) != content:
                raise ZooStoreError(f"{self._objects.address(name)}: is not what was written; look at the store")
        finally:
            self._objects.remove(name)
        return "written, read and removed"

    def has(self, manifest_sha256: str) -> bool:
        """Whether the store has this zoo."""
        try:
            return bool(self._objects.read(_manifest(manifest_sha256)))
        except ObjectMissingError:
            return False

    def open(self, manifest_sha256: str) -> Zoo:
        """Open a zoo; only its JSON files are fetched and verified. `fetched` gets the others. Raises ZooError."""
        folder = self._cache.folder_of(manifest_sha256)
        with self._guard:
            zoo = self._zoos.get(manifest_sha256)
        if zoo is not None and all((folder / name).exists() for name in _json_files(zoo.manifest)):
            return zoo
        wanted = Wanted(manifest_sha256, MANIFEST, manifest_sha256, None, _manifest(manifest_sha256))
        os.close(self._cache.hold(wanted))
        path = folder / MANIFEST
        manifest = parse(ZooManifest, path.read_bytes(), path)
        for name in _json_files(manifest):
            if name != MANIFEST:
                os.close(self._hold_file(manifest_sha256, manifest, name))
        self._cache.drop_wrong_sizes(manifest_sha256, {name: file.bytes for name, file in manifest.files.items()})
        zoo = open_zoo(folder, partial=True)
        with self._guard:
            _remember(self._zoos, manifest_sha256, zoo, _OPEN_ZOOS)
        return zoo

    def truth(self, manifest_sha256: str) -> ZooTruth:
        """Return the zoo's truth, from memory where it was read before. Raises ZooError."""
        with self._guard:
            truth = self._truths.get(manifest_sha256)
        if truth is None:
            truth = self.open(manifest_sha256).truth()
            with self._guard:
                _remember(self._truths, manifest_sha256, truth, _TRUTHS)
        return truth

    @contextmanager
    def fetched(self, zoo: Zoo, names: Iterable[str] | None = None) -> Iterator[None]:
        """Fetch and verify files of an opened zoo, and keep them while the block runs.

        Parameters
        ----------
        zoo : Zoo
        names : iterable of str, optional
            As in the manifest; None: all files.

        Raises
        ------
        ZooError
            If one cannot be fetched.
        """
        with ExitStack() as held:
            if names is None:
                held.enter_context(self._cache.whole(zoo.manifest_sha256))
                self._bring_all(zoo)
            else:
                for name in names:
                    held.callback(os.close, self._hold_file(zoo.manifest_sha256, zoo.manifest, name))
            yield

    def fetch_all(self, zoo: Zoo) -> None:
        """Fetch and verify every file of the zoo. Raises ZooError."""
        with self.fetched(zoo):
            return

    def _bring_all(self, zoo: Zoo) -> None:
        hold = partial(self._hold_file, zoo.manifest_sha256, zoo.manifest)
        with ThreadPoolExecutor(self._objects.parallel) as executor:
            for descriptor in executor.map(hold, zoo.manifest.files):
                os.close(descriptor)

    def delete(self, manifest_sha256: str) -> None:
        """Remove a zoo, and every object that no other zoo needs. Must not run while a zoo is being stored."""
        try:
            mine = self._manifest_files(manifest_sha256)
        except ObjectMissingError:
            return
        self._objects.remove(_manifest(manifest_sha256))
        names = [name.removeprefix(_ZOOS).removesuffix(".json") for name in self._objects.names(_ZOOS)]
        others = {file.sha256 for name in names for file in self._manifest_files(name).values()}
        for sha256 in {file.sha256 for file in mine.values()} - others:
            self._objects.remove(_file(sha256))
        with self._guard:
            self._zoos.pop(manifest_sha256, None)
            self._truths.pop(manifest_sha256, None)
        self._cache.forget(manifest_sha256)

    def _manifest_files(self, manifest_sha256: str) -> Mapping[str, FileDigest]:
        name = _manifest(manifest_sha256)
        return parse(ZooManifest, self._objects.read(name), Path(self._objects.address(name))).files

    def _hold_file(self, zoo: str, manifest: ZooManifest, name: str) -> int:
        digest = manifest.files.get(name)
        if digest is None:
            raise ZooStoreError(f"{self._cache.folder_of(zoo)}: the zoo has no file {name}")
        return self._cache.hold(Wanted(zoo, name, digest.sha256, digest.bytes, _file(digest.sha256)))


def _file(sha256: str) -> str:
    return f"{_FILES}{sha256[:2]}/{sha256}"


def _manifest(sha256: str) -> str:
    return f"{_ZOOS}{sha256}.json"


def _json_files(manifest: ZooManifest) -> list[str]:
    return [name for name in JSON_FILES if name == MANIFEST or name in manifest.files]


def _remember(kept: OrderedDict[str, T], key: str, value: T, limit: int) -> None:
    kept[key] = value
    kept.move_to_end(key)
    while len(kept) > limit:
        kept.popitem(last=False)
