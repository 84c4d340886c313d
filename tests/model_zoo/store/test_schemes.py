"""Kinds of stores are chosen by the scheme of the URL, and a new one is a module in the folder of schemes."""

from pathlib import Path

import pytest

from model_zoo import ZooError, open_zoo
from model_zoo.store import ZooStore, ZooStoreError, schemes
from tests.model_zoo.store import toy_schemes
from tests.model_zoo.store.stores import ROOMY


@pytest.fixture
def _with_toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schemes, "__path__", [*schemes.__path__, *toy_schemes.__path__])


@pytest.mark.usefixtures("_with_toy")
def test_a_module_in_the_folder_is_all_that_a_new_kind_of_store_takes(tiny_zoo: Path, tmp_path: Path) -> None:
    store = ZooStore("toy://shelf", tmp_path / "cache", ROOMY)
    assert store.probe() == "written, read and removed"
    digest = store.put(tiny_zoo)
    elsewhere = ZooStore("toy://shelf", tmp_path / "another machine", ROOMY)
    zoo = elsewhere.open(digest)
    elsewhere.fetch_all(zoo)
    open_zoo(zoo.folder).verify()
    assert not ZooStore("toy://another", tmp_path / "cache", ROOMY).has(digest)
    assert schemes.known_schemes() == ["file", "s3", "toy"]
    assert schemes.settings_of("toy://shelf") == "GENGAP_STORE_URL, which names a shelf"


@pytest.mark.parametrize("url", ["toy://shelf", "gs://bucket/zoos", "HTTP://example.org"])
def test_an_unknown_scheme_is_an_error_that_lists_the_known_ones(url: str, tmp_path: Path) -> None:
    scheme = url.partition(":")[0].lower()
    with pytest.raises(ZooStoreError, match=rf"^{url}: there is no zoo store for {scheme}://; .*file:// or s3://$"):
        ZooStore(url, tmp_path / "cache", ROOMY)


def test_a_folder_may_be_named_by_its_path_or_as_a_url(tiny_zoo: Path, tmp_path: Path) -> None:
    digest = ZooStore(f"file://{tmp_path}/store", tmp_path / "cache", ROOMY).put(tiny_zoo)
    assert ZooStore(str(tmp_path / "store"), tmp_path / "cache", ROOMY).has(digest)


def test_a_folder_that_does_not_exist_is_probed_and_not_made(tmp_path: Path) -> None:
    assert ZooStore(str(tmp_path / "a" / "b"), tmp_path / "cache", ROOMY).probe() == "created at first start"
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(ZooError, match="file/b: cannot be made: Not a directory"):
        ZooStore(str(tmp_path / "file" / "b"), tmp_path / "cache", ROOMY).probe()
