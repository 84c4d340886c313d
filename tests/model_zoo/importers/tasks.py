"""Tasks in PGDL's layout, written for tests the way Keras and the organizers wrote theirs."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from model_zoo.importers.import_request import ImportReport, PgdlRequest
from model_zoo.importers.pgdl import import_pgdl
from tests.model_zoo.importers.keras_plain import Float, Layer, Shape, forward, random_arrays
from tests.model_zoo.importers.wire import Storage, shard

_WITH_WEIGHTS = {
    "Conv2D": ("conv2d", ("kernel", "bias")),
    "DepthwiseConv2D": ("depthwise_conv2d", ("depthwise_kernel", "bias")),
    "Dense": ("dense", ("kernel", "bias")),
    "BatchNormalization": ("batch_normalization", ("gamma", "beta", "moving_mean", "moving_variance")),
}


def write_weights(
    path: Path, layers: Sequence[Layer], arrays: Sequence[Sequence[Float]], below: str = "", first: int = 0
) -> None:
    """As Keras' save_weights. below: the group that holds it all. first: the number of the first layer of a kind."""
    with h5py.File(path, "w") as file:
        root = file.require_group(below) if below else file
        names: list[bytes] = []
        counts: dict[str, int] = {}
        for layer, own in zip(layers, arrays, strict=True):
            kind, parts = _WITH_WEIGHTS.get(layer["layer_name"], (layer["layer_name"].lower(), ()))
            number = counts.setdefault(kind, first)
            counts[kind] += 1
            name = f"{kind}_{number}" if number else kind
            if kind == "batch_normalization":
                kept = (layer.get("scale", True), layer.get("center", True), True, True)
                parts = tuple(part for part, keep in zip(parts, kept, strict=True) if keep)
            group = root.create_group(name)
            weights = [f"{name}/{part}:0" for part in parts[: len(own)]]
            for weight, array in zip(weights, own, strict=True):
                group.create_dataset(weight, data=array.astype(np.float32))
            group.attrs["weight_names"] = [weight.encode() for weight in weights]
            names.append(name.encode())
        root.attrs["layer_names"] = names


def unwatched(done: int, total: int, text: str) -> None:
    """Nobody looks at the progress."""


@dataclass
class Task:
    """A task of PGDL on disk. folder: input_data/<task>. networks: name → layers and the arrays of each."""

    folder: Path
    reference: Path
    inputs: NDArray[np.float32]
    labels: NDArray[np.int64]
    networks: dict[str, tuple[list[Layer], list[list[Float]]]]

    def network_file(self, name: str, file: str = "weights.hdf5") -> Path:
        return self.folder / f"model_{name}" / file

    @property
    def reference_file(self) -> Path:
        return self.reference / "task1" / "model_configs.json"

    @property
    def shards(self) -> list[Path]:
        return sorted((self.folder / "dataset_1" / "train").iterdir())

    def importing(self, out: Path, **options: Any) -> ImportReport:
        request = PgdlRequest(task=self.folder, reference=self.reference, out=out, device="cpu", **options)
        return import_pgdl(request, unwatched)


def small_layers(width: int) -> list[Layer]:
    return [
        {"layer_name": "Conv2D", "filters": float(width), "kernel_size": 2.0, "activation": "relu"},
        {"layer_name": "Flatten"},
        {"layer_name": "Dropout", "rate": 0.5},
        {"layer_name": "Dense", "units": 3.0},
    ]


def write_task(
    root: Path, shape: Shape = (4, 3, 2), examples: int = 20, storage: Storage = "content", seed: int = 0
) -> Task:
    """Four networks over the axes width and rate, with two shards of random examples and true accuracies."""
    generator = np.random.default_rng(seed)
    inputs = generator.normal(size=(examples, *shape)).astype(np.float32)
    labels = generator.integers(3, size=examples)
    task = Task(root / "input_data" / "task1", root / "reference_data", inputs, labels, {})
    for number, half in enumerate(np.array_split(np.arange(examples), 2)):
        path = task.folder / "dataset_1" / "train" / f"shard_{number}.tfrecord"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(shard(inputs[half], labels[half].tolist(), storage))
    configs: dict[str, object] = {}
    widths, rates = [4.0, 8.0], [0.0, 0.5]
    for number, (width, rate) in enumerate(product(widths, rates)):
        name = str(10 + number)
        layers = small_layers(int(width) // 2)
        arrays = random_arrays(layers, shape, generator)
        task.networks[name] = (layers, arrays)
        folder = task.folder / f"model_{name}"
        folder.mkdir()
        (folder / "config.json").write_text(
            json.dumps({"model_config": layers, "input_shape": list(map(float, shape))})
        )
        write_weights(folder / "weights.hdf5", layers, arrays)
        write_weights(folder / "weights_init.hdf5", layers, random_arrays(layers, shape, generator), first=9)
        outputs = forward(layers, arrays, inputs.astype(np.float64))
        train_acc = float((outputs.argmax(axis=1) == labels).mean())
        configs[name] = {
            "dev_name": f"m{name}",
            "hparams": {
                "width": {"current_value": width, "possible_values": widths},
                "rate": {"current_value": rate, "possible_values": rates},
            },
            "metrics": {"train_acc": train_acc, "test_acc": (10 - number) / 40, "train_loss": 0.5},
        }
    path = task.reference / "task1" / "model_configs.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(configs))
    return task


def edit(path: Path, change: Callable[[Any], object]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def left_beside(zoo: Path) -> set[str]:
    """The names of what is in the zoo's folder, hidden ones too."""
    return {path.name for path in zoo.parent.iterdir()}
