"""`gengap zoo train` makes a zoo folder of a recipe file, and says what is wrong with a recipe."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from model_zoo import open_zoo
from model_zoo.recipes.keys import read_key
from server.cli import main
from tests.model_zoo.training.test_resume import TINY
from tests.model_zoo.written_keys import shows_key


def test_a_recipe_file_becomes_a_zoo_that_is_never_overwritten(tmp_path: Path) -> None:
    recipe = tmp_path / "own.toml"
    recipe.write_text(TINY)
    arguments = ["zoo", "train", str(recipe), "--out", str(tmp_path / "zoo"), "--jobs", "1"]
    first = CliRunner().invoke(main, arguments)
    assert first.exit_code == 0, first.output
    assert first.stdout.strip() == str(tmp_path / "zoo")
    zoo = open_zoo(tmp_path / "zoo")
    zoo.verify()
    assert zoo.manifest.targets == ["gap", "loss_gap"]
    assert "4/4 networks" in first.stderr
    again = CliRunner().invoke(main, arguments)
    assert again.exit_code == 2
    assert "exists already" in again.stderr


@pytest.mark.thorough
def test_a_hidden_zoo_is_made_again_with_its_key_and_a_recipe_with_a_seed_is_refused(tmp_path: Path) -> None:
    recipe = tmp_path / "own.toml"
    recipe.write_text(f"truth_public = false\n{TINY}")
    refused = CliRunner().invoke(main, ["zoo", "train", str(recipe), "--out", str(tmp_path / "zoo")])
    assert refused.exit_code == 2
    assert f"{recipe}: a recipe with truth_public = false must have no seed" in refused.stderr
    recipe.write_text(recipe.read_text().replace("seed = 3\n", ""))
    arguments = ["zoo", "train", str(recipe), "--jobs", "1"]
    first = CliRunner().invoke(main, [*arguments, "--out", str(tmp_path / "zoo")])
    assert first.exit_code == 0, first.output
    key = tmp_path / "zoo" / "private" / "key.json"
    again = CliRunner().invoke(main, [*arguments, "--out", str(tmp_path / "again"), "--key", str(key)])
    assert again.exit_code == 0, again.output
    assert not shows_key(f"{first.output}{again.output}".encode(), read_key(key))
    assert open_zoo(tmp_path / "zoo").manifest_sha256 == open_zoo(tmp_path / "again").manifest_sha256
    (tmp_path / "short").write_text("12ab")
    short = CliRunner().invoke(main, [*arguments, "--out", str(tmp_path / "b"), "--key", str(tmp_path / "short")])
    assert short.exit_code == 2
    assert "not a key (4 characters" in short.stderr


def test_without_a_gpu_the_device_cuda_is_refused(tmp_path: Path) -> None:
    recipe = tmp_path / "own.toml"
    recipe.write_text(TINY)
    told = CliRunner().invoke(main, ["zoo", "train", str(recipe), "--out", str(tmp_path / "zoo"), "--device", "cuda"])
    assert told.exit_code == 2
    assert told.stderr.splitlines()[-1].endswith("install torch for CUDA")
    assert "--device cuda: torch finds no GPU here; leave the option out" in told.stderr
    assert list(tmp_path.iterdir()) == [recipe]
    unknown = CliRunner().invoke(main, ["zoo", "train", str(recipe), "--device", "tpu"])
    assert unknown.exit_code == 2
    assert "'tpu' is not one of 'cpu', 'cuda'" in unknown.stderr


def test_a_recipe_that_is_not_known_is_told() -> None:
    told = CliRunner().invoke(main, ["zoo", "train", "digit"])
    assert told.exit_code == 2
    assert "there is no recipe 'digit'; known are" in told.stderr
