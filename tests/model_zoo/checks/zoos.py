"""A small zoo without any fault, and ways to break it: every change leaves the digests as a careful organizer would."""

import itertools
import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from model_zoo.checks.report import CheckReport, Item, Verdict
from model_zoo.checks.runner import check_folder
from model_zoo.checks.torch_measurer import Measurer
from model_zoo.manifest import Axis, DatasetCard, NetworkTruth, ZooCard
from model_zoo.writer import new_zoo, opaque_ids
from model_zoo.zoo import sha256_of

Array = NDArray[np.float32]
FEATURES = 16
TRAINING = 40
TEST = 400
OWN_ARCHITECTURE = b"""
from torch import nn


def build(inputs, outputs):
    return nn.Sequential(nn.Flatten(), nn.Linear(inputs, outputs))
"""


@dataclass(frozen=True)
class Data:
    inputs: Array
    labels: NDArray[np.int64]


def make_sound_zoo(
    folder: Path, *, copies: int = 3, own_architecture: bool = False, extended: bool = False, **card: object
) -> Path:
    """4 x copies linear networks, a teacher's weights plus noise: all fit the training data, none the test data alike.

    Axes: tilt and shake, how much noise of two kinds there is, and seed. extended: with siblings and trajectories.
    """
    random = np.random.default_rng(5)
    teacher = random.normal(size=FEATURES)
    training = _labelled(random, teacher, TRAINING, margin=1.5)
    test = _labelled(random, teacher, TEST, margin=0.0)
    axes = [
        Axis(name="tilt", values=[0.05, 0.25]),
        Axis(name="shake", values=[0.05, 0.2]),
        Axis(name="seed", values=list(range(copies))),
    ]
    grid = list(itertools.product(*(axis.values for axis in axes)))
    declared = {"type": "linear", "inputs": FEATURES, "outputs": 2}
    architecture: dict[str, object] = {"family": "sequential", "layers": [{"type": "flatten"}, declared]}
    if own_architecture:
        architecture = {"family": "custom", "arguments": {"inputs": FEATURES, "outputs": 2}}
    with new_zoo(folder) as writer:
        if own_architecture:
            writer.architecture_code(OWN_ARCHITECTURE)
        writer.training_data(training.inputs, training.labels)
        writer.test_data(test.inputs, test.labels)
        for network_id, point in sorted(zip(opaque_ids(len(grid), zlib.crc32(b"sound")), grid, strict=True)):
            noise = float(point[0]) * random.normal(size=FEATURES) + float(point[1]) * random.normal(size=FEATURES)
            weights = linear(teacher + noise)
            metrics = fit(weights, training, "train") | fit(weights, test, "test")
            truth = NetworkTruth(
                hyperparameters={axis.name: value for axis, value in zip(axes, point, strict=True)}, metrics=metrics
            )
            writer.network(network_id, architecture, weights, linear(noise), truth)
            if extended:
                writer.sibling(network_id, linear(teacher + 1.5 * noise))
                for epoch in (1, 2):
                    writer.trajectory(network_id, epoch, linear(epoch / 3 * teacher + noise))
        about: dict[str, Any] = {
            "name": "sound",
            "title": "A sound zoo",
            "dataset": DatasetCard(name="noise", source="random", licence="CC0-1.0"),
            "input_shape": [1, 4, 4],
            "classes": 2,
            "truth_public": True,
            "tracks": ["standard", "extended"] if extended else ["standard"],
        }
        writer.finish(ZooCard(**about | card), axes, TEST)
    return folder


def linear(weight: NDArray[np.float64]) -> dict[str, Array]:
    """A network that looks at the sign of one direction."""
    return {"1.weight": np.stack([-weight, weight]).astype(np.float32), "1.bias": np.zeros(2, np.float32)}


def fit(weights: Mapping[str, Array], data: Data, which: str) -> dict[str, float]:
    logits = data.inputs.reshape(len(data.inputs), -1) @ weights["1.weight"].T + weights["1.bias"]
    log_shares = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    losses = -log_shares[np.arange(len(data.labels)), data.labels]
    return {
        f"{which}_acc": float((logits.argmax(axis=1) == data.labels).mean()),
        f"{which}_loss": float(losses.mean()),
    }


def _labelled(random: np.random.Generator, teacher: NDArray[np.float64], count: int, margin: float) -> Data:
    inputs = random.normal(size=(30 * count, FEATURES))
    inputs = inputs[np.abs(inputs @ teacher) / np.linalg.norm(teacher) >= margin][:count]
    assert len(inputs) == count
    labels = (inputs @ teacher > 0).astype(np.int64)
    return Data(inputs.astype(np.float32).reshape(count, 1, 4, 4), labels)


def edit(folder: Path, name: str, change: Callable[[Any], object]) -> None:
    """Change the content of a JSON file in place."""
    content = json.loads((folder / name).read_text())
    change(content)
    (folder / name).write_text(json.dumps(content))
    relist(folder)


def edit_tensors(
    folder: Path,
    name: str,
    change: Callable[[dict[str, Any]], object] = lambda _: None,
    metadata: dict[str, str] | None = None,
) -> None:
    """Change the tensors of a safetensors file in place, and what its header says."""
    tensors = dict(load_file(folder / name))
    change(tensors)
    save_file(tensors, folder / name, metadata=metadata)
    relist(folder)


def relist(folder: Path) -> None:
    """Bring the digests in zoo.json up to date."""
    manifest = json.loads((folder / "zoo.json").read_text())
    for name in manifest["files"]:
        path = folder / name
        manifest["files"][name] = {"sha256": sha256_of(path), "bytes": path.stat().st_size}
    (folder / "zoo.json").write_text(json.dumps(manifest))


def rename_networks(folder: Path, names: Mapping[str, str]) -> None:
    """Give networks other ids, in files, list and truth; the list follows the order of `names`."""
    manifest = json.loads((folder / "zoo.json").read_text())
    listed = json.loads((folder / "public/networks.json").read_text())
    truth = json.loads((folder / "private/truth.json").read_text())
    by_id = {entry["id"]: entry for entry in listed["networks"]}
    listed["networks"] = []
    for old, new in names.items():
        entry = by_id[old]
        for role in ("weights", "initial"):
            moved = entry[role].replace(old, new)
            (folder / entry[role]).rename(folder / moved)
            manifest["files"][moved] = manifest["files"].pop(entry[role])
            entry[role] = moved
        listed["networks"].append(entry | {"id": new})
    truth["networks"] = {new: truth["networks"][old] for old, new in names.items()}
    (folder / "public/networks.json").write_text(json.dumps(listed))
    (folder / "private/truth.json").write_text(json.dumps(truth))
    (folder / "zoo.json").write_text(json.dumps(manifest))
    relist(folder)


def ids_in_grid_order(folder: Path) -> list[str]:
    truth = json.loads((folder / "private/truth.json").read_text())
    return sorted(
        truth["networks"], key=lambda identifier: tuple(truth["networks"][identifier]["hyperparameters"].values())
    )


def check(folder: Path) -> CheckReport:
    return check_folder(folder, Measurer, watch=lambda *_: None, jobs=1)


def item(report: CheckReport, name: str) -> Item:
    found = [each for each in report.items if each.name == name]
    assert len(found) == 1, [each.name for each in report.items]
    return found[0]


def fired(report: CheckReport) -> dict[str, Verdict]:
    """The items that are not ok."""
    return {each.name: each.verdict for each in report.items if each.verdict is not Verdict.OK}
