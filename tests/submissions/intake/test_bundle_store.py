import hashlib
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from submissions.intake.bundle_store import BundleStore, StoreError


@pytest.fixture
def store(tmp_path: Path) -> BundleStore:
    return BundleStore(tmp_path / "store")


def files_of(store: BundleStore) -> list[Path]:
    return [path for path in store.folder.rglob("*") if path.is_file()]


def test_what_was_put_comes_back_under_its_sha256(store: BundleStore) -> None:
    digest = store.put(b"def complexity(): ...")
    assert digest == hashlib.sha256(b"def complexity(): ...").hexdigest()
    assert store.get(digest) == b"def complexity(): ..."


@given(st.lists(st.binary(max_size=100)))
def test_the_same_content_is_kept_once(tmp_path_factory: pytest.TempPathFactory, contents: list[bytes]) -> None:
    store = BundleStore(tmp_path_factory.mktemp("store"))
    digests = [store.put(content) for content in contents]
    assert [store.get(digest) for digest in digests] == contents
    assert len(files_of(store)) == len(set(contents))


def test_files_and_folders_are_their_owners_alone(store: BundleStore) -> None:
    digest = store.put(b"a")
    file = store.folder / digest[:2] / digest
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_many_threads_putting_the_same_content_leave_one_whole_file(store: BundleStore) -> None:
    content = b"x" * 100_000
    with ThreadPoolExecutor(8) as pool:
        digests = set(pool.map(store.put, [content] * 32))
    assert len(digests) == 1
    assert store.get(digests.pop()) == content
    assert len(files_of(store)) == 1


def test_a_missing_upload_is_an_error_that_names_it(store: BundleStore) -> None:
    with pytest.raises(StoreError, match="f" * 64):
        store.get("f" * 64)


@pytest.mark.parametrize("digest", ["", "../../etc/passwd", "F" * 64, "f" * 63, "f" * 64 + "\n"])
def test_only_a_sha256_is_looked_up(store: BundleStore, digest: str) -> None:
    with pytest.raises(StoreError, match="is not a sha256"):
        store.get(digest)


def test_a_damaged_file_is_noticed_and_the_next_put_mends_it(store: BundleStore) -> None:
    digest = store.put(b"whole")
    files_of(store)[0].write_bytes(b"who")
    with pytest.raises(StoreError, match="damaged"):
        store.get(digest)
    assert store.put(b"whole") == digest
    assert store.get(digest) == b"whole"


def test_a_store_that_cannot_be_written_says_where_and_leaves_no_temporary_file(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file where the folder should be")
    with pytest.raises(StoreError, match="could not be stored"):
        BundleStore(tmp_path / "store").put(b"a")
    assert [path.name for path in tmp_path.iterdir()] == ["store"]
