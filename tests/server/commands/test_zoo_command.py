"""`gengap zoo`: what it prints for people, and for scripts on stdout alone."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from model_zoo.recipes import RECIPES
from server.commands.zoo.zoo import command


def test_make_prints_the_folder_alone_on_stdout(digits_cnn: Path) -> None:
    arguments = ["zoo", "make", "digits-cnn", "--cache", str(digits_cnn.parent)]
    done = subprocess.run([sys.executable, "-m", "server.cli", *arguments], capture_output=True, text=True, check=True)
    assert done.stdout == f"{digits_cnn}\n"


def test_make_refuses_an_unknown_recipe(tmp_path: Path) -> None:
    result = CliRunner().invoke(command, ["make", "digits", "--cache", str(tmp_path)])
    assert result.exit_code == 2
    assert f"'digits' is not one of {', '.join(map(repr, RECIPES))}" in result.stderr


def test_list_names_every_recipe_and_where_it_is_trained(digits_cnn: Path, tmp_path: Path) -> None:
    wide = {"COLUMNS": "300"}
    here = CliRunner().invoke(command, ["list", "--cache", str(digits_cnn.parent)], env=wide)
    assert here.exit_code == 0
    assert str(digits_cnn) in here.stdout
    nowhere = CliRunner().invoke(command, ["list", "--cache", str(tmp_path)], env=wide)
    for name in RECIPES:
        assert re.search(rf"not trained yet: gengap zoo (make {name} |train {name} --data DIR)", nowhere.stdout)
    assert re.search(r"siblings .* digits .* 48 \+ 48 siblings .* width, depth", nowhere.stdout)
    assert re.search(r"pgdl-task1 .* cifar-10 .* 96 .* with the files of cifar-10", nowhere.stdout)


def test_show_tells_networks_axes_and_gaps(tiny_zoo: Path) -> None:
    result = CliRunner().invoke(command, ["show", str(tiny_zoo)], env={"COLUMNS": "300"})
    assert result.exit_code == 0
    truth = json.loads((tiny_zoo / "private" / "truth.json").read_text())["networks"].values()
    gaps = [network["metrics"]["train_acc"] - network["metrics"]["test_acc"] for network in truth]
    for expected in ("tiny: The tiny zoo", "width", "scale", f"{min(gaps):.4f}", f"{sum(gaps) / len(gaps):.4f}"):
        assert expected in result.stdout


def test_show_of_a_public_part_says_that_the_truth_is_not_here(tiny_zoo: Path, tmp_path: Path) -> None:
    folder = tmp_path / "zoo"
    shutil.copytree(tiny_zoo, folder, ignore=shutil.ignore_patterns("private"))
    manifest = json.loads((folder / "zoo.json").read_text())
    del manifest["files"]["private/truth.json"]
    (folder / "zoo.json").write_text(json.dumps(manifest))
    result = CliRunner().invoke(command, ["show", str(folder)])
    assert result.exit_code == 0
    assert "Only the public part of this zoo is here" in result.stdout


def test_show_of_what_is_no_zoo_is_wrong_usage(tmp_path: Path) -> None:
    for name in (str(tmp_path), "nothing-of-that-name"):
        result = CliRunner().invoke(command, ["show", name])
        assert result.exit_code == 2
        assert name in result.stderr
        assert "Traceback" not in result.stderr
