"""The zoo store on both of its backends: what goes in comes out, whole or not at all; damage is told by name."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from model_zoo import ZooError, open_zoo
from model_zoo.manifest import TRAINING_DATA
from model_zoo.store import ZooStore, ZooStoreError
from model_zoo.store.objects import FIXED_TIME
from model_zoo.store.schemes.s3 import PART_BYTES
from tests.buckets import Bucket
from tests.factories import make_tiny_zoo
from tests.model_zoo.store.stores import ROOMY, Place, object_of


@pytest.fixture(params=["local", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "local":
        return Place.local(tmp_path / "store", tmp_path / "cache")
    return Place.s3(request.getfixturevalue("bucket"), tmp_path / "cache")


@pytest.fixture
def own_zoo(tiny_zoo: Path, tmp_path: Path) -> Path:
    """A copy of the tiny zoo that a test may spoil."""
    return Path(shutil.copytree(tiny_zoo, tmp_path / "own"))


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_zoo_comes_out_as_it_went_in(place: Place, tiny_zoo: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int, str]] = []
    digest = place.store().put(tiny_zoo, watch=lambda *step: told.append(step))
    assert digest == open_zoo(tiny_zoo).manifest_sha256
    elsewhere = place.store(cache=tmp_path / "another machine")
    assert elsewhere.has(digest)
    zoo = elsewhere.open(digest)
    assert zoo.truth() == elsewhere.truth(digest) == open_zoo(tiny_zoo).truth()
    assert [network.id for network in zoo.networks] == [network.id for network in open_zoo(tiny_zoo).networks]
    elsewhere.fetch_all(zoo)
    open_zoo(zoo.folder).verify()
    assert files_of(zoo.folder) == files_of(tiny_zoo)
    done, totals, texts = zip(*told, strict=True)
    assert list(done) == sorted(done)
    assert set(totals) == {done[-1]}
    assert all(text.startswith("storing ") for text in texts)


def test_only_the_json_files_come_with_opening(place: Place, tiny_zoo: Path) -> None:
    store = place.store()
    zoo = store.open(store.put(tiny_zoo))
    assert set(files_of(zoo.folder)) == {"zoo.json", "public/networks.json", "private/truth.json"}
    network = zoo.networks[0].weights.relative_to(zoo.folder).as_posix()
    with store.fetched(zoo, [network]):
        assert zoo.networks[0].weights.read_bytes() == (tiny_zoo / network).read_bytes()
    assert len(files_of(zoo.folder)) == 4


def test_objects_are_named_by_their_content_and_the_manifest_by_its_own(place: Place, tiny_zoo: Path) -> None:
    digest = place.store().put(tiny_zoo)
    names = place.content.names()
    assert f"zoos/{digest}.json" in names
    for name in names:
        sha256 = hashlib.sha256(place.content.read(name)).hexdigest()
        assert name in (f"zoos/{sha256}.json", object_of(sha256))


def test_nothing_of_a_stored_file_tells_when_it_was_made(place: Place, tiny_zoo: Path) -> None:
    store = place.store()
    zoo = store.open(store.put(tiny_zoo))
    store.fetch_all(zoo)
    files = [path for path in zoo.folder.rglob("*") if path.is_file()]
    assert {(path.stat().st_mtime, path.stat().st_mode & 0o777) for path in files} == {(FIXED_TIME, 0o444)}


def test_a_zoo_that_was_put_in_halfway_goes_on_where_it_stopped(place: Place, tiny_zoo: Path) -> None:
    digest = place.store().put(tiny_zoo)
    before = {name: place.content.read(name) for name in place.content.names()}
    first, second = sorted(name for name in before if name.startswith("files/"))[:2]
    place.content.remove(f"zoos/{digest}.json")
    place.content.remove(first)
    spoilt = bytes(len(before[second]))
    place.content.write(second, spoilt)
    assert not place.store().has(digest)
    assert place.store().put(tiny_zoo) == digest
    after = {name: place.content.read(name) for name in place.content.names()}
    is_local = not place.endpoint
    # Sending again would cost a remote store as much as looking, so there the same size is enough.
    assert after == (before if is_local else before | {second: spoilt})


@pytest.mark.parametrize("large", [False, True])
def test_a_file_that_changed_is_named_and_nothing_of_it_is_kept(place: Place, own_zoo: Path, large: bool) -> None:
    if large:  # goes to S3 in parts
        write_large(own_zoo, TRAINING_DATA, PART_BYTES + 2**20)
    spoil(own_zoo / TRAINING_DATA)
    wanted = open_zoo(own_zoo).manifest.files[TRAINING_DATA]
    with pytest.raises(ZooStoreError, match=r"train\.safetensors: changed while it was stored"):
        place.store().put(own_zoo)
    assert object_of(wanted.sha256) not in place.content.names()
    assert not place.store().has(open_zoo(own_zoo).manifest_sha256)


def test_a_file_of_many_parts_arrives(place: Place, own_zoo: Path) -> None:
    write_large(own_zoo, TRAINING_DATA, 2 * PART_BYTES + 1)
    store = place.store()
    zoo = store.open(store.put(own_zoo))
    with store.fetched(zoo, [TRAINING_DATA]):
        assert zoo.training_file.read_bytes() == (own_zoo / TRAINING_DATA).read_bytes()


def test_a_folder_that_is_no_zoo_is_refused(place: Place, tmp_path: Path) -> None:
    with pytest.raises(ZooError, match="not a zoo folder"):
        place.store().put(tmp_path)


def test_a_zoo_that_is_not_there_is_told(place: Place) -> None:
    assert not place.store().has("0" * 64)
    with pytest.raises(ZooStoreError, match=f"zoos/{'0' * 64}.json: not in the store"):
        place.store().open("0" * 64)


@pytest.mark.parametrize("damage", ["missing", "changed", "shorter"])
def test_a_damaged_object_is_named_and_never_served(place: Place, tiny_zoo: Path, damage: str) -> None:
    store = place.store()
    zoo = store.open(store.put(tiny_zoo))
    name = zoo.networks[0].weights.relative_to(zoo.folder).as_posix()
    stored = object_of(zoo.manifest.files[name].sha256)
    content = place.content.read(stored)
    if damage == "missing":
        place.content.remove(stored)
    else:
        place.content.write(stored, content[:-7] if damage == "shorter" else content[:-1] + b"?")
    told = "not in the store" if damage == "missing" else "damaged in the store"
    with pytest.raises(ZooStoreError, match=f"{stored}: {told}"), store.fetched(zoo, [name]):
        raise AssertionError("it was served")
    assert not (zoo.folder / name).exists()
    if damage != "missing":
        place.content.remove(stored)
    assert place.store().put(tiny_zoo) == zoo.manifest_sha256
    with store.fetched(zoo, [name]):
        assert (zoo.folder / name).read_bytes() == content


def test_a_damaged_manifest_is_named(place: Place, tiny_zoo: Path) -> None:
    digest = place.store().put(tiny_zoo)
    place.content.write(f"zoos/{digest}.json", b"{}")
    with pytest.raises(ZooStoreError, match=f"zoos/{digest}.json: damaged in the store"):
        place.store().open(digest)


def test_a_file_that_the_zoo_does_not_have_is_told(place: Place, tiny_zoo: Path) -> None:
    store = place.store()
    zoo = store.open(store.put(tiny_zoo))
    with pytest.raises(ZooStoreError, match="no file public/other"), store.fetched(zoo, ["public/other"]):
        pass


def test_deleting_a_zoo_keeps_what_another_one_shares(place: Place, tiny_zoo: Path, tmp_path: Path) -> None:
    store = place.store()
    sibling = make_tiny_zoo(tmp_path / "sibling", "sibling")  # the same networks and data under another name
    kept, deleted = store.put(tiny_zoo), store.put(sibling)
    both = place.content.names()
    store.open(deleted)
    store.delete(deleted)
    store.delete(deleted)
    assert not store.has(deleted)
    assert f"zoos/{deleted}.json" in both - place.content.names()
    with pytest.raises(ZooStoreError, match="not in the store"):
        store.open(deleted)
    elsewhere = place.store(cache=tmp_path / "another machine")
    elsewhere.fetch_all(elsewhere.open(kept))
    store.delete(kept)
    assert place.content.names() == set()


def test_a_probe_leaves_nothing(place: Place, tiny_zoo: Path) -> None:
    store = place.store()
    store.probe()
    assert place.content.names() == set()
    store.put(tiny_zoo)
    before = place.content.names()
    store.probe()
    assert place.content.names() == before


def test_a_probe_tells_of_a_store_that_cannot_be_written(bucket: Bucket, tmp_path: Path) -> None:
    with pytest.raises(ZooStoreError, match=r"no-such-bucket/probe-\w+: cannot be written: .*look at the store"):
        ZooStore("s3://no-such-bucket", tmp_path / "cache", ROOMY, endpoint=bucket.address).probe()
    (tmp_path / "store").write_text("a file")
    with pytest.raises(ZooStoreError, match=rf"{tmp_path}/store/probe-\w+: cannot be written"):
        ZooStore(str(tmp_path / "store"), tmp_path / "cache", ROOMY).probe()


def test_a_service_that_does_not_answer_is_told(bucket: Bucket, tiny_zoo: Path, tmp_path: Path) -> None:
    store = ZooStore(bucket.url, tmp_path / "cache", ROOMY, endpoint="http://127.0.0.1:9")  # where nobody listens
    with pytest.raises(ZooStoreError, match=rf"{bucket.url}/files/.*look at the store and its settings"):
        store.put(tiny_zoo)


def test_a_bucket_that_is_not_there_is_told(bucket: Bucket, tiny_zoo: Path, tmp_path: Path) -> None:
    store = ZooStore("s3://no-such-bucket", tmp_path / "cache", ROOMY, endpoint=bucket.address)
    with pytest.raises(ZooStoreError, match="s3://no-such-bucket/"):
        store.put(tiny_zoo)


def spoil(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def write_large(zoo: Path, name: str, size: int) -> None:
    """Give the zoo a file of another content, and its manifest the new digest."""
    content = np.random.default_rng(1).bytes(size)
    (zoo / name).write_bytes(content)
    manifest = json.loads((zoo / "zoo.json").read_text())
    manifest["files"][name] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": size}
    (zoo / "zoo.json").write_text(json.dumps(manifest))
