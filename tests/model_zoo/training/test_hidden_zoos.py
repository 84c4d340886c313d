"""Zoos with hidden truth: all randomness comes from the key, which is nowhere else, and the same key repeats it."""

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from safetensors.numpy import load_file

from model_zoo import Zoo, ZooError, open_zoo
from model_zoo.publish import publish
from model_zoo.recipes import Recipe, RecipeDataset
from model_zoo.recipes.keys import ZooKey, new_key, read_key
from model_zoo.training.datasets import Split, load_split
from model_zoo.training.make import train_zoo
from model_zoo.training.randomness import Keyed, Seeded, randomness_of
from model_zoo.training.training_process import Progress, TrainingOptions, train_in_child
from tests.model_zoo.checks.zoos import check, item
from tests.model_zoo.tiny_recipes import BASE
from tests.model_zoo.training.test_resume import TINY
from tests.model_zoo.written_keys import shows_key

HIDDEN = Recipe.model_validate(
    {name: value for name, value in BASE.items() if name != "seed"}
    | {
        "truth_public": False,
        "tracks": ["standard", "extended"],
        "seeds": 2,
        "dataset": {"name": "digits", "training_size": 50, "test_size": 200, "label_noise": 0.2},
        "family": "mlp",
        "training": {"stop_loss": 0.01, "max_epochs": 3, "trajectory": [1]},
        "augmentation": {"crop_padding": 1},
        "fixed": {"init_scale": 1.0, "batch_size": 16, "width": 8},
        "axes": {"depth": [1, 2], "learning_rate": [0.02, 0.1], "weight_decay": [0.0, 0.01], "dropout": [0.0, 0.25]},
    }
)


def hidden_toml() -> str:
    """A recipe file with hidden truth."""
    lines = TINY.splitlines()
    return "\n".join(["truth_public = false", *(line for line in lines if not line.startswith("seed = "))])


ONE_AT_A_TIME = TrainingOptions(jobs=1)
PUBLIC = HIDDEN.model_copy(update={"truth_public": True, "seed": 4711})
DRAWN: dict[str, dict[str, Any]] = {
    "teacher": {"dimension": 12, "classes": 4},
    "gaussian-mixture": {"dimension": 12, "classes": 4, "separation": 3.0},
    "noisy-linear": {"dimension": 12, "noise": 0.5},
}


def ignore(_: Progress) -> None:
    pass


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def zoos(tmp_path_factory: pytest.TempPathFactory) -> tuple[Zoo, Zoo]:
    """Two zoos of one recipe."""
    folder = tmp_path_factory.mktemp("hidden")
    for name in ("one", "other"):
        train_zoo(HIDDEN, folder / name, ignore)
    return open_zoo(folder / "one"), open_zoo(folder / "other")


def key_of(zoo: Zoo) -> ZooKey:
    return read_key(zoo.folder / "private" / "key.json", HIDDEN.sha256)


def test_the_same_key_gives_the_same_bytes_and_a_file_of_digits_is_a_key_too(
    zoos: tuple[Zoo, Zoo], tmp_path: Path
) -> None:
    kept = zoos[0].folder / "private" / "key.json"
    (tmp_path / "digits").write_text(key_of(zoos[0]).key)
    for name, path in (("again", kept), ("once more", tmp_path / "digits")):
        train_zoo(HIDDEN, tmp_path / name, ignore, TrainingOptions(key=path))
        assert contents(tmp_path / name) == contents(zoos[0].folder)


def test_two_zoos_of_one_recipe_share_nothing_random(zoos: tuple[Zoo, Zoo]) -> None:
    one, other = zoos
    assert key_of(one).key != key_of(other).key
    assert {entry.id for entry in one.networks}.isdisjoint(entry.id for entry in other.networks)
    orders = [[zoo.truth().networks[entry.id].hyperparameters for entry in zoo.networks] for zoo in zoos]
    assert orders[0] != orders[1]
    assert sorted(map(str, orders[0])) == sorted(map(str, orders[1]))
    weights = [
        {hashlib.sha256(tensor.tobytes()).digest() for path in files_of(zoo) for tensor in load_file(path).values()}
        for zoo in zoos
    ]
    zeros = {hashlib.sha256(np.zeros(size, np.float32).tobytes()).digest() for size in (8, 10)}  # biases at first
    assert (weights[0] & weights[1]) <= zeros
    first, second = (load_file(zoo.training_file) for zoo in zoos)
    assert not np.array_equal(first["inputs"], second["inputs"])


