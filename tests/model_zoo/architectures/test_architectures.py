"""What a sandbox loads: declarations become torch's modules, files become tensors without copies, damage is told."""

import json
import os
import shutil
import struct
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor, nn

import model_zoo.architectures
from model_zoo import loading, open_zoo
from model_zoo.architectures import (
    TrainingData,
    WeightsError,
    load_network,
    load_training_data,
    load_weights,
)
from tests.model_zoo.whole import make_whole_zoo

CNN = {
    "family": "sequential",
    "layers": [
        {"type": "conv2d", "inputs": 1, "outputs": 4, "kernel": 3, "stride": 2, "padding": 1, "bias": False},
        {"type": "batchnorm2d", "features": 4},
        {"type": "relu"},
        {"type": "conv2d", "inputs": 4, "outputs": 6, "kernel": 2},
        {"type": "maxpool2d", "kernel": 2, "stride": 1},
        {"type": "avgpool2d", "kernel": 2, "padding": 1},
        {"type": "globalavgpool2d"},
        {"type": "flatten"},
        {"type": "linear", "inputs": 6, "outputs": 10},
    ],
}


def plain_cnn() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Conv2d(4, 6, 2),
        nn.MaxPool2d(2, stride=1),
        nn.AvgPool2d(2, padding=1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 10),
    )


def loaded(function: Callable[..., Any], path: Path, *arguments: Any) -> Any:
    fd = os.open(path, os.O_RDONLY)
    try:
        return function(fd, *arguments)
    finally:
        os.close(fd)


@pytest.fixture
def trained_cnn(tmp_path: Path) -> tuple[nn.Sequential, Path]:
    torch.manual_seed(0)
    network = plain_cnn()
    network(torch.randn(16, 1, 8, 8))  # moves the running statistics off their start
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    return network.eval(), tmp_path / "weights.safetensors"


def test_a_loaded_network_computes_what_plain_torch_does(trained_cnn: tuple[nn.Sequential, Path]) -> None:
    plain, path = trained_cnn
    fd = os.open(path, os.O_RDONLY)
    network = load_network(CNN, fd, None)
    os.close(fd)
    inputs = torch.randn(5, 1, 8, 8)
    assert torch.equal(network(inputs), plain(inputs))
    assert not network.training
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert [name for name, _ in network.named_parameters()] == [name for name, _ in plain.named_parameters()]
    network(inputs).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_initial_weights_are_beside_the_network_not_in_it(tmp_path: Path) -> None:
    zoo = open_zoo(make_whole_zoo(tmp_path / "whole"))
    network = loading.load_network(zoo, zoo.networks[0].id)
    assert isinstance(network.initial, nn.Module)
    ours, first = dict(network.named_parameters()), dict(network.initial.named_parameters())
    assert ours.keys() == first.keys()
    assert not any("initial" in name for name in network.state_dict())
    assert list(network.children()) == list(network)  # type: ignore[call-overload]  # a Sequential
    assert all(not torch.equal(ours[name], first[name]) for name in ours)
    assert network.initial(torch.zeros(5, 1, 2, 2)).shape == (5, 2)


def test_a_network_without_initial_weights_has_none(trained_cnn: tuple[nn.Sequential, Path]) -> None:
    network = loaded(lambda fd: load_network(CNN, fd, None), trained_cnn[1])
    assert network.initial is None


def test_loading_draws_no_random_numbers(trained_cnn: tuple[nn.Sequential, Path]) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    loaded(lambda fd: load_network(CNN, fd, fd), trained_cnn[1])
    assert torch.equal(torch.rand(3), expected)


def test_a_change_in_place_does_not_reach_the_file(trained_cnn: tuple[nn.Sequential, Path]) -> None:
    _, path = trained_cnn
    before = path.read_bytes()
    network = loaded(lambda fd: load_network(CNN, fd, None), path)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(7)
    assert all(bool((parameter == 7).all()) for parameter in network.parameters())
    assert path.read_bytes() == before
    again = loaded(load_weights, path)
    assert not any(bool((tensor == 7).all()) for tensor in again.values())


@given(st.data())
def test_any_tensors_are_read_back_as_safetensors_wrote_them(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    dtypes = st.sampled_from([torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.uint8])
    shapes = st.lists(st.integers(0, 4), max_size=4)
    drawn = data.draw(st.dictionaries(st.text(min_size=1, max_size=8), st.tuples(dtypes, shapes), min_size=1))
    drawn.pop("__metadata__", None)
    tensors = {name: torch.randint(0, 99, shape).to(dtype) for name, (dtype, shape) in drawn.items()}
    path = tmp_path_factory.getbasetemp() / "any.safetensors"
    save_file(tensors, path)
    read: dict[str, Tensor] = loaded(load_weights, path)
    assert read.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert read[name].dtype == tensor.dtype
        assert torch.equal(read[name], tensor)


def safetensors_bytes(header: object, data: bytes, length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(dtype: str = "F32", shape: object = (2,), offsets: object = (0, 8)) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "0 bytes are too few"),
        (b"\x01\x02", "2 bytes are too few"),
        (safetensors_bytes({}, b"", length=2**63), "the header claims 9223372036854775808 bytes"),
        (safetensors_bytes(b"{nonsense", b""), "the header is not JSON"),
        (safetensors_bytes(b"[" * 100_000, b""), "the header is not JSON"),
        (safetensors_bytes([], b""), "the header is not an object"),
        (safetensors_bytes({"a": 3}, b""), "tensor 'a': its header needs dtype, shape and data_offsets"),
        (safetensors_bytes({"a": entry("F4")}, bytes(8)), "tensor 'a': unknown dtype 'F4'"),
        (safetensors_bytes({"a": entry(shape=[-2])}, bytes(8)), r"tensor 'a': shape \[-2\]"),
        (safetensors_bytes({"a": entry(shape="2")}, bytes(8)), "must be sizes"),
        (safetensors_bytes({"a": entry(offsets=[0])}, bytes(8)), "must be sizes"),
        (safetensors_bytes({"a": entry(shape=[3])}, bytes(8)), "8 bytes do not hold F32 of shape"),
        (safetensors_bytes({"a": entry(shape=[2**62, 4])}, bytes(8)), "8 bytes do not hold F32"),
        (safetensors_bytes({"a": entry()}, bytes(4)), "damaged or truncated"),
        (safetensors_bytes({"a": entry(), "b": entry(offsets=[4, 12])}, bytes(12)), "'b': its bytes .* overlap"),
        (safetensors_bytes({"a": entry(offsets=[4, 12])}, bytes(12)), "leave a hole"),
        (safetensors_bytes({"a": entry()}, bytes(9)), "1 bytes after the last tensor"),
    ],
)
def test_a_damaged_file_is_told(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "damaged.safetensors"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=message):
        loaded(load_weights, path)


