"""A machine's cache of zoo files: never a wrong byte, never above its limit for long, shared without a word."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_zoo import Zoo
from tests.buckets import Bucket
from tests.model_zoo.store.stores import Place, object_of
from tests.services import wait_until

TEMPORARY = Path(tempfile.gettempdir()).stat().st_dev
DISKS = [path for path in (Path("/dev/shm"), Path("/var/tmp")) if path.is_dir() and path.stat().st_dev != TEMPORARY]
needs_another_disk = pytest.mark.skipif(not DISKS, reason="needs a second file system, /dev/shm or /var/tmp")

# A process of its own: opens the zoo and brings all of it into the cache; argv: url, endpoint, cache, bytes, sha256.
FETCH = """
import sys
from pathlib import Path
from model_zoo.store import ZooStore
url, endpoint, cache, cache_bytes, sha256 = sys.argv[1:]
store = ZooStore(url, Path(cache), int(cache_bytes), endpoint=endpoint)
store.fetch_all(store.open(sha256))
"""
# The same, where no file may grow beyond 4 KiB: the kernel ends the process in the middle of a file ...
KILLED = "import resource, signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_DFL)\n" + (
    "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n" + FETCH
)
# ... or, as a full disk does, refuses to write on.
FULL = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n" + FETCH


@pytest.fixture
def another_disk() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=DISKS[0], prefix="gengap-tests-") as folder:
        yield Path(folder)


@pytest.fixture
def remote(bucket: Bucket, tiny_zoo: Path, tmp_path: Path) -> tuple[Place, str]:
    """A bucket with the tiny zoo, and the zoo's sha256."""
    place = Place.s3(bucket, tmp_path / "cache")
    return place, place.store(cache=tmp_path / "sender").put(tiny_zoo)


def name_of(zoo: Zoo, path: Path) -> str:
    return path.relative_to(zoo.folder).as_posix()


def weights(zoo: Zoo) -> list[str]:
    return [name_of(zoo, network.weights) for network in zoo.networks]


def cached(zoo: Zoo) -> set[str]:
    """The files of the zoo in the cache, but the JSON ones, which stay."""
    return {name_of(zoo, path) for path in zoo.folder.rglob("*.safetensors")}


def run(program: str, place: Place, sha256: str, cache_bytes: int = 2**30) -> "subprocess.Popen[str]":
    arguments = [place.url, place.endpoint, str(place.cache), str(cache_bytes), sha256]
    return subprocess.Popen([sys.executable, "-c", program, *arguments], stderr=subprocess.PIPE, text=True)