def files_of(zoo: Zoo) -> Iterator[Path]:
    for entry in zoo.networks:
        assert entry.initial is not None
        assert entry.siblings
        yield from (entry.weights, entry.initial, *entry.siblings, *(path for _, path in entry.trajectory))


def test_no_two_networks_of_a_zoo_begin_alike(zoos: tuple[Zoo, Zoo]) -> None:
    starts = {load_file(entry.initial)["1.weight"].tobytes() for entry in zoos[0].networks if entry.initial}
    assert len(starts) == len(zoos[0].networks) == 16


def test_the_key_is_in_one_file_that_its_owner_alone_may_read(zoos: tuple[Zoo, Zoo], tmp_path: Path) -> None:
    zoo = zoos[0]
    assert zoo.manifest.recipe is None
    assert (zoo.folder / "private" / "key.json").stat().st_mode & 0o777 == 0o600
    published = contents(publish(zoo, tmp_path / "public"))
    published["zip"] = publish(zoo, tmp_path / "public.zip").read_bytes()
    everything = published | contents(publish(zoo, tmp_path / "all", with_truth=True, with_test=True))
    elsewhere = {name: content for name, content in contents(zoo.folder).items() if name != "private/key.json"}
    for name, content in [*everything.items(), *elsewhere.items()]:
        assert not shows_key(content, key_of(zoo)), name
    assert not any(name.endswith("key.json") for name in everything)


