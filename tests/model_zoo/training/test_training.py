"""Batched training does what training one network after another does, and zoos come whole or not at all."""

import hashlib
import itertools
import multiprocessing
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model_zoo import Zoo, ZooError, open_zoo
from model_zoo.loading import load_training_data
from model_zoo.recipes import Recipe
from model_zoo.training.batched.course import TrainingSet, evaluates_loss_after
from model_zoo.training.datasets import load_split
from model_zoo.training.make import make_zoo, train_zoo
from model_zoo.training.plan import grouped, planned_networks
from model_zoo.training.pool import training_set
from model_zoo.training.randomness import randomness_of
from model_zoo.training.trained_zoos import cached_zoo, make_zoo_in_child, zoo_folder
from model_zoo.training.training_process import Progress
from model_zoo.writer import unfinished_prefix
from tests.model_zoo.tiny_recipes import TINY_CNN, TINY_MLP, TINY_NIN
from tests.model_zoo.training.plain_training import train_alone, train_together

CPU = torch.device("cpu")


def ignore(_: Progress) -> None:
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


def variant(
    recipe: Recipe, changes: dict[str, dict[str, object]], axes: dict[str, list[object]], **top: object
) -> Recipe:
    """`recipe` with other values in its tables and at its top, and further axes, which then stand nowhere else."""
    content = recipe.model_dump(exclude_unset=True) | top
    for table, values in changes.items():
        content[table] |= values
    content["axes"] |= axes
    for table in ("fixed", "training"):
        content[table] = {name: value for name, value in content[table].items() if name not in axes}
    return Recipe.model_validate(content)


OPTIMIZERS: dict[str, list[object]] = {"learning_rate": [0.02, 0.1], "optimizer": ["sgd", "adam", "sam"]}
RECIPES_TRIED = {
    "mlp": TINY_MLP,
    "cnn": TINY_CNN,
    "dropout after convolutions": TINY_NIN,
    "optimizers of a perceptron": variant(
        TINY_MLP, {"training": {"rho": 0.1, "stop_loss": 1.8}}, {**OPTIMIZERS, "width": [8]}
    ),
    "optimizers with batch norm": variant(TINY_CNN, {"training": {"rho": 0.1}}, {**OPTIMIZERS, "batch_size": [25]}),
    "pictures mirrored and cropped": variant(
        TINY_CNN,
        {"training": {"stop_loss": 2.2}},
        {"batch_norm": [False]},
        augmentation={"flip": True, "crop_padding": 1},
    ),
    "cropped pictures before a perceptron": variant(
        TINY_MLP, {"training": {"stop_loss": 2.1}}, {"width": [8]}, augmentation={"crop_padding": 1}
    ),
    "momentum": variant(TINY_MLP, {}, {"width": [8], "depth": [1], "momentum": [0.5, 0.9]}),
    "rates that fall": variant(
        TINY_MLP, {"training": {"decay": 0.5, "decay_after": [2, 5], "stop_loss": 1.2}}, {"width": [8]}
    ),
}


@pytest.mark.parametrize("name", RECIPES_TRIED)
def test_training_together_equals_training_one_after_another(name: str) -> None:
    recipe = RECIPES_TRIED[name]
    split = load_split(recipe.dataset, randomness_of(recipe))
    networks = planned_networks(recipe, randomness_of(recipe), split.input_shape, split.classes)
    stopped = set()
    for places in grouped(networks, "cpu"):
        plans = [networks[place].plan for place in places]
        data = training_set(split, [plan.settings for plan in plans], recipe.augmentation)
        together = train_together(plans, data, recipe.training, CPU)
        for place, (plan, ours) in enumerate(zip(plans, together, strict=True)):
            alone = train_alone(plan, place, data, recipe.training)
            assert ours.epochs == alone.epochs
            assert ours.train_loss == pytest.approx(alone.train_loss, abs=1e-3)
            assert ours.weights.keys() == alone.weights.keys()
            for key, weight in alone.weights.items():
                torch.testing.assert_close(ours.weights[key], weight, atol=2e-3, rtol=2e-3, msg=key)
            stopped.add(ours.epochs)
    assert min(stopped) < recipe.training.max_epochs, "no network stopped early, so leaving the stack was not tested"
    assert max(stopped) == recipe.training.max_epochs


def test_a_network_draws_the_same_in_any_company() -> None:
    split = load_split(TINY_MLP.dataset, randomness_of(TINY_MLP))
    networks = planned_networks(TINY_MLP, randomness_of(TINY_MLP), split.input_shape, split.classes)
    plans = [networks[place].plan for place in grouped(networks, "cpu")[0]]
    rules = TINY_MLP.training.model_copy(update={"stop_loss": 1e-9, "max_epochs": 3})
    data = training_set(split, [plan.settings for plan in plans])
    all_of_them = train_together(plans, data, rules, CPU)
    (last,) = train_together(plans[-1:], TrainingSet(data.inputs, data.labels[-1:]), rules, CPU)
    for name, weight in last.weights.items():
        torch.testing.assert_close(all_of_them[-1].weights[name], weight, atol=1e-4, rtol=1e-4)