def truncate(path: Path) -> None:
    path.chmod(0o600)
    os.truncate(path, path.stat().st_size // 2)


def flip(path: Path) -> None:
    """Another last byte, the same size, the same times: what a failing disk does."""
    before = path.stat()
    path.chmod(0o600)
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def replace(path: Path) -> None:
    path.unlink()
    path.write_bytes(b"something else")


DAMAGES: dict[str, Callable[[Path], None]] = {
    "truncate": truncate,
    "flip": flip,
    "replace": replace,
    "remove": Path.unlink,
}


@pytest.mark.parametrize("damage", [truncate, replace])
def test_a_damaged_file_is_fetched_again_by_whoever_has_verified_it_before(
    remote: tuple[Place, str], tiny_zoo: Path, damage: Callable[[Path], None]
) -> None:
    place, sha256 = remote
    store = place.store()
    zoo = store.open(sha256)
    store.fetch_all(zoo)
    for name in weights(zoo)[:2]:
        damage(zoo.folder / name)
    for name in weights(zoo)[:3]:
        with store.fetched(zoo, [name]):
            assert (zoo.folder / name).read_bytes() == (tiny_zoo / name).read_bytes()


@pytest.mark.parametrize("damage", [truncate, flip, replace])
def test_a_damaged_file_is_fetched_again_by_the_next_process(
    remote: tuple[Place, str], tiny_zoo: Path, damage: Callable[[Path], None]
) -> None:
    place, sha256 = remote
    store = place.store()
    zoo = store.open(sha256)
    store.fetch_all(zoo)
    for path in zoo.folder.rglob("*.*"):
        if path.is_file():
            damage(path)
    following = place.store()
    following.fetch_all(following.open(sha256))
    following.open(sha256).verify()
    assert following.truth(sha256) == store.truth(sha256)


def test_a_file_that_is_there_and_right_is_not_fetched_again(remote: tuple[Place, str]) -> None:
    place, sha256 = remote
    store = place.store()
    zoo = store.open(sha256)
    store.fetch_all(zoo)
    for name in place.content.names():
        place.content.remove(name)
    for seen in (store, place.store()):
        seen.fetch_all(seen.open(sha256))


def test_the_cache_keeps_its_limit_and_lets_go_of_what_was_not_used_for_longest(remote: tuple[Place, str]) -> None:
    place, sha256 = remote
    names = weights(place.store().open(sha256))
    sizes = {name: place.store().open(sha256).manifest.files[name].bytes for name in names}
    store = place.store(cache_bytes=sum(sizes[name] for name in names[:3]))
    zoo = store.open(sha256)
    for name in (*names[:3], names[0]):
        with store.fetched(zoo, [name]):
            assert sum(sizes[name] for name in cached(zoo)) <= sum(sizes[name] for name in names[:3])
    assert cached(zoo) == set(names[:3])
    with store.fetched(zoo, [names[3]]):
        assert {names[0], names[3]} <= cached(zoo)
        assert names[1] not in cached(zoo)


def test_a_file_in_use_stays_whatever_others_fetch(remote: tuple[Place, str], tiny_zoo: Path) -> None:
    place, sha256 = remote
    user, other = place.store(cache_bytes=1), place.store(cache_bytes=1)
    zoo = user.open(sha256)
    first, *rest = weights(zoo)
    with user.fetched(zoo, [first]):
        for name in rest:
            with other.fetched(other.open(sha256), [name]):
                assert (zoo.folder / first).read_bytes() == (tiny_zoo / first).read_bytes()
    assert cached(zoo) <= {first, rest[-1]}
    with other.fetched(zoo, [rest[0]]):
        assert cached(zoo) == {rest[0]}


def test_a_whole_zoo_in_use_stays_too(remote: tuple[Place, str]) -> None:
    place, sha256 = remote
    user, other = place.store(), place.store(cache_bytes=1)
    zoo = user.open(sha256)
    with user.fetched(zoo):
        everything = cached(zoo)
        (zoo.folder / weights(zoo)[0]).unlink()
        with other.fetched(other.open(sha256), weights(zoo)[:1]):
            pass
        assert cached(zoo) == everything
    (zoo.folder / weights(zoo)[0]).unlink()
    with other.fetched(zoo, weights(zoo)[:1]):
        assert cached(zoo) == {weights(zoo)[0]}


def test_a_zoo_larger_than_the_cache_works_network_by_network(remote: tuple[Place, str], tiny_zoo: Path) -> None:
    place, sha256 = remote
    store = place.store(cache_bytes=8_000)
    zoo = store.open(sha256)
    assert sum(zoo.manifest.files[name].bytes for name in weights(zoo)) > 8_000
    for name in (*weights(zoo), *weights(zoo)):
        with store.fetched(zoo, [name]):
            assert (zoo.folder / name).read_bytes() == (tiny_zoo / name).read_bytes()
            assert sum((zoo.folder / name).stat().st_size for name in cached(zoo)) <= 8_000


def test_processes_that_fill_the_cache_at_once_get_the_right_files(remote: tuple[Place, str]) -> None:
    place, sha256 = remote
    fillers = [run(FETCH, place, sha256, cache_bytes) for cache_bytes in (2**30, 2**30, 6_000)]
    told = [filler.communicate()[1] for filler in fillers]
    assert [filler.returncode for filler in fillers] == [0, 0, 0], told
    store = place.store()
    zoo = store.open(sha256)
    store.fetch_all(zoo)
    zoo.verify()
    assert list((place.cache / ".parts").iterdir()) == []


def test_a_process_killed_in_the_middle_of_a_file_leaves_none(remote: tuple[Place, str]) -> None:
    place, sha256 = remote
    killed = run(KILLED, place, sha256)
    assert killed.communicate()[1] == ""
    assert killed.returncode == -signal.SIGXFSZ
    assert 4096 in [path.stat().st_size for path in (place.cache / ".parts").iterdir()]
    present = [path for path in (place.cache / sha256).rglob("*") if path.is_file()]
    store = place.store()
    zoo = store.open(sha256)
    sizes = {path: zoo.manifest.files[name_of(zoo, path)].bytes for path in present if path.name != "zoo.json"}
    assert sizes
    assert {path: path.stat().st_size for path in sizes} == sizes
    store.fetch_all(zoo)
    zoo.verify()
    assert list((place.cache / ".parts").iterdir()) == []


def test_a_full_disk_is_told_and_leaves_nothing_halfway(remote: tuple[Place, str]) -> None:
    place, sha256 = remote
    refused = run(FULL, place, sha256)
    told = refused.communicate()[1]
    assert refused.returncode == 1
    assert "cannot be fetched into the cache: File too large; make room there" in told.splitlines()[-1]
    assert list((place.cache / ".parts").iterdir()) == []


@needs_another_disk
def test_a_full_cache_disk_lets_go_of_what_is_not_in_use(tmp_path: Path, tiny_zoo: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs to mount a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "none", str(disk)], check=True)
    try:
        place = Place.local(tmp_path / "store", disk / "cache")
        store = place.store()  # far more than the disk has
        zoo = store.open(store.put(tiny_zoo))
        (disk / "filler").write_bytes(bytes(shutil.disk_usage(disk).free - 24 * 1024))
        for name in weights(zoo):
            with store.fetched(zoo, [name]):
                assert (zoo.folder / name).read_bytes() == (tiny_zoo / name).read_bytes()
    finally:
        wait_until(lambda: subprocess.run(["umount", str(disk)], check=False).returncode == 0, "the disk to be free")


