"""`gengap zoo train` makes a zoo folder of a recipe file, and says what is wrong with a recipe."""

from pathlib import Path

from click.testing import CliRunner

from model_zoo import open_zoo
from server.cli import main
from tests.model_zoo.training.test_resume import TINY


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