def test_networks_with_noisy_labels_train_together_and_those_with_fewer_examples_apart() -> None:
    axes: dict[str, list[object]] = {"label_noise": [0.0, 0.4], "training_size": [20, 50], "width": [8], "depth": [1]}
    recipe = variant(TINY_MLP, {}, axes, targets=["test_error"])
    split = load_split(recipe.dataset, randomness_of(recipe))
    networks = planned_networks(recipe, randomness_of(recipe), split.input_shape, split.classes)
    groups = grouped(networks, "cpu")
    assert len(groups) == 2
    for places in groups:
        settings = [networks[place].plan.settings for place in places]
        data = training_set(split, settings)
        assert {setting.label_noise for setting in settings} == {0.0, 0.4}
        assert {len(data.inputs)} == {setting.training_size for setting in settings}
        clean = torch.from_numpy(split.train_labels)[: len(data.inputs)]
        for setting, labels in zip(settings, data.labels, strict=True):
            noise = float((labels != clean).float().mean())
            assert noise == pytest.approx(setting.label_noise, abs=0.2)
            assert (noise == 0) == (setting.label_noise == 0)


def test_groups_are_no_larger_than_what_is_trained_fast() -> None:
    recipe = variant(TINY_MLP, {}, {"learning_rate": [0.01 * step for step in range(1, 21)]})
    networks = planned_networks(recipe, randomness_of(recipe), [1, 8, 8], 10)
    groups = grouped(networks, "cpu")
    assert sorted(place for group in groups for place in group) == list(range(len(networks)))
    assert max(map(len, groups)) <= 16
    assert len(grouped(networks, "cuda")) == 4  # one for each width and depth
    for group in groups:
        assert len({str(networks[place].plan.architecture) for place in group}) == 1


@given(st.integers(1, 10_000))
def test_no_network_trains_more_than_two_in_a_hundred_epochs_after_it_could_stop(epoch: int) -> None:
    looked = next(later for later in itertools.count(epoch) if evaluates_loss_after(later, 20_000))
    assert looked - epoch <= 0.02 * epoch


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
    other = TINY_CNN.model_copy(update={"seed": None, "truth_public": False})
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
    data = load_training_data(trained.zoo)
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
        if progress.loss is not None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_zoo(TINY_CNN, tmp_path / "zoo", interrupt)
    assert_only_unfinished_work(tmp_path)
    assert multiprocessing.active_children() == []


def test_a_training_process_that_dies_is_told(tmp_path: Path) -> None:
    def kill(progress: Progress) -> None:
        if progress.loss is not None:
            multiprocessing.active_children()[0].kill()

    with pytest.raises(ZooError, match="a training process died"):
        train_zoo(TINY_CNN, tmp_path / "zoo", kill)
    assert_only_unfinished_work(tmp_path)


def assert_only_unfinished_work(folder: Path) -> None:
    (work,) = folder.iterdir()
    assert work.name.startswith(".zoo.")
    assert not (work / "zoo.json").exists()


def test_a_zoo_is_made_once_and_found_afterwards(digits_cnn: Path) -> None:
    cache = digits_cnn.parent
    before = digest(digits_cnn / "zoo.json"), (digits_cnn / "zoo.json").stat().st_mtime_ns
    assert make_zoo("digits-cnn", cache, ignore) == digits_cnn
    assert make_zoo_in_child("digits-cnn", cache) == digits_cnn == cached_zoo("digits-cnn", cache)
    assert (digest(digits_cnn / "zoo.json"), (digits_cnn / "zoo.json").stat().st_mtime_ns) == before


@pytest.mark.thorough
def test_of_two_processes_that_make_the_same_zoo_at_once_one_trains_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "model_zoo.training", "linear-risk", "--cache", str(tmp_path)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    told = [process.communicate() for process in both]
    assert [out.strip() for out, _ in told] == [str(zoo_folder("linear-risk", tmp_path))] * 2
    assert sum("64/64 networks" in progress for _, progress in told) == 1
    assert [path.name for path in tmp_path.iterdir() if not path.name.endswith(".lock")] == [
        zoo_folder("linear-risk", tmp_path).name
    ]


def test_a_damaged_zoo_in_the_cache_and_what_a_killed_training_left_are_replaced(tmp_path: Path) -> None:
    folder = make_zoo("linear-risk", tmp_path, ignore)
    before = digest(folder / "zoo.json")
    (folder / "public" / "train.safetensors").unlink()
    leftover = tmp_path / f"{unfinished_prefix(folder)}abc"
    leftover.mkdir()
    assert cached_zoo("linear-risk", tmp_path) is None
    assert make_zoo("linear-risk", tmp_path, ignore) == folder == cached_zoo("linear-risk", tmp_path)
    assert digest(folder / "zoo.json") == before
    assert not leftover.exists()


def test_a_child_that_fails_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ZooError, match="its training ended with 1"):
        make_zoo_in_child("digits-mlp", tmp_path / "file" / "cache")


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
