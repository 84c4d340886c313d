"""Ways to change a sound zoo so that one thing is wrong with it. `breaks` and `test_check` use them."""

import json
import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from tests.model_zoo.checks.zoos import OWN_ARCHITECTURE, edit, edit_tensors, ids_in_grid_order, relist, rename_networks

TRUTH = "private/truth.json"
KEY = "private/key.json"
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


def counted_steps(folder: Path) -> None:
    edit_tensors(folder, weights_of(folder), lambda held: held.update({"1.num_batches_tracked": np.array(60)}))


def counted_steps_of_a_hidden_zoo(folder: Path) -> None:
    manifest(truth_public=False)(folder)
    counted_steps(folder)


def with_key(content: bytes) -> Break:
    """Hide the truth, and put a file in the place of the key."""

    def add(folder: Path) -> None:
        (folder / KEY).write_bytes(content)
        edit(folder, "zoo.json", lambda held: held.update(truth_public=False, files=held["files"] | {KEY: {}}))

    return add


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
