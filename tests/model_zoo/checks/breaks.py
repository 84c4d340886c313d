"""Ways to break a sound zoo, each with the item that tells of it. `test_check` and `test_items` use them."""

import json
import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from model_zoo.checks import Verdict
from tests.model_zoo.checks.zoos import (
    OWN_ARCHITECTURE,
    TEST,
    TRAINING,
    edit,
    edit_tensors,
    ids_in_grid_order,
    relist,
    rename_networks,
)

TRUTH = "private/truth.json"
LIST = "public/networks.json"
Break = Callable[[Path], object]


def weights_of(folder: Path, number: int = 0, role: str = "weights") -> str:
    name = json.loads((folder / LIST).read_text())["networks"][number][role]
    assert isinstance(name, str)
    return name


def truths(change: Callable[[list[dict[str, Any]]], object]) -> Break:
    """Change the truths of the networks, which stand in the order of their ids."""
    return lambda folder: edit(folder, TRUTH, lambda truth: change(list(truth["networks"].values())))


def manifest(**changed: object) -> Break:
    return lambda folder: edit(folder, "zoo.json", lambda content: content.update(changed))


def architecture(change: Callable[[dict[str, Any]], object]) -> Break:
    return lambda folder: edit(folder, LIST, lambda listed: change(listed["networks"][0]["architecture"]))


def metric(number: int | None, name: str, value: float) -> Break:
    """Record another value of a metric of one network, or of all."""

    def change(networks: list[dict[str, Any]]) -> None:
        for network in networks if number is None else [networks[number]]:
            network["metrics"][name] = value

    return truths(change)


@dataclass(frozen=True)
class Known:
    """What a break may look at of a network: its number in some order, its place on the grid, a metric."""

    number: int
    place: dict[str, float]
    metric: float = 0.0


def every_metric(name: str, of: Callable[[Known], float]) -> Break:
    def change(networks: list[dict[str, Any]]) -> None:
        for number, network in enumerate(networks):
            network["metrics"][name] = of(Known(number, network["hyperparameters"], network["metrics"][name]))

    return truths(change)


def tensors(role: str, change: Callable[[dict[str, Any]], object], number: int = 0) -> Break:
    return lambda folder: edit_tensors(folder, weights_of(folder, number, role), change)


def copied(role: str, number: int, to_role: str, to_number: int) -> Break:
    def copy(folder: Path) -> None:
        shutil.copy(folder / weights_of(folder, number, role), folder / weights_of(folder, to_number, to_role))
        relist(folder)

    return copy


def set_one(tensor: str, value: float) -> Callable[[dict[str, Any]], object]:
    return lambda found: found[tensor].flat.__setitem__(0, value)


def sibling_of_another_shape(folder: Path) -> None:
    name = json.loads((folder / LIST).read_text())["networks"][3]["siblings"][0]
    edit_tensors(folder, name, lambda found: found.update({"1.bias": np.zeros(3, np.float32)}))


def point_of_another_shape(folder: Path) -> None:
    name = json.loads((folder / LIST).read_text())["networks"][3]["trajectory"][1]["weights"]
    edit_tensors(folder, name, lambda found: found.update({"1.bias": np.zeros(3, np.float32)}))


def final_weights_in_the_trajectory(folder: Path) -> None:
    network = json.loads((folder / LIST).read_text())["networks"][3]
    (folder / network["trajectory"][1]["weights"]).write_bytes((folder / network["weights"]).read_bytes())
    relist(folder)


def without(*networks_and_keys: tuple[slice, str]) -> Break:
    """Networks at these places lose their siblings or their trajectories."""

    def cut(listed: Any) -> None:
        for networks, key in networks_and_keys:
            for network in listed["networks"][networks]:
                network.pop(key)

    return lambda folder: edit(folder, LIST, cut)


def truncate_unlisted(folder: Path) -> None:
    """A file that is not a safetensors file, with the digest to match."""
    (folder / weights_of(folder)).write_bytes(b"\0" * 100)
    relist(folder)


def put_training_inputs_into_the_test_set(folder: Path) -> None:
    test = load_file(folder / "private/test.safetensors")
    training = load_file(folder / "public/train.safetensors")
    inputs = test["inputs"].copy()
    inputs[:3] = training["inputs"][5]
    save_file({"inputs": inputs, "labels": test["labels"]}, folder / "private/test.safetensors")
    relist(folder)


