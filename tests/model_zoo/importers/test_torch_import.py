"""Importing a folder of PyTorch weights with a table of hyperparameters and metrics."""

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import save_file
from torch import Tensor, nn

from model_zoo import ZooError, open_zoo
from model_zoo.importers.import_request import ImportReport, TorchRequest
from model_zoo.importers.weight_folder import import_torch
from model_zoo.loading import load_network, load_test_data, load_training_data
from server.commands.zoo.zoo import command
from tests.model_zoo.importers.tasks import unwatched

Row = dict[str, object]


class OwnNetwork(nn.Module):
    """A network as its author wrote it, with names of its own, in the order of the declaration below."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(1, 4, 3)
        self.normalization = nn.BatchNorm2d(4)
        self.head = nn.Linear(4 * 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.relu(self.normalization(self.convolution(x)))
        result: Tensor = self.head(hidden.flatten(1))
        return result


DECLARATION = {
    "family": "sequential",
    "layers": [
        {"type": "conv2d", "inputs": 1, "outputs": 4, "kernel": 3},
        {"type": "batchnorm2d", "features": 4},
        {"type": "relu"},
        {"type": "flatten"},
        {"type": "linear", "inputs": 16, "outputs": 3},
    ],
}
DECLARED_NAMES = {"convolution": "0", "normalization": "1", "head": "4"}


def with_declared_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        f"{DECLARED_NAMES[name.split('.')[0]]}.{name.split('.')[1]}": value.contiguous()
        for name, value in state.items()
    }


@dataclass
class Folder:
    """A folder of four networks with its table."""

    path: Path
    table: Path
    architecture: Path
    networks: dict[str, OwnNetwork]
    inputs: Tensor
    labels: Tensor
    rows: list[Row]

    def write_csv(self) -> None:
        with self.table.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(self.rows[0]))
            writer.writeheader()
            writer.writerows(self.rows)

    def importing(self, out: Path, **options: Any) -> ImportReport:
        asked = {"folder": self.path, "table": self.table, "architecture": self.architecture, "device": "cpu"} | options
        return import_torch(TorchRequest(out=out, **asked), unwatched)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    generator = torch.Generator().manual_seed(0)
    root = tmp_path / "weights"
    root.mkdir()
    made = Folder(
        path=root,
        table=root / "table.csv",
        architecture=root / "architecture.json",
        networks={},
        inputs=torch.randn(30, 1, 4, 4, generator=generator),
        labels=torch.randint(3, (30,), generator=generator),
        rows=[],
    )
    made.architecture.write_text(json.dumps(DECLARATION))
    save_file({"inputs": made.inputs, "labels": made.labels}, root / "train.safetensors")
    for number, (rate, decays) in enumerate(product([0.1, 0.01], ["no", "yes"])):
        torch.manual_seed(number)
        network = OwnNetwork().eval()
        for parameter in network.buffers():
            if parameter.dtype == torch.float32:
                parameter.uniform_(0.5, 1.5)
        name = f"net-{number}.pt"
        torch.save(network.state_dict(), root / name)
        made.networks[name] = network
        made.rows.append(
            {
                "network": name,
                "hp.learning_rate": rate,
                "hp.decays": decays,
                "metric.train_acc": accuracy(network, made),
                "metric.test_acc": (number + 1) / 50,
                "metric.epochs": 10 + number,
            }
        )
    made.write_csv()
    return made


def accuracy(network: nn.Module, folder: Folder) -> float:
    with torch.no_grad():
        return float((network(folder.inputs).argmax(1) == folder.labels).double().mean())


def assert_same_networks(folder: Folder, out: Path) -> None:
    zoo = open_zoo(out)
    zoo.verify()
    truth = zoo.truth()
    for entry in zoo.networks:
        source = truth.networks[entry.id].source
        assert source is not None
        original = folder.networks[source.rsplit(".", 1)[0] + ".pt"]
        with torch.no_grad():
            torch.testing.assert_close(load_network(zoo, entry.id)(folder.inputs), original(folder.inputs))


def test_state_dicts_of_an_own_class_become_a_zoo(folder: Folder, tmp_path: Path) -> None:
    report = folder.importing(tmp_path / "zoo")
    assert_same_networks(folder, tmp_path / "zoo")
    assert (report.networks, report.training_examples, report.test_size, report.without_initial) == (4, 30, 50, 4)
    zoo = open_zoo(tmp_path / "zoo")
    assert (zoo.name, zoo.manifest.input_shape, zoo.manifest.classes) == ("weights", [1, 4, 4], 3)
    truth = zoo.truth()
    assert [(axis.name, axis.values) for axis in truth.axes] == [
        ("learning_rate", [0.01, 0.1]),
        ("decays", ["no", "yes"]),
    ]
    written = {row["network"]: row for row in folder.rows}
    for network in truth.networks.values():
        row = written[network.source]
        assert network.hyperparameters == {"learning_rate": row["hp.learning_rate"], "decays": row["hp.decays"]}
        assert network.metrics == {name: row[f"metric.{name}"] for name in ("train_acc", "test_acc", "epochs")}
    torch.testing.assert_close(load_training_data(zoo).inputs, folder.inputs)


def test_safetensors_with_declared_names_in_a_json_table(folder: Folder, tmp_path: Path) -> None:
    for row in folder.rows:
        network = folder.networks[str(row["network"])]
        row["network"] = str(row["network"]).replace(".pt", ".safetensors")
        save_file(with_declared_names(network.state_dict()), folder.path / str(row["network"]))
    table = folder.path / "table.json"
    table.write_text(json.dumps(folder.rows))
    folder.importing(tmp_path / "zoo", table=table)
    assert_same_networks(folder, tmp_path / "zoo")


def test_architectures_and_initial_weights_named_in_the_table(folder: Folder, tmp_path: Path) -> None:
    (folder.path / "shapes").mkdir()
    (folder.path / "shapes" / "plain.json").write_text(json.dumps(DECLARATION))
    for row in folder.rows:
        row["architecture"] = "shapes/plain.json"
        row["initial"] = f"first-{row['network']}"
        torch.save({"state_dict": OwnNetwork().half().state_dict()}, folder.path / str(row["initial"]))
    folder.rows[0]["initial"] = ""
    folder.write_csv()
    report = folder.importing(tmp_path / "zoo", architecture=None)
    assert_same_networks(folder, tmp_path / "zoo")
    assert report.without_initial == 1
    zoo = open_zoo(tmp_path / "zoo")
    assert sum(load_network(zoo, entry.id).initial is not None for entry in zoo.networks) == 3


def test_data_may_be_npz_and_test_data_goes_to_the_private_part(folder: Folder, tmp_path: Path) -> None:
    (folder.path / "train.safetensors").unlink()
    for name in ("train.npz", "test.npz"):
        labels = folder.labels.to(torch.uint8)
        np.savez(folder.path / name, inputs=folder.inputs.double().numpy(), labels=labels.numpy())
    for row in folder.rows:
        row["metric.test_acc"] = row["metric.train_acc"]
    folder.write_csv()
    report = folder.importing(tmp_path / "zoo")
    assert (report.test_examples, report.test_size) == (30, 30)
    torch.testing.assert_close(load_test_data(open_zoo(tmp_path / "zoo")).inputs, folder.inputs)


def test_the_command_prints_the_zoos_folder(folder: Folder, tmp_path: Path) -> None:
    arguments = ["import", "torch", str(folder.path), "--table", str(folder.table), "--device", "cpu"]
    arguments += ["--architecture", str(folder.architecture), "--out", str(tmp_path / "zoo"), "--title", "Mine"]
    ran = CliRunner().invoke(command, arguments)
    assert ran.exit_code == 0, ran.output
    assert ran.stdout == f"{tmp_path / 'zoo'}\n"
    assert "4 networks with 30 training examples and no test data." in ran.stderr
    assert open_zoo(tmp_path / "zoo").manifest.title == "Mine"


def test_without_a_gpu_the_device_cuda_is_refused(folder: Folder, tmp_path: Path) -> None:
    arguments = ["import", "torch", str(folder.path), "--table", str(folder.table), "--device", "cuda"]
    arguments += ["--architecture", str(folder.architecture), "--out", str(tmp_path / "zoo")]
    ran = CliRunner().invoke(command, arguments)
    assert ran.exit_code == 1
    assert ran.stderr == "Error: torch finds no GPU here; import with the device cpu, or install torch for CUDA\n"
    assert not (tmp_path / "zoo").exists()


def test_the_command_tells_what_is_wrong(folder: Folder, tmp_path: Path) -> None:
    folder.table.write_text("network\n")
    arguments = ["import", "torch", str(folder.path), "--table", str(folder.table), "--out", str(tmp_path / "zoo")]
    ran = CliRunner().invoke(command, arguments)
    assert ran.exit_code == 1
    assert ran.stderr == f"Error: {folder.table}: no rows; write one for each network\n"


def save(folder: Folder, content: object, name: str = "net-0.pt") -> None:
    torch.save(content, folder.path / name)


def changed(folder: Folder, **changes: object) -> None:
    folder.rows[0].update({name.replace("__", "."): value for name, value in changes.items()})
    folder.write_csv()


def without_column(folder: Folder, *names: str) -> None:
    for row in folder.rows:
        for name in names:
            del row[name]
    folder.write_csv()


def renamed(folder: Folder) -> None:
    state = with_declared_names(folder.networks["net-0.pt"].state_dict())
    state["4.scale"] = state.pop("4.bias")
    save_file(state, folder.path / "net-0.safetensors")
    changed(folder, network="net-0.safetensors")


def with_names_of_its_own(folder: Folder) -> None:
    """In a safetensors file the order of tensors is that of their names, so it tells nothing."""
    state = with_declared_names(folder.networks["net-0.pt"].state_dict())
    floats = [value for value in state.values() if value.is_floating_point()]
    save_file({f"{place:02}": value for place, value in enumerate(floats)}, folder.path / "net-0.safetensors")
    changed(folder, network="net-0.safetensors")


def with_nan(folder: Folder) -> None:
    state = folder.networks["net-0.pt"].state_dict()
    state["head.bias"] = state["head.bias"] * float("nan")
    save(folder, state)


def linked(folder: Folder) -> None:
    (folder.path / "net-0.pt").rename(folder.path / "kept.pt")
    (folder.path / "net-0.pt").symlink_to(folder.path / "kept.pt")


def other_architecture(folder: Folder, **change: object) -> None:
    folder.architecture.write_text(json.dumps(DECLARATION | change))


def twice(folder: Folder) -> None:
    save(folder, folder.networks["net-1.pt"].state_dict())


def damaged(folder: Folder) -> None:
    (folder.path / "x.safetensors").write_bytes(b"12345678")
    changed(folder, network="x.safetensors")


def with_a_column_too_many(folder: Folder) -> None:
    for row in folder.rows:
        row["colour"] = "red"
    folder.write_csv()


def with_a_row_too_few(folder: Folder) -> None:
    del folder.rows[-1]
    folder.write_csv()


def with_two_zeros(folder: Folder) -> None:
    for row, rate in zip(folder.rows, (0.0, 0.0, -0.0, -0.0), strict=True):
        row["hp.learning_rate"] = rate
    folder.table = folder.path / "table.json"
    folder.table.write_text(json.dumps(folder.rows))


def with_a_name_in_two_normal_forms(folder: Folder) -> None:
    folder.rows[0]["network"], folder.rows[1]["network"] = "caf\u00e9.pt", "cafe\u0301.pt"
    folder.write_csv()


def with_an_axis_in_two_normal_forms(folder: Folder) -> None:
    for row in folder.rows:
        row["hp.caf\u00e9"], row["hp.cafe\u0301"] = row["hp.learning_rate"], row["hp.decays"]
    folder.write_csv()


def with_objects(folder: Folder) -> None:
    (folder.path / "train.safetensors").unlink()
    np.savez(folder.path / "train.npz", inputs=np.array([{}], dtype=object), labels=np.zeros(1))


FAULTS: dict[str, tuple[Callable[[Folder], object], str]] = {
    "no weights": (lambda f: (f.path / "net-0.pt").unlink(), r"net-0\.pt: No such file"),
    "truncated weights": (
        lambda f: (f.path / "net-0.pt").write_bytes((f.path / "net-0.pt").read_bytes()[:200]),
        r"net-0\.pt: no state_dict saved by torch\.save",
    ),
    "no weights but text": (lambda f: (f.path / "net-0.pt").write_text("hello"), r"net-0\.pt: no state_dict saved by"),
    "an empty file": (lambda f: (f.path / "net-0.pt").write_bytes(b""), r"net-0\.pt: no state_dict saved by"),
    "code in a pickle": (lambda f: save(f, {"weights": Path("x")}), r"net-0\.pt: no state_dict .* only plain tensors"),
    "a whole network": (lambda f: save(f, OwnNetwork()), r"net-0\.pt: no state_dict saved by"),
    "a list": (lambda f: save(f, [torch.zeros(1)]), r"net-0\.pt: not a state_dict"),
    "other shapes": (lambda f: save(f, nn.Linear(2, 2).state_dict()), r"net-0\.pt: the tensor .* is (missing|not in)"),
    "a name that is not declared": (renamed, r"net-0\.safetensors: the tensor 4\.(bias|scale) is (missing|not in)"),
    "safetensors with names of their own": (
        with_names_of_its_own,
        r"net-0\.safetensors: the tensor 0\.bias is",
    ),
    "damaged safetensors": (
        damaged,
        r"x\.safetensors: the header claims",
    ),
    "NaN weights": (with_nan, r"net-0\.pt: 4\.bias has a number that is not finite"),
    "a link": (linked, r"net-0\.pt: a symbolic link"),
    "the same weights twice": (twice, r"net-[01]\.pt: the same weights as .*net-[01]\.pt"),
    "a path that leaves the folder": (lambda f: changed(f, network="../net-0.pt"), r"table\.csv: '\.\.' cannot be"),
    "an absolute path": (lambda f: changed(f, network="/etc/passwd"), r"table\.csv: '' cannot be the name"),
    "another kind of file": (lambda f: changed(f, network="table.csv"), r"table\.csv: weights must be files \.pt"),
    "no name": (lambda f: changed(f, network=""), r"table\.csv: row 1: the cell network is empty"),
    "a network twice": (
        lambda f: changed(f, network="net-1.pt"),
        r"table\.csv: row 2: the network net-1\.pt has a row",
    ),
    "no axes": (lambda f: without_column(f, "hp.learning_rate", "hp.decays"), r"table\.csv: no column hp\.<axis>"),
    "no accuracy": (lambda f: without_column(f, "metric.train_acc"), r"table\.csv: row 1: the metric train_acc is"),
    "an unknown column": (with_a_column_too_many, r"column 'colour' is"),
    "a hole in the grid": (with_a_row_too_few, r"table\.csv: the grid has holes: 1 of 4"),
    "the same hyperparameters": (
        lambda f: changed(f, hp__decays="yes"),
        r"table\.csv: the networks net-0\.pt and net-1\.pt have the same hyperparameters",
    ),
    "a metric that is no number": (lambda f: changed(f, metric__epochs="many"), r"row 1: the metric epochs is 'many'"),
    "a metric that float64 cannot hold": (
        lambda f: changed(f, metric__epochs=2**53 + 1),
        r"row 1: the metric epochs is 9007199254740993, a whole number that float64 cannot hold",
    ),
    "a value in two writings": (
        lambda f: changed(f, hp__learning_rate=f"{f.rows[0]['hp.learning_rate']}0"),
        r"table\.csv: hp\.learning_rate: '[\d.]+' and '[\d.]+' are equal but written differently",
    ),
    "two zeros": (with_two_zeros, r"table\.json: hp\.learning_rate: 0\.0 and -0\.0 are equal but written differently"),
    "a name in two normal forms": (
        with_a_name_in_two_normal_forms,
        r"table\.csv: the networks .* equal after Unicode normalization \('caf\\xe9\.pt' and 'cafe\\u0301\.pt'\)",
    ),
    "an axis in two normal forms": (
        with_an_axis_in_two_normal_forms,
        r"table\.csv: the columns .* equal after Unicode normalization \('hp\.caf\\xe9' and 'hp\.cafe\\u0301'\)",
    ),
    "another accuracy": (lambda f: changed(f, metric__train_acc=0.999), r"network net-0\.pt: train_acc 0\.999, but it"),
    "rows of different length": (lambda f: f.table.write_text("network,hp.a\nx\n"), r"row 1 has not as many cells"),
    "no table": (lambda f: f.table.unlink(), r"table\.csv: No such file"),
    "a table that is not UTF-8": (lambda f: f.table.write_bytes(b"network\n\xff\xfe\n"), r"not a CSV table in UTF-8"),
    "no architecture": (lambda f: f.architecture.unlink(), r"architecture\.json: No such file"),
    "an unknown layer": (
        lambda f: other_architecture(f, layers=[{"type": "magic"}]),
        r"json: layer 0: unknown type 'ma",
    ),
    "an own architecture.py": (
        lambda f: other_architecture(f, family="custom"),
        r"json: an import computes accuracies",
    ),
    "an architecture for other inputs": (
        lambda f: other_architecture(f, layers=[{"type": "linear", "inputs": 9, "outputs": 3}]),
        r"net-0\.pt: its architecture does not take the inputs \(1, 4, 4\)",
    ),
    "an architecture that is no classifier": (
        lambda f: other_architecture(f, layers=[{"type": "relu"}]),
        r"net-0\.pt: its outputs have the shape \(1, 1, 4, 4\)",
    ),
    "no data": (lambda f: (f.path / "train.safetensors").unlink(), r"train\.safetensors: No such file"),
    "data without labels": (
        lambda f: save_file({"inputs": f.inputs}, f.path / "train.safetensors"),
        r"train\.safetensors: must have the arrays inputs and labels, not inputs",
    ),
    "labels that are no integers": (
        lambda f: save_file({"inputs": f.inputs, "labels": f.inputs[:, 0, 0, 0].clone()}, f.path / "train.safetensors"),
        r"train\.safetensors: inputs must be floating-point .* and labels integers",
    ),
    "too few labels": (
        lambda f: save_file({"inputs": f.inputs, "labels": f.labels[:9].clone()}, f.path / "train.safetensors"),
        r"train\.safetensors: inputs \(30, 1, 4, 4\) and labels \(9,\) do not belong together",
    ),
    "NaN data": (
        lambda f: save_file({"inputs": f.inputs / 0 * 0, "labels": f.labels}, f.path / "train.safetensors"),
        r"train\.safetensors: an input is not finite",
    ),
    "a label that is no class": (
        lambda f: save_file({"inputs": f.inputs, "labels": f.labels + 1}, f.path / "train.safetensors"),
        r"train\.safetensors: labels are 1 to 3, but the networks have 3 classes",
    ),
    "an npz file with objects": (
        with_objects,
        r"train\.npz: not a file of arrays that can be read",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_folder_is_one_error_that_names_the_file(fault: str, folder: Folder, tmp_path: Path) -> None:
    damage, told = FAULTS[fault]
    damage(folder)
    with pytest.raises(ZooError, match=told):
        folder.importing(tmp_path / "zoo")
    assert [path.name for path in tmp_path.iterdir()] == ["weights"]


def test_a_network_without_architecture_is_told(folder: Folder, tmp_path: Path) -> None:
    with pytest.raises(ZooError, match=r"table\.csv: network net-0\.pt has no architecture; give one for all"):
        folder.importing(tmp_path / "zoo", architecture=None)
