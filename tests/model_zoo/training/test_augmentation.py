"""Pictures are changed while training as the recipe says: by Pillow's measure, reproducibly, and only there."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from model_zoo import open_zoo
from model_zoo.architectures import build
from model_zoo.checks import Verdict
from model_zoo.loading import load_network, load_training_data
from model_zoo.recipes import Recipe, RecipeAugmentation, named_recipe
from model_zoo.training.augmentation import augmented, chances
from model_zoo.training.augmentation.policy import KINDS, SUB_POLICIES, steps
from model_zoo.training.datasets import load_split
from model_zoo.training.make import train_zoo
from model_zoo.training.plan import grouped, planned_networks
from model_zoo.training.pool import training_set
from model_zoo.training.randomness import randomness_of
from model_zoo.training.training_process import TrainingOptions
from tests.model_zoo.checks.zoos import check
from tests.model_zoo.recipes.test_recipes import table
from tests.model_zoo.tiny_recipes import BASE, TINY_CNN, TINY_NIN
from tests.model_zoo.training.plain_augmentation import MOVING, Bytes, amount_of, augmented_alone, changed_alone
from tests.model_zoo.training.plain_training import train_together
from tests.model_zoo.training.test_downloaded_datasets import WRITERS, pets_packed

POLICY = RecipeAugmentation(policy="autoaugment-cifar-10", policy_share=0.5)
EVERYTHING = RecipeAugmentation(policy="autoaugment-cifar-10", flip=True, crop_padding=2)
FLIP_AND_CROP = RecipeAugmentation(flip=True, crop_padding=4)


@st.composite
def pictures(draw: st.DrawFn, channels: int = 3) -> Bytes:
    """Ten of one size, at least 3×3: of few or many levels, bright or dark, some of one level alone."""
    height, width = draw(st.integers(3, 40)), draw(st.integers(3, 40))
    low = draw(st.integers(0, 255))
    high = draw(st.integers(low, 255))
    coarse = draw(st.sampled_from([1, 1, 17, 60]))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    levels = generator.integers(low, high, size=(10, channels, height, width), endpoint=True)
    return (levels // coarse * coarse).astype(np.uint8)


@pytest.mark.parametrize("name", KINDS)
@given(images=pictures(), sides=st.lists(st.sampled_from([-1.0, 1.0]), min_size=10, max_size=10))
def test_every_operation_does_what_pillows_does(name: str, images: Bytes, sides: list[float]) -> None:
    kind = KINDS[name]
    amounts = np.array(kind.amounts) * (np.array(sides) if kind.has_sides else 1)
    ours = kind.operation(torch.from_numpy(images).float(), torch.from_numpy(amounts))
    for image, amount, changed in zip(images, amounts.tolist(), ours.numpy(), strict=True):
        assert np.array_equal(changed, changed_alone(image, name, amount))


def test_magnitudes_come_to_what_the_authors_program_makes_of_them() -> None:
    unused = {"AutoContrast", "Equalize", "Invert"}
    for name in KINDS.keys() - unused:
        assert KINDS[name].amounts == pytest.approx([amount_of(name, magnitude) for magnitude in range(10)]), name
    assert {name for name, kind in KINDS.items() if kind.moves} == MOVING.keys()
    named = {(name, magnitude is None) for sub_policy in SUB_POLICIES for name, _, magnitude in sub_policy}
    assert {name for name, is_without in named if is_without} == unused
    assert {name for name, is_without in named if not is_without} <= KINDS.keys() - unused


@pytest.mark.parametrize("rules", [POLICY, EVERYTHING, FLIP_AND_CROP], ids=["policy", "everything", "flip and crop"])
@settings(max_examples=25)  # of up to 36 pictures each
@given(
    channels=st.sampled_from([3, 4]),
    seeds=st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=3),
    step=st.integers(0, 2**40),
)
def test_pictures_changed_together_are_those_changed_one_after_another(
    rules: RecipeAugmentation, channels: int, seeds: list[int], step: int
) -> None:
    levels = np.random.default_rng(seeds[0]).integers(256, size=(len(seeds), 12, channels, 14, 9))
    inputs = torch.from_numpy(levels.astype(np.float32) / np.float32(255))
    together = augmented(inputs, rules, seeds, step)
    for own, seed, changed in zip(inputs, seeds, together, strict=True):
        assert torch.equal(changed, augmented_alone(own, rules, seed, step))


def test_a_fourth_channel_moves_with_the_colours_and_keeps_its_values() -> None:
    levels = np.random.default_rng(0).integers(1, 256, size=(1, 400, 3, 12, 12))
    mask = np.broadcast_to(np.arange(1, 145).reshape(12, 12), (1, 400, 1, 12, 12))
    inputs = torch.from_numpy(np.concatenate([levels, mask], axis=2).astype(np.float32) / np.float32(255))
    changed = augmented(inputs, EVERYTHING, [5], 3)[0]
    colours, fourth = changed[:, :3], changed[:, 3:]
    known = set(inputs[0, 0, 3].flatten().tolist()) | {0.0}
    assert set(fourth.flatten().tolist()) <= known
    assert torch.equal(colours, augmented(inputs[:, :, :3], EVERYTHING, [5], 3)[0])
    assert not torch.equal(fourth, inputs[0, :, 3:])


def test_chances_are_those_of_the_seed_the_step_and_the_place_alone() -> None:
    drawn = chances(7, 3, 10)
    assert np.array_equal(drawn, chances(7, 3, 10))
    assert np.array_equal(drawn[:4], chances(7, 3, 4)), "the last step of an epoch is shorter"
    others = [chances(8, 3, 10), chances(7, 4, 10), chances(7 + 2**32, 3, 10), chances(7, 3 + 2**32, 10)]
    assert not any(np.intersect1d(drawn, other).size for other in others)


def test_half_are_changed_and_crops_and_sub_policies_are_all_as_frequent() -> None:
    drawn = np.concatenate([chances(seed, step, 100) for seed in (1, 2) for step in range(200)])
    count = len(drawn)
    assert drawn.min() >= 0
    assert drawn.max() < 1
    assert drawn.mean(axis=0) == pytest.approx(np.full(9, 0.5), abs=0.01)
    correlation = np.corrcoef(drawn, rowvar=False)
    assert np.abs(correlation - np.eye(9)).max() < 0.03
    first, second = steps(drawn[:, 4:])
    wanted = [sub_policy[0][:2] for sub_policy in SUB_POLICIES], [sub_policy[1][:2] for sub_policy in SUB_POLICIES]
    for step, pairs in zip((first, second), wanted, strict=True):
        for name in {name for name, _ in pairs}:
            share = sum(probability for own, probability in pairs if own == name) / len(SUB_POLICIES)
            assert np.sum(step.acts & (step.names == name)) / count == pytest.approx(share, abs=0.01), name
    inputs = torch.zeros(1, 6000, 1, 5, 5)
    inputs[..., 2, 2] = 1
    at = augmented(inputs, RecipeAugmentation(crop_padding=2), [3], 0)[0, :, 0].flatten(1)
    assert at.sum(dim=1).eq(1).all(), "the middle stays in every crop"
    assert at.mean(dim=0).numpy() == pytest.approx(np.full(25, 1 / 25), abs=0.01)


def test_what_is_measured_is_measured_on_unchanged_pictures() -> None:
    recipe = TINY_CNN.model_copy(update={"augmentation": FLIP_AND_CROP})
    split = load_split(recipe.dataset, randomness_of(recipe))
    networks = planned_networks(recipe, randomness_of(recipe), split.input_shape, split.classes)
    plans = [networks[place].plan for place in grouped(networks, "cpu")[0]]
    rules = recipe.training.model_copy(update={"max_epochs": 3})
    with_, without = (
        train_together(plans, training_set(split, [plan.settings for plan in plans], own), rules, torch.device("cpu"))
        for own in (recipe.augmentation, None)
    )
    inputs, labels = torch.from_numpy(split.train_inputs), torch.from_numpy(split.train_labels)
    for plan, changed, unchanged in zip(plans, with_, without, strict=True):
        assert not torch.equal(changed.weights["0.weight"], unchanged.weights["0.weight"])
        network = build(plan.architecture).eval()
        network.load_state_dict(changed.weights)
        loss = functional.cross_entropy(network(inputs), labels)
        assert changed.train_loss == pytest.approx(loss.item(), rel=1e-4), "the loss that the rule stops at"


def tiny(name: str) -> Recipe:
    """A task of the competition as it is shipped, but for its size: four thin networks and two epochs."""
    content = named_recipe(name).model_dump(exclude_unset=True)
    content["axes"] = {"dropout": [0.0, 0.25], "weight_decay": [0.0, 0.001]}
    content["fixed"] = {"width": 8, "depth": 3, "dense": "", "learning_rate": 0.01, "batch_size": 32, "init_scale": 1.0}
    content["training"] |= {"max_epochs": 2}
    return Recipe.model_validate(content)


@pytest.mark.parametrize(
    ("name", "dataset", "channels"),
    [("pgdl-task6", "flowers, packed", 3), ("pgdl-task7", "pets", 4), ("pgdl-task9", "cifar-10 binary, packed", 3)],
)
def test_the_competitions_augmented_tasks_train_on_the_distributors_files(
    name: str, dataset: str, channels: int, tmp_path: Path
) -> None:
    recipe = tiny(name)
    assert recipe.augmentation == (FLIP_AND_CROP if name == "pgdl-task9" else POLICY)
    if dataset == "pets":
        written = pets_packed(tmp_path / recipe.dataset.name, has_trimap=True)
    else:
        written = WRITERS[dataset][1](tmp_path / recipe.dataset.name)
    train_zoo(recipe, tmp_path / "zoo", lambda _: None, TrainingOptions(data=tmp_path, jobs=1))
    zoo = open_zoo(tmp_path / "zoo")
    data = load_training_data(zoo)
    assert data.inputs.shape[1:] == (channels, 32, 32)
    stored = sorted(image.tobytes() for image in (data.inputs.numpy() * 255).round().astype(np.uint8))
    assert stored == sorted(image.tobytes() for image in written.train), "the zoo's pictures are the unchanged ones"
    for entry in zoo.networks:
        logits = load_network(zoo, entry.id)(data.inputs)
        metrics = zoo.truth().networks[entry.id].metrics
        assert metrics["train_acc"] == pytest.approx(float((logits.argmax(1) == data.labels).float().mean()), abs=1e-6)
        loss = functional.cross_entropy(logits, data.labels)
        assert metrics["train_loss"] == pytest.approx(loss.item(), rel=1e-4)
    verdicts = {item.name: item.verdict for item in check(tmp_path / "zoo").items}
    assert {verdicts[item] for item in ("training accuracy", "test accuracy", "training loss", "logits")} == {
        Verdict.OK
    }


VECTORS = {"name": "teacher", "training_size": 50, "test_size": 50, "dimension": 4, "classes": 3}


@pytest.mark.parametrize(
    ("augmentation", "dataset", "message"),
    [
        ({}, {}, r"augmentation\n.* it changes nothing; give policy, flip or crop_padding"),
        ({"flip": True, "policy_share": 0.5}, {}, "policy_share is the share of a policy, and there is none"),
        ({"flip": True}, VECTORS, "augmentation needs pictures, and these inputs are vectors"),
        ({"crop_padding": 8}, {}, "crop_padding = 8 must be below the pictures' side, 8"),
        ({"crop_padding": -1}, {}, "augmentation.crop_padding"),
        ({"policy": "autoaugment-cifar-10"}, {}, "needs a dataset of pictures in colour"),
        ({"policy": "autoaugment-cifar-10"}, {"name": "fashion-mnist"}, "needs a dataset of pictures in colour"),
        ({"policy": "autoaugment-svhn"}, {"name": "svhn"}, "augmentation.policy"),
        ({"policy": "autoaugment-cifar-10", "policy_share": 0.0}, {"name": "svhn"}, "augmentation.policy_share"),
    ],
)
def test_what_cannot_be_done_with_the_data_is_told(
    augmentation: dict[str, Any], dataset: dict[str, Any], message: str
) -> None:
    linear = {"fixed": {name: TINY_NIN.fixed.get(name, 0.1) for name in FIXED}, "axes": {"dropout": [0.0]}}
    with pytest.raises(ValueError, match=message):
        Recipe.model_validate(
            BASE
            | linear
            | {"family": "linear", "augmentation": augmentation}
            | ({"dataset": dataset} if dataset else {})
        )


FIXED = ("learning_rate", "weight_decay", "batch_size", "init_scale")


def test_the_page_lists_every_key_with_its_default() -> None:
    listed = {row[0].strip("`"): row[1] for row in table("augmentation")}
    shown = {name: str(field.default).lower() for name, field in RecipeAugmentation.model_fields.items()}
    assert listed == shown