def add_unlabelled(**named: Any) -> Break:
    def add(folder: Path) -> None:
        save_file(named, folder / "public/unlabelled.safetensors")
        edit(folder, "zoo.json", lambda content: content["files"].update({"public/unlabelled.safetensors": {}}))

    return add


def double_a_combination(networks: list[dict[str, Any]]) -> None:
    networks[0]["hyperparameters"] = dict(networks[1]["hyperparameters"])


def one_value(folder: Path) -> None:
    """A fourth axis that never varies."""

    def change(truth: dict[str, Any]) -> None:
        truth["axes"].append({"name": "depth", "values": [2]})
        for network in truth["networks"].values():
            network["hyperparameters"]["depth"] = 2

    edit(folder, TRUTH, change)


def only_axes(*names: str) -> Break:
    def change(truth: dict[str, Any]) -> None:
        truth["axes"] = [axis for axis in truth["axes"] if axis["name"] in names]
        for network in truth["networks"].values():
            network["hyperparameters"] = {name: network["hyperparameters"][name] for name in names}

    return lambda folder: edit(folder, TRUTH, change)


def unused_value(folder: Path) -> None:
    edit(folder, TRUTH, lambda truth: truth["axes"][0]["values"].append(0.5))


def gap_follows_tilt(known: Known) -> float:
    return 0.9 - known.place["tilt"] - known.number / 10_000


def renamed(name: Callable[[Known], str], order: Callable[[Path], Iterable[str]] = ids_in_grid_order) -> Break:
    """Give the networks ids by their number in `order` and their place."""

    def rename(folder: Path) -> None:
        truth = json.loads((folder / TRUTH).read_text())["networks"]
        names = {old: name(Known(number, truth[old]["hyperparameters"])) for number, old in enumerate(order(folder))}
        rename_networks(folder, names)

    return rename


def in_listed_order(folder: Path) -> list[str]:
    return [network["id"] for network in json.loads((folder / LIST).read_text())["networks"]]


def list_in_grid_order(folder: Path) -> None:
    order = ids_in_grid_order(folder)
    edit(folder, LIST, lambda listed: listed["networks"].sort(key=lambda network: order.index(network["id"])))


def times_in_grid_order(folder: Path) -> None:
    for number, identifier in enumerate(ids_in_grid_order(folder)):
        os.utime(folder / f"public/networks/{identifier}.safetensors", (1e9 + number, 1e9 + number))


def own_arguments(**arguments: object) -> Break:
    def change(folder: Path) -> None:
        (folder / "public/architecture.py").write_bytes(OWN_ARCHITECTURE)
        edit(folder, "zoo.json", lambda content: content["files"].update({"public/architecture.py": {}}))
        declared = {"family": "custom", "arguments": arguments}
        edit(folder, LIST, lambda listed: listed["networks"][0].update(architecture=declared))

    return change