def test_a_key_shows_in_no_command_line_environment_progress_or_result(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(hidden_toml())
    (tmp_path / "key").write_text(new_key().key)
    seen = b""

    def watch(progress: Progress) -> None:
        nonlocal seen
        seen += repr(progress).encode()
        for child in psutil.Process().children(recursive=True):
            with suppress(OSError):  # it has ended
                seen += Path(f"/proc/{child.pid}/cmdline").read_bytes()
                seen += Path(f"/proc/{child.pid}/environ").read_bytes()

    train_in_child(str(recipe), tmp_path / "zoo", watch, replace(ONE_AT_A_TIME, key=tmp_path / "key"))
    assert b"model_zoo.training" in seen
    key = read_key(tmp_path / "zoo" / "private" / "key.json")
    assert key.key == (tmp_path / "key").read_text()
    assert not shows_key(seen, key)
    shown = f"{key!r} {Keyed(key)!r} {Keyed(key).network({'depth': 1}, 0)!r}".encode()
    assert not shows_key(shown, key)


def test_an_interrupted_training_keeps_its_key_for_its_owner_and_goes_on_with_it(tmp_path: Path) -> None:
    def kill(progress: Progress) -> None:
        if progress.done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_zoo(HIDDEN, tmp_path / "zoo", kill, ONE_AT_A_TIME)
    (path,) = tmp_path.glob(".zoo.*.training/key.json")
    assert path.stat().st_mode & 0o777 == 0o600
    key = read_key(path)
    heard: list[Progress] = []
    train_zoo(HIDDEN, tmp_path / "zoo", heard.append, ONE_AT_A_TIME)
    assert heard[0].done > 0
    assert key_of(open_zoo(tmp_path / "zoo")) == key
    assert [path.name for path in tmp_path.iterdir()] == ["zoo"]


def test_work_for_another_key_is_thrown_away(tmp_path: Path) -> None:
    def stop(progress: Progress) -> None:
        if progress.done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_zoo(HIDDEN, tmp_path / "zoo", stop, ONE_AT_A_TIME)
    (tmp_path / "key").write_text("5" * 64)
    heard: list[Progress] = []
    train_zoo(HIDDEN, tmp_path / "zoo", heard.append, replace(ONE_AT_A_TIME, key=tmp_path / "key"))
    assert heard[0].done == 0
    assert key_of(open_zoo(tmp_path / "zoo")).key == "5" * 64


def test_the_check_finds_the_ids_of_the_key(zoos: tuple[Zoo, Zoo], tmp_path: Path) -> None:
    found = item(check(zoos[0].folder), "key").text
    assert found.startswith("The ids, and with them the order, come from the key in private/key.json.")
    assert "That the networks do was not checked" in found
    public = item(check(publish(zoos[0], tmp_path / "public")), "key")
    assert public.text == "Only the public part is here, which never has the key."


def test_a_key_is_for_hidden_zoos(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("5" * 64)
    with pytest.raises(ZooError, match=r"key: a key is for zoos with hidden truth, .* leave out --key"):
        train_zoo(PUBLIC, tmp_path / "zoo", ignore, TrainingOptions(key=tmp_path / "key"))
    with pytest.raises(ValueError, match="needs a key"):
        randomness_of(HIDDEN)


def split_of(name: str, key: ZooKey, **options: Any) -> Split:
    sizes = {"training_size": 200, "test_size": 300}
    dataset: RecipeDataset = TypeAdapter(RecipeDataset).validate_python(
        {"name": name, **DRAWN[name], **sizes, **options}
    )
    return load_split(dataset, Keyed(key))


@pytest.mark.parametrize("name", DRAWN)
def test_drawn_test_examples_do_not_come_from_the_stream_of_the_training_examples(name: str) -> None:
    key = new_key()
    few, more = split_of(name, key), split_of(name, key, training_size=220)
    assert np.array_equal(few.test_inputs, more.test_inputs)
    assert np.array_equal(few.test_labels, more.test_labels)
    assert np.array_equal(few.train_labels, split_of(name, key).train_labels)
    assert not np.array_equal(few.test_inputs, split_of(name, new_key()).test_inputs)


def test_what_test_inputs_show_and_what_labels_tell_come_from_different_streams() -> None:
    """The extended track shows the test inputs."""
    key = new_key()
    linear, mixture = split_of("noisy-linear", key), split_of("gaussian-mixture", key)
    shape = linear.test_inputs[:, 0, 0].shape
    assert np.array_equal(
        linear.test_inputs[:, 0, 0], key.stream("test inputs").standard_normal(shape, np.float64).astype(np.float32)
    )
    assert np.array_equal(mixture.test_labels, key.stream("test labels").integers(mixture.classes, size=shape[0]))
    parts = Keyed(key).parts(Keyed(key).generator("data"))
    draws = {one.random_raw() for part in parts for one in (part.inputs.bit_generator, part.labels.bit_generator)}
    assert len(draws) == 4


def test_label_noise_comes_from_the_key_and_a_larger_share_changes_more_of_the_same() -> None:
    keys = new_key(), new_key()
    noisy = [split_of("teacher", key, label_noise=share) for key in keys for share in (0.2, 0.4)]
    spoilt = [split.train_labels != split.clean_labels for split in noisy]
    assert not (spoilt[0] & ~spoilt[1]).any()
    assert not np.array_equal(spoilt[0], spoilt[2])


@given(st.binary(min_size=32, max_size=32))
def test_a_networks_generator_has_a_whole_state_of_the_mersenne_twister(key: bytes) -> None:
    """numpy has the same generator, and takes its state as it is."""
    whole = ZooKey(key=key.hex())
    words = np.frombuffer(whole.derive(4 * 624, "order", {"depth": 1}, 2), "<u4")
    twister = np.random.MT19937()
    twister.state = {"bit_generator": "MT19937", "state": {"key": words, "pos": 624}}
    ours = Keyed(whole).network({"depth": 1}, 2).generator("order")
    drawn = torch.empty(1500, dtype=torch.int32).random_(generator=ours)
    assert drawn.tolist() == (twister.random_raw(1500) & (2**31 - 1)).tolist()


def test_generators_of_two_purposes_networks_or_siblings_share_nothing() -> None:
    keyed = Keyed(new_key())
    networks = [keyed.network({"depth": depth}, sibling) for depth in (1, 2) for sibling in (0, 1)]
    states = {
        network.generator(purpose).get_state().numpy().tobytes()
        for network in networks
        for purpose in ("initial weights", "order", "dropout")
    }
    assert len(states) == 12
    assert len({network.augmentation_seed for network in networks}) == 4


def test_torch_keeps_32_bits_of_a_seed() -> None:
    """This is why a network of a hidden zoo has no seed. If it fails, the reason given in the documentation is gone."""
    one, other = (Seeded(7).network({}, 0).generator("order").manual_seed(5 + high) for high in (0, 2**32))
    assert torch.equal(torch.randn(20, generator=one), torch.randn(20, generator=other))
