"""Recipes: what is shipped, what a file may say, and the networks and settings that it comes to."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from torch import nn

from model_zoo.architectures import build
from model_zoo.manifest import TARGETS, ZooError
from model_zoo.recipes import RECIPES, Recipe, RecipeDataset, named_recipe, read_recipe
from model_zoo.recipes.families import FAMILIES, Declaration
from model_zoo.recipes.hyperparameters import MOVABLE, TRAINING
from model_zoo.training.datasets.downloaded import DISTRIBUTIONS
from tests.model_zoo.tiny_recipes import BASE, TINY_MLP

PUBLISHED = {
    "pgdl-task1": 96,
    "pgdl-task2": 54,
    "pgdl-task4": 96,
    "pgdl-task5": 64,
    "pgdl-task6": 96,
    "pgdl-task7": 48,
    "pgdl-task8": 64,
    "pgdl-task9": 32,
}


def recipe_of(**changes: Any) -> Recipe:
    return Recipe.model_validate(BASE | {"family": "mlp", "axes": {"width": [8]}, "fixed": MLP_FIXED} | changes)


MLP_FIXED = {
    "depth": 1,
    "learning_rate": 0.1,
    "weight_decay": 0.0,
    "dropout": 0.0,
    "batch_size": 10,
    "init_scale": 1.0,
}


def declarations(recipe: Recipe) -> list[Declaration]:
    shape, classes = recipe.dataset.input_shape, recipe.dataset.classes
    return [FAMILIES[recipe.family].declare(shape, classes, {**recipe.fixed, **point}) for point in recipe.grid()]


def parameters(architecture: Any) -> int:
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in build(architecture).parameters())


def test_recipes_shipped_are_known_by_their_names() -> None:
    assert {name: read_recipe(path).name for name, path in RECIPES.items()} == {name: name for name in RECIPES}
    with pytest.raises(ZooError, match=f"no recipe 'digit'; known are {', '.join(RECIPES)}"):
        named_recipe("digit")


def test_the_tasks_of_the_competition_have_as_many_networks_as_the_published_zoos() -> None:
    assert {name: len(named_recipe(name).grid()) for name in PUBLISHED} == PUBLISHED


def test_no_shipped_recipe_claims_to_hide_what_its_public_seed_tells() -> None:
    """Ids come from the seed, and the seeds of shipped recipes are known to everybody."""
    assert all(named_recipe(name).truth_public for name in RECIPES)


def test_a_recipe_with_hidden_truth_among_the_shipped_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "secret.toml"
    lines = [line for line in RECIPES["digits-mlp"].read_text().splitlines() if not line.startswith("seed = ")]
    path.write_text("\n".join(["truth_public = false", *lines]))
    monkeypatch.setattr("model_zoo.recipes.RECIPES", {"secret": path})
    with pytest.raises(ZooError, match="hidden truth must not be shipped; move the file elsewhere"):
        named_recipe("secret")


def test_the_demo_recipes_are_the_grids_they_have_always_been() -> None:
    mlp, cnn = named_recipe("digits-mlp"), named_recipe("digits-cnn")
    assert (mlp.seed, mlp.family, len(mlp.grid()), mlp.targets, mlp.tracks) == (
        20201122,
        "mlp",
        96,
        ["gap"],
        ["standard"],
    )
    assert list(mlp.axes) == ["width", "depth", "learning_rate", "weight_decay", "dropout", "init_scale"]
    assert (cnn.seed, cnn.family, len(cnn.grid())) == (20201122, "cnn", 64)
    assert list(cnn.axes) == ["width", "depth", "batch_norm", "learning_rate", "weight_decay", "init_scale"]


@pytest.mark.parametrize("name", RECIPES)
def test_every_network_of_a_shipped_recipe_maps_its_datasets_inputs_to_its_classes(name: str) -> None:
    recipe = named_recipe(name)
    for architecture in {
        str(declared.architecture): declared.architecture for declared in declarations(recipe)
    }.values():
        with torch.device("meta"):
            logits = build(architecture).eval()(torch.zeros(2, *recipe.dataset.input_shape))
        assert logits.shape == (2, recipe.dataset.classes)


@pytest.mark.parametrize("name", RECIPES)
def test_dropout_follows_layers_of_the_declared_size(name: str) -> None:
    recipe = named_recipe(name)
    for declared in (declarations(recipe)[0], declarations(recipe)[-1]):
        with torch.device("meta"):
            network, x = build(declared.architecture).eval(), torch.zeros(2, *recipe.dataset.input_shape)
            sizes = {}
            for index, layer in enumerate(network):
                x = layer(x)
                sizes[index] = x[0].numel()
        assert declared.dropout_after
        assert {index: sizes[index] for index in declared.dropout_after} == declared.dropout_after


def test_networks_of_a_fixed_number_of_parameters_differ_by_at_most_one_percent() -> None:
    recipe = named_recipe("fixed-parameters")
    counts = {parameters(declared.architecture) for declared in declarations(recipe)}
    assert len(counts) == len(recipe.axes["depth"])
    assert all(abs(count - 40_000) <= 400 for count in counts)


@given(parameters_wanted=st.integers(30_000, 3_000_000), depth=st.integers(1, 5))
def test_the_width_for_a_number_of_parameters_is_the_closest(parameters_wanted: int, depth: int) -> None:
    given_ = {"parameters": parameters_wanted, "depth": depth}
    solved = FAMILIES["mlp_of_parameters"].declare([1, 8, 8], 10, given_).architecture
    layers = build(solved)
    width = next(layer.out_features for layer in layers if isinstance(layer, nn.Linear))

    def off(width: int) -> int:
        made = FAMILIES["mlp"].declare([1, 8, 8], 10, {"width": width, "depth": depth})
        return abs(parameters(made.architecture) - parameters_wanted)

    assert off(width) <= min(off(width - 1), off(width + 1))


def test_fully_convolutional_networks_have_the_parameters_of_their_axis_and_never_shrink_the_image() -> None:
    recipe = named_recipe("pgdl-task4")
    for point, declared in zip(recipe.grid(), declarations(recipe), strict=True):
        count = parameters(declared.architecture)
        assert count == pytest.approx(point["parameters"], rel=0.02)
        kinds = [layer for layer in build(declared.architecture) if isinstance(layer, nn.Conv2d)]
        widths = [layer.out_channels for layer in kinds[:-1]]
        assert len(widths) == point["depth"]
        assert (widths == sorted(widths)) is not point["reverse"]
        assert all(layer.stride == (1, 1) for layer in kinds)


def test_a_vgg_halves_its_width_towards_the_input() -> None:
    hyperparameters = {"convwidth": 256, "num_conv_blocks": 3, "num_dense_layers": 2, "dense_width": 128}
    network = build(FAMILIES["vgg"].declare([3, 32, 32], 10, hyperparameters).architecture)
    assert [layer.out_channels for layer in network if isinstance(layer, nn.Conv2d)] == [64, 64, 128, 128, 256, 256]
    assert [layer.out_features for layer in network if isinstance(layer, nn.Linear)] == [128, 128, 10]
    assert sum(isinstance(layer, nn.MaxPool2d) for layer in network) == 3


def test_a_resnet_has_the_layers_and_parameters_of_the_paper() -> None:
    """He et al. 2016, table 6: ResNet-20 for CIFAR-10 has 0.27 million parameters."""
    network = build(FAMILIES["resnet"].declare([3, 32, 32], 10, {"depth": 20, "width": 16}).architecture)
    threes = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d) and layer.kernel_size == (3, 3)]
    assert len(threes) == 19
    assert sum(parameter.numel() for parameter in network.parameters()) == pytest.approx(270_000, rel=0.02)


def test_a_vision_transformer_is_built_of_attention_and_mlps() -> None:
    declared = FAMILIES["vit"].declare([1, 8, 8], 10, {"width": 16, "depth": 2, "heads": 4, "patch": 2})
    assert build(declared.architecture)(torch.zeros(3, 1, 8, 8)).shape == (3, 10)
    assert str(declared.architecture).count("'attention'") == 2


@pytest.mark.parametrize(
    ("family", "shape", "hyperparameters", "message"),
    [
        ("resnet", [3, 32, 32], {"depth": 10, "width": 16}, r"depth = 10 must be 6 n \+ 2"),
        ("nin", [3, 32, 32], {"depth": 7, "width": 16, "dense": ""}, "depth = 7 must be a multiple of 3"),
        ("vit", [1, 8, 8], {"width": 16, "depth": 1, "heads": 4, "patch": 3}, "patch = 3 does not divide"),
        ("vit", [1, 8, 8], {"width": 15, "depth": 1, "heads": 4, "patch": 2}, "width = 15 must be a multiple of"),
        ("cnn", [1, 2, 8], {"width": 4, "depth": 2, "batch_norm": False}, "too many poolings for images that are 1×4"),
        (
            "vgg",
            [1, 8, 8],
            {"convwidth": 2, "num_conv_blocks": 3, "num_dense_layers": 1, "dense_width": 8},
            "convwidth = 2 cannot be halved 2 times",
        ),
        ("mlp_of_parameters", [1, 8, 8], {"parameters": 100, "depth": 1}, "no width comes within 2 %, the closest"),
    ],
)
def test_hyperparameters_that_do_not_go_together_are_told(
    family: Any, shape: list[int], hyperparameters: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        FAMILIES[family].declare(shape, 10, hyperparameters)


def test_settings_come_from_the_axes_the_fixed_values_and_the_tables() -> None:
    recipe = recipe_of(
        dataset={"name": "digits", "training_size": 60},
        training={"stop_loss": 0.1, "max_epochs": 5, "momentum": 0.5, "rho": 0.1},
        axes={"width": [8], "optimizer": ["adam", "sam"], "label_noise": [0.0, 0.3], "training_size": [20, 60]},
        targets=["test_error"],
    )
    assert len(recipe.grid()) == 8
    last = recipe.settings(recipe.grid()[-1])
    assert (last.optimizer, last.label_noise, last.training_size) == ("sam", 0.3, 60)
    assert (last.momentum, last.rho, last.learning_rate, last.batch_size) == (0.5, 0.1, 0.1, 10)
    first = recipe.settings(recipe.grid()[0])
    assert (first.optimizer, first.label_noise, first.training_size) == ("adam", 0.0, 20)
    plain = TINY_MLP.settings(TINY_MLP.grid()[0])
    assert (plain.optimizer, plain.momentum, plain.label_noise, plain.training_size) == ("sgd", 0.9, 0.0, 50)


def test_further_seeds_are_an_axis_or_siblings() -> None:
    axis = recipe_of(seeds=3)
    assert [point["seed"] for point in axis.grid()] == [0, 1, 2]
    assert [(axis.name, axis.values) for axis in axis.truth_axes()] == [("width", [8]), ("seed", [0, 1, 2])]
    assert axis.siblings == 0
    extended = recipe_of(seeds=3, tracks=["standard", "extended"])
    assert extended.grid() == [{"width": 8}]
    assert extended.siblings == 2


def test_trajectories_are_of_the_extended_track_and_in_order() -> None:
    training = {"stop_loss": 0.1, "max_epochs": 9, "trajectory": [1, 4]}
    assert recipe_of(training=training, tracks=["standard", "extended"]).training.trajectory == [1, 4]
    with pytest.raises(ValueError, match="a trajectory is for the extended track"):
        recipe_of(training=training)
    with pytest.raises(ValueError, match=r"trajectory = \[4, 1\] must be different epochs in order"):
        recipe_of(training=training | {"trajectory": [4, 1]}, tracks=["standard", "extended"])


def test_a_default_that_is_written_out_is_the_same_recipe() -> None:
    assert recipe_of(truth_public=True, seeds=1).sha256 == recipe_of().sha256
    assert recipe_of(seeds=2).sha256 != recipe_of().sha256


def test_the_learning_rate_falls_after_the_epochs_named() -> None:
    training = recipe_of(training={"stop_loss": 0.1, "max_epochs": 9, "decay": 0.5, "decay_after": [2, 4]}).training
    assert [training.rate_factor(epoch) for epoch in range(1, 7)] == [1, 1, 0.5, 0.5, 0.25, 0.25]


def test_metrics_are_those_that_the_recipe_asks_for() -> None:
    assert not recipe_of().metrics & {"ood_acc", "robust_acc", "true_risk"}
    asking = recipe_of(
        dataset={"name": "digits", "training_size": 60, "shift": {"kind": "noise", "amount": 0.2}},
        robust={"epsilon": 0.1},
        targets=[*TARGETS, "test_loss"],
    )
    assert {"ood_acc", "robust_acc"} < asking.metrics
    assert {"true_risk", "true_gap"} < named_recipe("linear-risk").metrics


def test_only_the_content_of_a_recipe_makes_its_digest(tmp_path: Path) -> None:
    text = RECIPES["digits-mlp"].read_text()
    commented = tmp_path / "recipe.toml"
    commented.write_text(f"# another comment\n{text}")
    assert read_recipe(commented).sha256 == named_recipe("digits-mlp").sha256
    commented.write_text(text.replace("seed = ", "seed = 1"))
    assert read_recipe(commented).sha256 != named_recipe("digits-mlp").sha256


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
        ("depth = [1, 2, 3]", "depth = [1, 2.5]", "depth = 2.5 must be an integer of at least 1"),
        ("depth = [1, 2, 3]", "depth = [true, 2]", "depth = True must be an integer of at least 1"),
        ("learning_rate = [0.005, 0.015]", "learning_rate = [0.0]", "learning_rate = 0.0 must be a number above 0"),
        ("learning_rate = [0.005, 0.015]", 'learning_rate = ["fast"]', "learning_rate = fast must be a number"),
        ("seed = ", "seed = = ", "not TOML"),
        ("seed = 20201122\n", "", "seed is missing"),
        ("seed = ", "truth_public = false\nseed = ", "truth_public = false must have no seed.*remove the line 'seed"),
        ('family = "mlp"', 'family = "mlpp"', "family: Input should be 'mlp', 'mlp_of_parameters'"),
        ('name = "digits"\n', 'name = "digit"\n', "dataset: Input tag 'digit' found using 'name'"),
        ("batch_size = 20", 'batch_size = 20\noptimizer = "adam"', r"optimizer cannot be fixed; .* \[training\]"),
        ("[axes]", "[axes]\nmomentum = [0.0, 0.9]", r"momentum is both an axis and under \[training\]"),
        ("[axes]", '[axes]\noptimizer = ["sgd", "lbfgs"]', "optimizer = lbfgs must be one of sgd, adam, sam"),
        ("[axes]", "[axes]\ntraining_size = [50, 101]", r"training_size = 101 is more than the 100 under \[dataset\]"),
        (
            "[axes]",
            "[axes]\nlabel_noise = [0.0, 0.5]",
            "the target gap compares .* axis label_noise .* take test_error",
        ),
        ('family = "mlp"', 'family = "mlp"\ntargets = ["ood_gap"]', "ood_gap needs the metric ood_acc"),
        ('family = "mlp"', 'family = "mlp"\ntargets = ["true_gap"]', "true_gap needs the metric true_gap"),
        ("momentum = 0.9", "momentum = 0.9\ndecay_after = [5, 3]", "must be different epochs in order"),
    ],
)
def test_a_faulty_recipe_is_told(tmp_path: Path, before: str, after: str, message: str) -> None:
    text = RECIPES["digits-mlp"].read_text()
    assert before in text
    faulty = tmp_path / "recipe.toml"
    faulty.write_text(text.replace(before, after, 1))
    with pytest.raises(ZooError, match=f"{faulty}.*{message}"):
        read_recipe(faulty)


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        ({"name": "teacher", "training_size": 50, "dimension": 4, "classes": 3}, "dataset.teacher.test_size"),
        ({"name": "gaussian-mixture", "dimension": 4}, "dataset.gaussian-mixture.training_size"),
        (
            {
                "name": "noisy-linear",
                "training_size": 50,
                "test_size": 50,
                "dimension": 4,
                "noise": 0.1,
                "shift": {"kind": "rotation", "amount": 5.0},
            },
            "shift.kind = rotation needs pictures",
        ),
        (
            {"name": "digits", "training_size": 50, "shift": {"kind": "label_shift", "amount": 1.5}},
            "amount of a label_shift must be below 1",
        ),
        ({"name": "digits", "training_size": 50, "label_noise": 1.0}, "label_noise"),
        ({"name": "cifar-10", "trimap": True}, "trimap is for oxford-iiit-pet"),
    ],
)
def test_a_faulty_dataset_is_told(dataset: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        recipe_of(dataset=dataset)


def test_a_recipe_whose_networks_cannot_be_declared_is_told_when_it_is_read(tmp_path: Path) -> None:
    faulty = tmp_path / "recipe.toml"
    faulty.write_text(RECIPES["pgdl-task9"].read_text().replace("depth = [9, 12]", "depth = [9, 11]"))
    with pytest.raises(ZooError, match=f"{faulty}.*depth = 11 must be a multiple of 3"):
        read_recipe(faulty)


def test_a_recipe_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ZooError, match=r"none\.toml: No such file"):
        read_recipe(tmp_path / "none.toml")


def test_every_shipped_file_says_which_values_are_published_and_which_are_ours() -> None:
    for name in (*PUBLISHED, "fantastic-measures"):
        text = RECIPES[name].read_text()
        assert "Published" in text
        assert "our choice" in text.lower()


PAGE = Path(__file__).parents[3] / "docs" / "recipes.md"


def table(name: str) -> list[list[str]]:
    """The cells of each row of a table of the page, without its headings."""
    part = PAGE.read_text().split(f"<!-- {name}: compared")[1].split("<!-- end -->")[0]
    rows = [line for line in part.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]


def named(cell: str) -> list[str]:
    return re.findall(r"`([\w-]+)`", cell)


def test_the_page_lists_every_hyperparameter_family_dataset_and_metric() -> None:
    assert [named(row[0])[0] for row in table("hyperparameters")] == list(TRAINING)
    assert [named(row[0])[0] for row in table("movable")] == list(MOVABLE)
    families = {named(row[0])[0]: set(named(row[1])) for row in table("families")}
    assert families == {name: family.hyperparameters for name, family in FAMILIES.items()}
    known = TypeAdapter(RecipeDataset).json_schema()["$defs"]
    drawn = {known[kind]["properties"]["name"]["const"] for kind in known if kind not in ("FileData", "RecipeShift")}
    assert {named(row[0])[0] for row in table("drawn")} == drawn
    files = {named(row[0])[0]: (row[1], row[2]) for row in table("files")}
    assert files == {name: (known.files, known.page) for name, known in DISTRIBUTIONS.items()}
    assert files.keys() == set(known["FileData"]["properties"]["name"]["enum"])
    everything = named_recipe("linear-risk").metrics | named_recipe("optimizers").metrics
    assert {metric for row in table("metrics") for metric in named(row[0])} == everything


def test_the_recipe_shown_on_the_page_is_one(tmp_path: Path) -> None:
    (shown,) = re.findall(r"^```toml\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    path = tmp_path / "shown.toml"
    path.write_text(shown)
    recipe = read_recipe(path)
    assert len(recipe.grid()) == 18
    for name, field in Recipe.model_fields.items():
        if name in ("tracks", "targets", "seeds"):
            assert getattr(recipe, name) == field.get_default(), f"the page calls {name}'s value the default"


def test_the_page_lists_every_shipped_recipe() -> None:
    text = PAGE.read_text()
    assert all(f"`{name}`" in text for name in RECIPES if not name.startswith("pgdl-"))
