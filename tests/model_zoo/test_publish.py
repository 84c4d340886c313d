"""A published zoo is a zoo with its public part alone; what is hidden leaves only when it is asked for by name."""

import json
import stat
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from model_zoo import Zoo, ZooError, open_zoo
from model_zoo.publish import publish
from model_zoo.zoo import sha256_of
from server.commands.zoo.zoo import command
from tests.factories import make_tiny_zoo
from tests.model_zoo.whole import make_whole_zoo


@pytest.fixture
def whole(tmp_path: Path) -> Zoo:
    """A zoo with everything a zoo may have, its truth public."""
    return open_zoo(make_whole_zoo(tmp_path / "whole", truth_public=True))


@pytest.fixture
def hidden(tmp_path: Path) -> Zoo:
    """The same with a hidden truth."""
    return open_zoo(make_whole_zoo(tmp_path / "hidden", truth_public=False))


def unpacked(archive: Path, folder: Path) -> Zoo:
    with zipfile.ZipFile(archive) as file:
        assert file.testzip() is None
        file.extractall(folder)
    (top,) = folder.iterdir()
    return open_zoo(top)


def names_below(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", ["out", "out.zip", "OUT.ZIP"])
def test_the_public_part_is_a_zoo_without_truth_and_test_data(whole: Zoo, tmp_path: Path, name: str) -> None:
    out = publish(whole, tmp_path / "new" / name)
    zoo = unpacked(out, tmp_path / "unpacked") if out.is_file() else open_zoo(out)
    zoo.verify()
    assert names_below(zoo.folder) == {"zoo.json", *(n for n in whole.manifest.files if n.startswith("public/"))}
    assert not zoo.has_truth
    assert zoo.test_file is None
    assert [entry.id for entry in zoo.networks] == [entry.id for entry in whole.networks]
    assert dict(zoo.manifest) | {"files": None} == dict(whole.manifest) | {"files": None}
    assert zoo.manifest.files == {n: d for n, d in whole.manifest.files.items() if n.startswith("public/")}
    for entry in whole.networks:
        assert zoo.network(entry.id).siblings != ()
        assert [epoch for epoch, _ in zoo.network(entry.id).trajectory] == [0.5, 4.0]
        for (_, ours), (_, theirs) in zip(zoo.network(entry.id).trajectory, entry.trajectory, strict=True):
            assert sha256_of(ours) == sha256_of(theirs)
        assert sha256_of(zoo.network(entry.id).weights) == sha256_of(entry.weights)


@pytest.mark.parametrize("name", ["out", "out.zip"])
def test_with_truth_and_test_data_the_whole_zoo_is_published(hidden: Zoo, tmp_path: Path, name: str) -> None:
    out = publish(hidden, tmp_path / name, with_truth=True, with_test=True)
    zoo = unpacked(out, tmp_path / "unpacked") if out.is_file() else open_zoo(out)
    zoo.verify()
    assert zoo.manifest == hidden.manifest
    assert zoo.truth() == hidden.truth()


def test_the_recipe_of_a_hidden_zoo_is_hidden_too(hidden: Zoo, tmp_path: Path) -> None:
    assert hidden.manifest.recipe is not None
    assert open_zoo(publish(hidden, tmp_path / "out")).manifest.recipe is None


def test_test_data_of_a_hidden_zoo_are_not_published_without_its_truth(hidden: Zoo, tmp_path: Path) -> None:
    with pytest.raises(ZooError, match="anybody with them can compute every gap"):
        publish(hidden, tmp_path / "out", with_test=True)
    assert not (tmp_path / "out").exists()


def test_test_data_of_a_public_zoo_may_go_alone(whole: Zoo, tmp_path: Path) -> None:
    zoo = open_zoo(publish(whole, tmp_path / "out", with_test=True))
    assert zoo.test_file is not None
    assert not zoo.has_truth


def test_what_a_zoo_does_not_carry_is_told(tiny_zoo: Path, whole: Zoo, tmp_path: Path) -> None:
    with pytest.raises(ZooError, match=r"carries no private/test\.safetensors"):
        publish(open_zoo(tiny_zoo), tmp_path / "out", with_test=True)
    public = open_zoo(publish(whole, tmp_path / "public"))
    with pytest.raises(ZooError, match=r"carries no private/truth\.json"):
        publish(public, tmp_path / "out", with_truth=True)
    again = open_zoo(publish(public, tmp_path / "again"))
    assert again.manifest_sha256 == public.manifest_sha256


@pytest.mark.parametrize("name", ["out", "out.zip"])
def test_a_zoo_damaged_on_the_way_leaves_nothing(whole: Zoo, tmp_path: Path, name: str) -> None:
    weights = whole.networks[-1].weights
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    (tmp_path / "there").mkdir()
    with pytest.raises(ZooError, match=rf"{weights.name}: its sha256 is not the one in zoo\.json"):
        publish(whole, tmp_path / "there" / name)
    assert list((tmp_path / "there").iterdir()) == []


@pytest.mark.parametrize("name", ["out", "out.zip"])
def test_nothing_is_written_over(whole: Zoo, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(ZooError, match="exists already"):
        publish(whole, tmp_path / name)
    assert (tmp_path / name).read_text() == "mine"


@pytest.mark.parametrize("name", ["out", "out.zip"])
def test_a_place_that_cannot_be_written_is_told(whole: Zoo, tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ZooError, match="cannot"):
        publish(whole, tmp_path / "file" / name)


def test_an_archive_is_the_same_whenever_it_is_made_and_its_files_are_alike(whole: Zoo, tmp_path: Path) -> None:
    first, second = publish(whole, tmp_path / "1.zip"), publish(whole, tmp_path / "2.zip")
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as archive:
        entries = archive.infolist()
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert {stat.S_IMODE(entry.external_attr >> 16) for entry in entries} == {0o644}
    assert {entry.filename.partition("/")[0] for entry in entries} == {"whole"}


def test_a_published_folders_files_are_alike(whole: Zoo, tmp_path: Path) -> None:
    files = [path for path in publish(whole, tmp_path / "out").rglob("*") if path.is_file()]
    assert len({path.stat().st_mtime_ns for path in files}) == 1
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o644}


def test_the_command_prints_where_it_is_and_warns_of_a_hidden_truth(tmp_path: Path) -> None:
    folder = make_tiny_zoo(tmp_path / "zoo", truth_public=False)
    out = tmp_path / "out.zip"
    result = CliRunner().invoke(command, ["publish", str(folder), "--out", str(out)])
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"{out}\n", "")
    again = CliRunner().invoke(command, ["publish", str(folder), "--out", str(out)])
    assert again.exit_code == 2
    assert "exists already" in again.stderr
    told = CliRunner().invoke(command, ["publish", str(folder), "--out", str(tmp_path / "all"), "--with-truth"])
    assert told.exit_code == 0
    assert "this file contains it" in told.stderr
    truth = json.loads((tmp_path / "all" / "private" / "truth.json").read_text())
    assert truth == open_zoo(folder).truth().model_dump()