def test_beside_a_local_store_the_cache_takes_no_room(tiny_zoo: Path, tmp_path: Path) -> None:
    place = Place.local(tmp_path / "store", tmp_path / "cache")
    store = place.store(cache_bytes=1)
    zoo = store.open(store.put(tiny_zoo))
    store.fetch_all(zoo)
    for name, digest in zoo.manifest.files.items():
        stored = tmp_path / "store" / object_of(digest.sha256)
        assert (zoo.folder / name).samefile(stored)


def test_links_whose_store_is_gone_count_and_go(remote: tuple[Place, str], other_zoo: Path, tmp_path: Path) -> None:
    place, sha256 = remote
    beside = Place.local(tmp_path / "store", place.cache).store()
    other = beside.open(beside.put(other_zoo))
    beside.fetch_all(other)
    shutil.rmtree(tmp_path / "store")
    store = place.store(cache_bytes=1)
    zoo = store.open(sha256)
    with store.fetched(zoo, weights(zoo)[:1]):
        assert cached(other) == set()


@needs_another_disk
@given(
    acts=st.lists(
        st.tuples(st.sampled_from(["fetch", "restart", *DAMAGES]), st.integers(0, 7)),
        max_size=25,
    )
)
@settings(max_examples=25)
def test_whatever_happens_to_the_cache_a_fetched_file_is_right(tiny_zoo: Path, acts: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory(dir=DISKS[0]) as cache:
        place = Place.local(Path(folder), Path(cache))
        limit = 10_000
        store = place.store(limit)
        sha256 = store.put(tiny_zoo)
        zoo = store.open(sha256)
        for act, index in acts:
            name = weights(zoo)[index]
            path = zoo.folder / name
            if act == "restart":
                store = place.store(limit)
                zoo = store.open(sha256)
            elif act == "fetch":
                with store.fetched(zoo, [name]):
                    assert path.read_bytes() == (tiny_zoo / name).read_bytes()
                    assert sum((zoo.folder / one).stat().st_size for one in cached(zoo)) <= limit
            elif path.exists():
                DAMAGES[act](path)
                if act == "flip":  # only another process looks at the bytes of a file that looks as before
                    store = place.store(limit)
