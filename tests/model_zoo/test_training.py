"""Batched training does what training one network after another does, and zoos come whole or not at all."""

import hashlib
import itertools
import math
import multiprocessing
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from model_zoo import Zoo, ZooError, open_zoo
from model_zoo.cache import cached_zoo, make_zoo_in_child, zoo_folder
from model_zoo.networks import training_data
from model_zoo.recipes import RECIPES, Recipe, named_recipe, read_recipe
from model_zoo.training import Progress, make_zoo, train_zoo
from model_zoo.training.datasets import load_split
from model_zoo.training.plan import grouped, planned_networks
from model_zoo.training.together import StoppingRule, train_together
from model_zoo.writer import unfinished_prefix
from tests.model_zoo.plain import train_alone
from tests.model_zoo.recipes import TINY_CNN, TINY_MLP


def ignore(_: Progress) -> None:
    pass


def silent(_done: int, _loss: float) -> None:
    pass


@dataclass(frozen=True)
class Trained:
    zoo: Zoo
    heard: list[Progress]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """As in the training's own processes; small tensors only lose by more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("trained") / "zoo"
    heard: list[Progress] = []
    train_zoo(TINY_CNN, folder, heard.append)
    return Trained(open_zoo(folder), heard)


@pytest.mark.parametrize("recipe", [TINY_MLP, TINY_CNN], ids=["mlp", "cnn"])
def test_training_together_equals_training_one_after_another(recipe: Recipe) -> None:
    split = load_split(recipe.dataset, recipe.seed)
    inputs, labels = torch.from_numpy(split.train_inputs), torch.from_numpy(split.train_labels)
    networks = planned_networks(recipe, split.input_shape, split.classes)
    rule = StoppingRule(recipe.training.stop_loss, recipe.training.max_epochs)
    stopped = set()
    for places in grouped(networks):
        plans = [networks[place].plan for place in places]
        together = train_together(plans, inputs, labels, rule, 0.9, silent)
        for plan, ours in zip(plans, together, strict=True):
            alone = train_alone(plan, inputs, labels, rule, 0.9)
            assert ours.epochs == alone.epochs
            assert ours.train_loss == pytest.approx(alone.train_loss, abs=1e-3)
            assert ours.weights.keys() == alone.weights.keys()
            for name, weight in alone.weights.items():
                torch.testing.assert_close(ours.weights[name], weight, atol=2e-3, rtol=2e-3, msg=name)
                assert torch.equal(ours.initial[name], alone.initial[name])
            stopped.add(ours.epochs)
    assert min(stopped) < rule.max_epochs, "no network stopped early, so leaving the stack was not tested"
    assert max(stopped) == rule.max_epochs


def test_a_network_draws_the_same_in_any_company() -> None:
    split = load_split(TINY_MLP.dataset, TINY_MLP.seed)
    inputs, labels = torch.from_numpy(split.train_inputs), torch.from_numpy(split.train_labels)
    networks = planned_networks(TINY_MLP, split.input_shape, split.classes)
    plans = [networks[place].plan for place in grouped(networks)[0]]
    rule = StoppingRule(loss=0.0, max_epochs=3)
    all_of_them = train_together(plans, inputs, labels, rule, 0.9, silent)
    (last,) = train_together(plans[-1:], inputs, labels, rule, 0.9, silent)
    for name, weight in last.weights.items():
        torch.testing.assert_close(all_of_them[-1].weights[name], weight, atol=1e-4, rtol=1e-4)


def test_the_same_recipe_gives_the_same_bytes(trained: Trained, tmp_path: Path) -> None:
    train_zoo(TINY_CNN, tmp_path / "again", ignore)
    folder = trained.zoo.folder
    files = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    assert len(files) == 5 + 2 * 16
    for name in files:
        assert digest(folder / name) == digest(tmp_path / "again" / name), name


def test_progress_is_told_from_none_to_all(trained: Trained) -> None:
    first, last = trained.heard[0], trained.heard[-1]
    assert (first.done, first.total, last.done, last.total) == (0, 16, 16, 16)
    assert all(before.done <= after.done for before, after in itertools.pairwise(trained.heard))


def test_another_seed_gives_other_networks_and_a_hidden_truth_hides_it(trained: Trained, tmp_path: Path) -> None:
    other = TINY_CNN.model_copy(update={"seed": 12, "truth_public": False})
    train_zoo(other, tmp_path / "other", ignore)
    second = open_zoo(tmp_path / "other")
    assert {entry.id for entry in trained.zoo.networks}.isdisjoint(entry.id for entry in second.networks)
    assert trained.zoo.truth().axes == second.truth().axes
    assert trained.zoo.manifest.recipe is not None
    assert trained.zoo.manifest.recipe.sha256 == TINY_CNN.sha256 != other.sha256
    assert second.manifest.recipe is None, "the ids come from the seed"
    assert not second.manifest.truth_public


def test_nothing_in_the_public_part_tells_the_grid(trained: Trained) -> None:
    zoo = trained.zoo
    ids = [entry.id for entry in zoo.networks]
    assert ids == sorted(ids)
    files = [path for path in zoo.folder.rglob("*") if path.is_file()]
    assert len({path.stat().st_mtime_ns for path in files}) == 1
    assert {path.stat().st_mode & 0o777 for path in files} == {0o644}
    public = (zoo.folder / "public" / "networks.json").read_text()
    assert not any(word in public for word in ("dropout", "learning", "decay", "acc"))
    assert b"__metadata__" not in zoo.networks[0].weights.read_bytes()


def test_a_trained_zoo_has_the_data_of_its_recipe(trained: Trained) -> None:
    trained.zoo.verify()
    data = training_data(trained.zoo)
    assert data.inputs.shape == (50, 1, 8, 8)
    assert data.classes == 10
    assert (float(data.inputs.min()), float(data.inputs.max())) == (0, 1)
    assert data.labels.bincount().tolist() == pytest.approx([5] * 10, abs=1)


def test_a_diverged_training_leaves_no_zoo(tmp_path: Path) -> None:
    wild = TINY_CNN.model_copy(update={"axes": TINY_CNN.axes | {"learning_rate": [1e30]}})
    with pytest.raises(ZooError, match=r"diverged at .*1e\+30.*lower the learning rate"):
        train_zoo(wild, tmp_path / "zoo", ignore)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_training_leaves_no_zoo_and_no_process(tmp_path: Path) -> None:
    def interrupt(progress: Progress) -> None:
        if not math.isnan(progress.loss):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_zoo(TINY_CNN, tmp_path / "zoo", interrupt)
    assert list(tmp_path.iterdir()) == []
    assert multiprocessing.active_children() == []


def test_a_training_process_that_dies_is_told(tmp_path: Path) -> None:
    def kill(progress: Progress) -> None:
        if not math.isnan(progress.loss):
            multiprocessing.active_children()[0].kill()

    with pytest.raises(ZooError, match="a training process died"):
        train_zoo(TINY_CNN, tmp_path / "zoo", kill)
    assert list(tmp_path.iterdir()) == []


def test_a_zoo_is_made_once_and_found_afterwards(digits_cnn: Path) -> None:
    cache = digits_cnn.parent
    before = digest(digits_cnn / "zoo.json"), (digits_cnn / "zoo.json").stat().st_mtime_ns
    assert make_zoo("digits-cnn", cache, ignore) == digits_cnn
    assert make_zoo_in_child("digits-cnn", cache) == digits_cnn == cached_zoo("digits-cnn", cache)
    assert (digest(digits_cnn / "zoo.json"), (digits_cnn / "zoo.json").stat().st_mtime_ns) == before


def test_of_two_processes_that_make_the_same_zoo_at_once_one_trains_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "model_zoo.training", "digits-cnn", "--cache", str(tmp_path)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    told = [process.communicate() for process in both]
    assert [out.strip() for out, _ in told] == [str(zoo_folder("digits-cnn", tmp_path))] * 2
    assert sum("64/64 networks" in progress for _, progress in told) == 1
    assert [path.name for path in tmp_path.iterdir() if not path.name.endswith(".lock")] == [
        zoo_folder("digits-cnn", tmp_path).name
    ]


def test_a_damaged_zoo_in_the_cache_and_what_a_killed_training_left_are_replaced(
    tmp_path: Path, digits_cnn: Path
) -> None:
    folder = zoo_folder("digits-cnn", tmp_path)
    shutil.copytree(digits_cnn, folder)
    (folder / "public" / "train.safetensors").unlink()
    leftover = tmp_path / f"{unfinished_prefix(folder)}abc"
    leftover.mkdir()
    assert cached_zoo("digits-cnn", tmp_path) is None
    assert make_zoo("digits-cnn", tmp_path, ignore) == folder == cached_zoo("digits-cnn", tmp_path)
    assert not leftover.exists()


def test_a_child_that_fails_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ZooError, match="its training ended with 1"):
        make_zoo_in_child("digits-mlp", tmp_path / "file" / "cache")


def test_recipes_shipped_are_known_by_their_names() -> None:
    assert {name: read_recipe(path).name for name, path in RECIPES.items()} == {name: name for name in RECIPES}
    with pytest.raises(ZooError, match="no recipe 'digit'; known are digits-mlp, digits-cnn"):
        named_recipe("digit")


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("[training]", "[trainin]", "trainin: Extra inputs"),
        ("width = ", "breadth = ", "breadth is unknown to mlp"),
        ("batch_size = 20", "batch_size = 20\nwidth = 3", "width is both an axis and fixed"),
        ("batch_size = 20", "", "batch_size is missing from axes and fixed"),
        ("momentum = 0.9", "momentum = 1.5", "training.momentum: Input should be less than 1"),
        ("dropout = [0.0, 0.15]", "dropout = [0.0, 1.0]", "dropout = 1.0 must be at least 0 and below 1"),
        ("depth = [1, 2, 3]", "depth = [1, 1]", "depth needs different values"),
        ("seed = ", "seed = = ", "not TOML"),
    ],
)
def test_a_faulty_recipe_is_told(tmp_path: Path, before: str, after: str, message: str) -> None:
    text = RECIPES["digits-mlp"].read_text()
    assert before in text
    faulty = tmp_path / "recipe.toml"
    faulty.write_text(text.replace(before, after))
    with pytest.raises(ZooError, match=f"{faulty}.*{message}"):
        read_recipe(faulty)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