@given(position=st.integers(0, 400), value=st.integers(0, 255))
def test_a_changed_byte_never_crashes_the_reader(
    tmp_path_factory: pytest.TempPathFactory, position: int, value: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "changed.safetensors"
    save_file({"0.weight": torch.zeros(4, 5), "0.bias": torch.zeros(4)}, path)
    content = bytearray(path.read_bytes())
    content[position % len(content)] = value
    path.write_bytes(content)
    try:
        tensors = loaded(load_weights, path)
    except WeightsError:
        return
    assert sum(tensor.numel() * tensor.element_size() for tensor in tensors.values()) == 24 * 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("8.bias"), "the tensor '8.bias' is missing"),
        (lambda s: s.update({"9.bias": torch.zeros(1)}), "the tensor '9.bias' belongs to no layer"),
        (lambda s: s.update({"8.bias": torch.zeros(9)}), r"'8.bias': torch.float32 of shape \(9,\), but .*\(10,\)"),
        (lambda s: s.update({"8.bias": torch.zeros(10).double()}), "'8.bias': torch.float64"),
    ],
)
def test_weights_that_do_not_fit_are_told(
    tmp_path: Path, change: Callable[[dict[str, Tensor]], object], message: str
) -> None:
    state = dict(plain_cnn().state_dict())
    change(state)
    save_file(state, tmp_path / "weights.safetensors")
    with pytest.raises(WeightsError, match=message):
        loaded(lambda fd: load_network(CNN, fd, None), tmp_path / "weights.safetensors")


def test_training_data_comes_in_pairs_and_batches(tmp_path: Path) -> None:
    inputs, labels = torch.rand(7, 1, 8, 8), torch.arange(7) % 3
    save_file({"inputs": inputs, "labels": labels}, tmp_path / "data.safetensors")
    data = loaded(load_training_data, tmp_path / "data.safetensors", 3)
    assert isinstance(data, TrainingData)
    assert (len(data), data.classes) == (7, 3)
    assert torch.equal(data[4][0], inputs[4])
    assert data[4][1] == 1
    batches = list(data.batches(3))
    assert [len(batch) for batch, _ in batches] == [3, 3, 1]
    assert torch.equal(torch.cat([batch for batch, _ in batches]), inputs)
    assert torch.equal(torch.cat([batch for _, batch in batches]), labels)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"inputs": torch.rand(2, 3)}, "needs the tensors inputs and labels"),
        ({"inputs": torch.rand(2, 3).double(), "labels": torch.zeros(2).long()}, "inputs must be float32"),
        ({"inputs": torch.rand(2, 3), "labels": torch.zeros(2)}, "labels int64"),
        ({"inputs": torch.rand(2, 3), "labels": torch.zeros(3).long()}, "do not belong together"),
        ({"inputs": torch.rand(0, 3), "labels": torch.zeros(0).long()}, "do not belong together"),
        ({"inputs": torch.rand(2, 3), "labels": torch.tensor([0, 3])}, "labels must be from 0 to 2, not 0 to 3"),
    ],
)
def test_faulty_data_is_told(tmp_path: Path, tensors: dict[str, Tensor], message: str) -> None:
    save_file(tensors, tmp_path / "data.safetensors")
    with pytest.raises(WeightsError, match=message):
        loaded(load_training_data, tmp_path / "data.safetensors", 3)


def test_the_package_works_alone_as_a_sandbox_mounts_it(tmp_path: Path) -> None:
    package = Path(model_zoo.architectures.__file__).parent
    shutil.copytree(package, tmp_path / "model_zoo" / "architectures")
    program = (
        "import sys\n"
        "sys.path[:0] = sys.argv[1:]\n"
        "import model_zoo.architectures as package\n"
        "package.load_network\n"
        "print(package.__file__)\n"
        "print(sorted(name for name in sys.modules if name.startswith('model_zoo')))\n"
    )
    paths = [str(tmp_path), sysconfig.get_path("purelib")]
    # -S: no .pth file is read, so the checkout's own model_zoo is out of reach.
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program, *paths], capture_output=True, text=True, check=True
    )
    where, modules = done.stdout.splitlines()
    assert Path(where).is_relative_to(tmp_path)
    ours = sorted(path.stem for path in package.glob("*.py") if path.stem != "__init__")
    assert modules == str(
        ["model_zoo", "model_zoo.architectures", *(f"model_zoo.architectures.{name}" for name in ours)]
    )