LETTERS = "abcdefghijkl"
RECIPE = {"name": "digits-mlp", "seed": 1, "sha256": "0" * 64}
E, W = Verdict.ERROR, Verdict.WARNING
BREAKS: dict[str, tuple[Break, str, Verdict, str]] = {
    "no manifest": (lambda z: (z / "zoo.json").unlink(), "opens", E, r"^no zoo\.json here"),
    "a newer format": (manifest(format=2), "opens", E, r"^zoo\.json: format 2 is newer"),
    "a missing file": (
        lambda z: (z / "public/train.safetensors").unlink(),
        "opens",
        E,
        r"^public/train\.safetensors: No such file",
    ),
    "a changed file": (
        lambda z: (z / "private/test.safetensors").write_bytes(
            (z / "private/test.safetensors").read_bytes()[:-1] + b"\xff"
        ),
        "checksums",
        E,
        r"1 of 64 files are not those of zoo\.json: private/test\.safetensors\. Nothing else",
    ),
    "an unlisted file": (lambda z: (z / "notes.txt").write_text("x"), "unlisted", W, r"1 files .*: notes\.txt"),
    "a link": (lambda z: (z / "public/more").symlink_to("/etc"), "unlisted", E, r"links.*: public/more"),
    "labels too large": (
        lambda z: edit_tensors(z, "public/train.safetensors", lambda t: t["labels"].__setitem__(0, 2)),
        "training data",
        E,
        r"labels are from 0 to 2, not from 0 to 1",
    ),
    "infinite inputs": (
        lambda z: edit_tensors(z, "private/test.safetensors", set_one("inputs", np.inf)),
        "test data",
        E,
        r"1 inputs hold numbers that are not finite",
    ),
    "another shape": (
        manifest(input_shape=[1, 2, 8]),
        "training data",
        E,
        r"\[1, 4, 4\], the manifest says \[1, 2, 8\]",
    ),
    "fewer labels": (
        lambda z: edit_tensors(z, "public/train.safetensors", lambda t: t.update(labels=t["labels"][:-1])),
        "training data",
        E,
        rf"{TRAINING} inputs and {TRAINING - 1} labels",
    ),
    "more tensors": (
        lambda z: edit_tensors(z, "public/train.safetensors", lambda t: t.update(clean=t["labels"])),
        "training data",
        E,
        r"the tensors clean, inputs, labels, not inputs and labels",
    ),
    "an absent class": (manifest(classes=3), "training data", W, r"No example of the class 2 among 40"),
    "another test size": (
        lambda z: edit(z, TRUTH, lambda t: t.update(test_size=4000)),
        "test data",
        E,
        rf"it has {TEST} examples, but the truth was measured on 4000",
    ),
    "test examples in training": (put_training_inputs_into_the_test_set, "overlap", W, r"3 of 400 test inputs"),
    "labels beside unlabelled inputs": (
        add_unlabelled(inputs=np.zeros((2, 1, 4, 4), np.float32), labels=np.zeros(2, np.int64)),
        "unlabelled data",
        E,
        r"the tensors inputs, labels",
    ),
    "unlabelled inputs of another shape": (
        add_unlabelled(inputs=np.zeros((2, 1, 4, 5), np.float32)),
        "unlabelled data",
        E,
        r"\[1, 4, 5\]",
    ),
    "no truth": (
        lambda z: edit(z, "zoo.json", lambda m: m["files"].pop(TRUTH)),
        "truth",
        E,
        r"^only the public part of this zoo is here",
    ),
    "an uncomputable target": (manifest(targets=["ood_gap"]), "truth", E, r"needs the metric ood_acc"),
    "no tensors": (truncate_unlisted, "weight files", E, r"1 weight files cannot be read: public/networks/"),
    "nan": (
        tensors("weights", set_one("1.weight", np.nan)),
        "finite weights",
        E,
        r"1 weight files .*\(final: 1\.weight\)",
    ),
    "infinite initial weights": (
        tensors("initial", set_one("1.bias", np.inf)),
        "finite weights",
        E,
        r"\(initial: 1\.bias\)",
    ),
    "the same network twice": (copied("weights", 0, "weights", 1), "duplicates", E, r"more than once: \w+ = \w+\."),
    "an untrained network": (copied("initial", 0, "weights", 0), "duplicates", E, r"1 networks .* before and after"),
    "weights of another shape": (
        tensors("weights", lambda found: found.update({"1.bias": np.zeros(3, np.float32)})),
        "networks load",
        E,
        r"1 of 12 networks cannot be loaded: \w+\. .*1\.bias",
    ),
    "a tensor too many": (
        tensors("weights", lambda found: found.update({"lr_0.1": np.zeros(1, np.float32)})),
        "networks load",
        E,
        r"'lr_0\.1' belongs to no layer",
    ),
    "a sibling of another shape": (sibling_of_another_shape, "networks load", E, r"1 of 12 networks cannot be loaded"),
    "a point of the way of another shape": (point_of_another_shape, "networks load", E, r"1 of 12 networks cannot be"),
    "the end among the points of the way": (
        final_weights_in_the_trajectory,
        "duplicates",
        E,
        r"The trajectory of \w+ holds its initial or its final weights",
    ),
    "siblings for some networks only": (
        without((slice(3), "siblings")),
        "extended track",
        W,
        r"Some networks, but not all, have siblings",
    ),
    "nothing to offer": (
        without((slice(3), "siblings"), (slice(1), "trajectory")),
        "extended track",
        E,
        r"not every network has a sibling or a trajectory",
    ),
    "siblings that nobody gets": (
        manifest(tracks=["standard"]),
        "extended track",
        W,
        r"holds siblings, trajectories, but its tracks have no extended",
    ),
    "an unknown layer": (
        architecture(lambda declared: declared["layers"][0].update(type="magic")),
        "networks load",
        E,
        r"unknown type 'magic'",
    ),
    "more logits than classes": (
        manifest(classes=3),
        "logits",
        E,
        r"40 inputs give an output of shape \(40, 2\), not \(40, 3\)",
    ),
    "a layer that inputs do not fit": (
        architecture(lambda declared: declared["layers"].__setitem__(0, {"type": "relu"})),
        "logits",
        E,
        r"1 networks do not give finite logits: \w+\. On inputs of shape \(40, 1, 4, 4\): mat1",
    ),
    "infinite logits": (
        tensors("weights", lambda found: found["1.weight"].__imul__(np.float32(1e38))),
        "logits",
        E,
        r"1 networks do not give finite logits: \w+\. Some logits are nan or infinite",
    ),
    "another training accuracy": (
        metric(2, "train_acc", 0.95 - 1e-5),
        "training accuracy",
        E,
        r"1 of 12 networks .*recorded 0\.9500, found 1\.0000",
    ),
    "another test accuracy": (
        every_metric("test_acc", lambda known: known.metric - (0.006 if known.number == 4 else 0)),
        "test accuracy",
        E,
        r"1 of 12 networks have another test accuracy than recorded",
    ),
    "another training loss": (
        metric(0, "train_loss", 2.0),
        "training loss",
        W,
        r"1 of 12 networks .*recorded 2, found",
    ),
    "another test loss": (metric(0, "test_loss", 2.0), "test loss", W, r"1 of 12 networks .*recorded 2, found"),
    "a doubled combination": (truths(double_a_combination), "grid", E, r"1 of 12 combinations .*tilt=.*\(\w+, \w+\)"),
    "a missing combination": (unused_value, "grid", E, r"6 of 18 .*: tilt=0\.5, shake=0\.05, seed=0; .* and 3 more"),
    "an unused value": (unused_value, "axes", E, r"No network has tilt = 0\.5"),
    "one value": (one_value, "axes", W, r"Nothing varies along depth"),
    "one axis": (only_axes("seed"), "axes", E, r"The grid has 1 axes"),
    "a dominant axis": (
        every_metric("test_acc", gap_follows_tilt),
        "axis correlation: gap",
        W,
        r"^tilt alone explains",
    ),
    "constant gaps": (metric(None, "test_acc", 0.9), "spread: gap", E, r"a spread of 0\.0"),
    "gaps all alike": (
        every_metric("test_acc", lambda known: 0.9 + 0.02 * (known.number % 5 - 2)),
        "spread: gap",
        W,
        r"a spread of [12]\.\d .*Part of the order",
    ),
    "a pair that fixes the gap": (
        every_metric("test_acc", lambda known: 0.9 - (known.place["tilt"] + known.place["shake"]) / 3),
        "pairs: gap",
        E,
        r"every measure would score 0: tilt × shake\.",
    ),
    "per cent": (metric(1, "test_acc", 93.5), "accuracies", E, r"test_acc = 93\.5 of \w+"),
    "a failed training": (metric(1, "train_acc", 0.9), "trained alike", W, r"1 networks .*below the best \(1\.000\)"),
    "a high training loss": (
        metric(1, "train_loss", 1.5),
        "trained alike",
        W,
        r"1 networks have a training loss far above",
    ),
    "metadata": (
        lambda z: edit_tensors(z, weights_of(z), metadata={"format": "pt", "lr": "0.1"}),
        "metadata",
        E,
        r"1 public files carry texts: public/networks/\w+\.safetensors \(lr=0\.1\)",
    ),
    "the recipe of a hidden zoo": (
        manifest(recipe=RECIPE, truth_public=False),
        "recipe",
        E,
        r"recipe digits-mlp and its seed",
    ),
    "arguments that tell": (own_arguments(width=3, dropout=0.5), "arguments", E, r"the arguments dropout,"),
    "ids that name an axis": (
        renamed(lambda known: f"abcdef{(known.number * 7) % 12}-tilt"),
        "ids",
        E,
        r"name an axis",
    ),
    "ids that tell a value": (
        renamed(lambda known: f"zzzz{LETTERS[known.number]}x{known.place['seed']}", in_listed_order),
        "ids",
        E,
        r"own value of seed",
    ),
    "a counter": (
        renamed(lambda known: f"model_{known.number + 100}", in_listed_order),
        "ids",
        W,
        r"are a counter: model_1",
    ),
    "short ids": (
        renamed(lambda known: LETTERS[known.number] * 3, in_listed_order),
        "ids",
        W,
        r"12 ids are shorter",
    ),
    "ids in the grid's order": (
        renamed(lambda known: f"abcdef{known.number + 100}x"),
        "order",
        E,
        r"runs through the grid",
    ),
    "a list in the grid's order": (
        list_in_grid_order,
        "order",
        E,
        r"The order of public/networks\.json .*runs through the grid",
    ),
    "times in the grid's order": (times_in_grid_order, "times", E, r"The times of the weight files .*runs through"),
}
