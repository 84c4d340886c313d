"""A training that is killed goes on where it stood, and gives the same bytes as if it had not been."""

import hashlib
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from model_zoo import ZooError, open_zoo
from model_zoo.recipes import Recipe, RecipeAugmentation
from model_zoo.training.batched.course import Course, TrainedNetwork
from model_zoo.training.datasets import load_split
from model_zoo.training.make import train_zoo
from model_zoo.training.plan import grouped, planned_networks
from model_zoo.training.pool import training_set
from model_zoo.training.randomness import randomness_of
from model_zoo.training.training_process import Progress, TrainingOptions, train_in_child
from model_zoo.training.work_folder import WorkFolder, work_folder
from tests.model_zoo.tiny_recipes import TINY_CNN, TINY_MLP

CROPPED = {"augmentation": RecipeAugmentation(crop_padding=1)}
LONG = TINY_CNN.model_copy(update={"training": TINY_CNN.training.model_copy(update={"max_epochs": 400}), **CROPPED})
ONE_AT_A_TIME = TrainingOptions(jobs=1)
GROUP = 4

KILLED = f"""
import os, signal, sys
from pathlib import Path
from model_zoo.recipes import Recipe
from model_zoo.training import pool
from model_zoo.training.make import train_zoo
from model_zoo.training.training_process import TrainingOptions

pool._REPORT_S = 0.0  # in the worker too, which imports this file: it reports every epoch, so the kill comes in time
folder = Path(sys.argv[1])

def watch(progress):
    if progress.done >= {GROUP} and list(folder.parent.glob(".zoo.*.training/*.group")):
        os.kill(os.getpid(), signal.SIGKILL)

recipe = Recipe.model_validate_json(sys.argv[2])
if __name__ == "__main__":
    train_zoo(recipe, folder, watch, TrainingOptions(jobs=1), snapshot_s=0)
"""


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def ignore(_: Progress) -> None:
    pass


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("uninterrupted") / "zoo"
    train_zoo(LONG, folder, ignore)
    return digests(folder)


@dataclass(frozen=True)
class Killed:
    """A training killed while its second group was being trained."""

    zoo: Path
    work: WorkFolder

    @property
    def group_in_training(self) -> int:
        (snapshot,) = self.work.path.glob("*.group")
        return int(snapshot.stem)

    def finished(self) -> dict[Path, int]:
        """The files of finished networks and when they were written."""
        return {path: path.stat().st_mtime_ns for path in self.work.path.glob("*.network")}


@pytest.fixture(scope="module")
def killed_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a killed training leaves in a folder; tests work on copies of it."""
    folder = tmp_path_factory.mktemp("killed")
    script = folder / "killed.py"
    script.write_text(KILLED)
    ended = subprocess.run([sys.executable, script, folder / "zoo", LONG.model_dump_json()], check=False)
    assert ended.returncode == -signal.SIGKILL
    left_work(folder)
    return folder


def left_work(folder: Path) -> WorkFolder:
    """The work folder of the zoo there, once no process works in it any more."""
    (path,) = folder.glob(".zoo.*.training")
    _, _, digest, _ = path.name.split(".")
    with pytest.raises(InterruptedError), work_folder(folder / "zoo", digest) as work:
        raise InterruptedError  # waited for its process and leaves everything as it is
    return work


@pytest.fixture
def killed(killed_folder: Path, tmp_path: Path) -> Killed:
    shutil.copytree(killed_folder, tmp_path, dirs_exist_ok=True)
    return Killed(tmp_path / "zoo", left_work(tmp_path))


def test_unfinished_work_tells_nobody_else_the_truth(tmp_path: Path) -> None:
    zoo = tmp_path / "zoos" / "zoo"
    begun = tmp_path / "zoos" / f".zoo.{'0' * 12}.training"
    for is_left_open in (False, True):
        if is_left_open:
            begun.mkdir(mode=0o755)
        with work_folder(zoo, "0" * 64) as work:
            assert work.path.stat().st_mode & 0o777 == 0o700


@pytest.mark.thorough
def test_a_killed_training_goes_on_and_gives_the_same_bytes(killed: Killed, uninterrupted: dict[str, str]) -> None:
    assert not killed.zoo.exists()
    with pytest.raises(ZooError, match=r"no zoo\.json here"):
        open_zoo(killed.work.path)
    before = killed.finished()
    assert GROUP <= len(before) < 2 * GROUP
    heard: list[Progress] = []
    touched: set[Path] = set()

    def watch(progress: Progress) -> None:
        heard.append(progress)
        now = killed.finished()
        touched.update(path for path, when in before.items() if path in now and now[path] != when)

    train_zoo(LONG, killed.zoo, watch, ONE_AT_A_TIME)
    assert heard[0].done == GROUP, "the networks of the finished group are done from the start"
    assert len(touched) < GROUP, "no network of the finished group was trained again"
    assert digests(killed.zoo) == uninterrupted
    assert [path.name for path in killed.zoo.parent.iterdir() if path.name.startswith(".")] == []


@pytest.mark.thorough
def test_a_group_goes_on_from_its_snapshot(killed: Killed, uninterrupted: dict[str, str]) -> None:
    first = killed.group_in_training
    snapshot = killed.work.snapshot(first)
    assert snapshot is not None
    snapshot["position"][0] = LONG.training.max_epochs  # so that its networks get one more epoch only
    killed.work.set_snapshot(first, snapshot)
    train_zoo(LONG, killed.zoo, ignore, ONE_AT_A_TIME)
    now = digests(killed.zoo)
    assert now.keys() == uninterrupted.keys()
    changed = {name for name in now if name.startswith("public/") and now[name] != uninterrupted[name]}
    assert len(changed) == len(snapshot["alive"]) > 0


@pytest.mark.thorough
def test_files_of_unfinished_work_that_are_cut_off_are_not_believed(
    killed: Killed, uninterrupted: dict[str, str]
) -> None:
    for path in (*killed.work.path.glob("*.group"), *list(killed.work.path.glob("*.network"))[:2]):
        path.write_bytes(path.read_bytes()[:-7])
    train_zoo(LONG, killed.zoo, ignore)
    assert digests(killed.zoo) == uninterrupted


@pytest.mark.thorough
def test_work_for_another_recipe_is_thrown_away(killed: Killed) -> None:
    other = TINY_CNN.model_copy(update={"seed": 5})
    heard: list[Progress] = []
    train_zoo(other, killed.zoo, heard.append)
    assert heard[0].done == 0
    assert not killed.work.path.exists()


def test_two_processes_do_not_train_the_same_zoo(tmp_path: Path) -> None:
    with (
        work_folder(tmp_path / "zoo", "0" * 64),
        pytest.raises(ZooError, match="another process is training this zoo"),
        work_folder(tmp_path / "zoo", "0" * 64),
    ):
        pytest.fail("the lock was given twice")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_trained_where_the_zoo_exists(tmp_path: Path) -> None:
    (tmp_path / "zoo").mkdir()
    with pytest.raises(ZooError, match="exists already"):
        train_zoo(TINY_CNN, tmp_path / "zoo", ignore)


ADAM = {"optimizer": "adam"}
SAM = {"optimizer": "sam"}
FALLING = {"decay": 0.5, "decay_after": [1, 3]}


@pytest.mark.parametrize(
    "recipe", [TINY_MLP, TINY_CNN, TINY_CNN.model_copy(update=CROPPED)], ids=["mlp", "cnn", "cropped"]
)
@pytest.mark.parametrize("changes", [FALLING, ADAM, SAM], ids=["sgd", "adam", "sam"])
@pytest.mark.parametrize("blocks", [1, *(pytest.param(blocks, marks=pytest.mark.thorough) for blocks in (2, 7))])
def test_a_course_goes_on_from_a_snapshot_with_the_same_numbers(
    recipe: Recipe, changes: dict[str, object], blocks: int
) -> None:
    rules = recipe.training.model_copy(update=changes)
    recipe = recipe.model_copy(update={"training": rules})
    split = load_split(recipe.dataset, randomness_of(recipe))
    networks = planned_networks(recipe, randomness_of(recipe), split.input_shape, split.classes)
    plans = [networks[place].plan for place in grouped(networks, "cpu")[0]]
    data = training_set(split, [plan.settings for plan in plans], recipe.augmentation)
    device = torch.device("cpu")

    whole = Course(plans, data, rules, device)
    wanted = finish(whole)

    broken_off = Course(plans, data, rules, device)
    trained = [network for _ in range(blocks) for network in broken_off.advance()]
    goes_on = Course(plans, data, rules, device)
    goes_on.restore({name: tensor.clone() for name, tensor in broken_off.snapshot().items()})
    trained += finish(goes_on)

    assert [network.epochs for network in trained] == [network.epochs for network in wanted]
    for ours, network in zip(trained, wanted, strict=True):
        assert ours.place == network.place
        assert ours.weights.keys() == network.weights.keys()
        assert all(torch.equal(ours.weights[name], network.weights[name]) for name in network.weights)


def finish(course: Course) -> list[TrainedNetwork]:
    trained = []
    while course.alive:
        trained += course.advance()
    return trained


@pytest.mark.thorough
def test_training_in_a_child_tells_progress_and_the_reason_of_a_failure(tmp_path: Path) -> None:
    recipe = tmp_path / "tiny.toml"
    heard: list[Progress] = []
    with pytest.raises(ZooError, match=r"tiny\.toml: No such file"):
        train_in_child(str(recipe), tmp_path / "zoo", heard.append)
    recipe.write_text(TINY)
    assert train_in_child(str(recipe), tmp_path / "zoo", heard.append) == tmp_path / "zoo"
    assert (heard[0].done, heard[-1].done, heard[-1].total) == (0, 4, 4)
    zoo = open_zoo(tmp_path / "zoo")
    zoo.verify()
    with pytest.raises(ZooError, match="exists already"):
        train_in_child(str(recipe), tmp_path / "zoo", heard.append)
    with pytest.raises(ZooError, match="torch finds no GPU here"):
        train_in_child(str(recipe), tmp_path / "other", heard.append, TrainingOptions(device="cuda"))


@pytest.mark.thorough
def test_siblings_and_unlabelled_inputs_are_in_a_zoo_of_the_extended_track(tmp_path: Path) -> None:
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(TINY.replace('family = "mlp"', 'family = "mlp"\ntracks = ["standard", "extended"]\nseeds = 3'))
    train_in_child(str(recipe), tmp_path / "zoo", ignore)
    zoo = open_zoo(tmp_path / "zoo")
    assert zoo.manifest.tracks == ["standard", "extended"]
    assert zoo.unlabelled_file is not None
    assert len(zoo.networks) == 4
    for entry in zoo.networks:
        files = [entry.weights, *entry.siblings]
        assert len({path.read_bytes() for path in files}) == len(files) == 3
        assert len({path.stat().st_size for path in files}) == 1
    assert zoo.offers == ("siblings", "unlabelled")


@pytest.mark.thorough
def test_trajectories_hold_the_weights_on_the_way(tmp_path: Path) -> None:
    """Those of a training that is cut short after that epoch."""
    extended = TINY.replace('family = "mlp"', 'family = "mlp"\ntracks = ["standard", "extended"]\nseeds = 2')
    recipes = {
        "whole": extended.replace("max_epochs = 5", "max_epochs = 5\ntrajectory = [1, 3, 40]"),
        "short": extended.replace("max_epochs = 5", "max_epochs = 3"),
    }
    for name, text in recipes.items():
        (tmp_path / f"{name}.toml").write_text(text)
        train_in_child(str(tmp_path / f"{name}.toml"), tmp_path / name, ignore)
    whole, short = (open_zoo(tmp_path / name) for name in ("whole", "short"))
    assert whole.offers == ("siblings", "unlabelled", "trajectory")
    for entry in whole.networks:
        assert [epoch for epoch, _ in entry.trajectory] == [1.0, 3.0]
        assert entry.trajectory[1][1].read_bytes() == short.network(entry.id).weights.read_bytes()


TINY = """
name = "tiny"
title = "Tiny"
text = ""
licence = "CC0-1.0"
citation = ""
seed = 3
family = "mlp"
targets = ["gap", "loss_gap"]

[dataset]
name = "digits"
training_size = 40

[training]
stop_loss = 0.5
max_epochs = 5

[fixed]
batch_size = 20
dropout = 0.0
init_scale = 1.0
depth = 1
width = 8

[axes]
learning_rate = [0.05, 0.1]
weight_decay = [0.0, 0.01]
"""
