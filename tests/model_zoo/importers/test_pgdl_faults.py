"""A faulty task of PGDL is one error that names the file, and nothing is imported."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from model_zoo import ZooError
from tests.model_zoo.importers.keras_plain import random_arrays
from tests.model_zoo.importers.tasks import Task, edit, left_beside, write_task, write_weights
from tests.model_zoo.importers.wire import example, records, shard, tensor


@pytest.fixture
def task(tmp_path: Path) -> Task:
    return write_task(tmp_path / "pgdl")


def swap_weights(task: Task) -> None:
    one, other = task.network_file("10"), task.network_file("11")
    shutil.copy(one, other)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def link(path: Path) -> None:
    kept = path.rename(path.with_name("kept"))
    path.symlink_to(kept)


def with_file(task: Task, change: Callable[[h5py.File], object]) -> None:
    with h5py.File(task.network_file("10"), "r+") as file:
        change(file)


def not_finite(file: h5py.File) -> None:
    file["dense/dense/kernel:0"][0, 0] = np.nan


def too_large(file: h5py.File) -> None:
    file["dense/dense/kernel:0"][...] = 3e38


def soft_link(file: h5py.File) -> None:
    file.move("dense/dense/kernel:0", "elsewhere")
    file["dense/dense/kernel:0"] = h5py.SoftLink("/elsewhere")


def external_link(file: h5py.File) -> None:
    del file["dense"]
    file["dense"] = h5py.ExternalLink("../model_11/weights.hdf5", "/dense")


def external_storage(file: h5py.File) -> None:
    shape = file["dense/dense/bias:0"].shape
    del file["dense/dense/bias:0"]
    file["dense/dense"].create_dataset("bias:0", shape, "f4", external=[("/etc/hostname", 0, 12)])


def virtual_storage(file: h5py.File) -> None:
    shape = file["dense/dense/bias:0"].shape
    del file["dense/dense/bias:0"]
    layout = h5py.VirtualLayout(shape, "f4")
    layout[:] = h5py.VirtualSource("../model_11/weights.hdf5", "dense/dense/bias:0", shape)
    file["dense/dense"].create_virtual_dataset("bias:0", layout)


def negative_variance(task: Task) -> None:
    path = task.network_file("10", "config.json")
    layers, arrays = task.networks["10"]
    layers = [{"layer_name": "BatchNormalization"}, *layers]
    normalization = [np.ones(2), np.zeros(2), np.zeros(2), np.array([1.0, -1e-6])]
    edit(path, lambda config: config.update(model_config=layers))
    for file in ("weights.hdf5", "weights_init.hdf5"):
        write_weights(task.network_file("10", file), layers, [normalization, *arrays])


def without_last_layer(file: h5py.File) -> None:
    file.attrs["layer_names"] = file.attrs["layer_names"][:-1]


def whole_numbers(file: h5py.File) -> None:
    shape = file["dense/dense/bias:0"].shape
    del file["dense/dense/bias:0"]
    file["dense/dense"]["bias:0"] = np.zeros(shape, np.int32)


def other_layers(task: Task) -> None:
    layers, _ = task.networks["12"]  # of twice the width
    write_weights(task.network_file("10"), layers, random_arrays(layers, (4, 3, 2), np.random.default_rng(9)))


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)


def without_shards(task: Task) -> None:
    for path in task.shards:
        path.unlink()


def without_networks(task: Task) -> None:
    for path in task.folder.glob("model_*"):
        shutil.rmtree(path)


def rewrite_shard(task: Task, change: Callable[[Any, Any], bytes]) -> None:
    task.shards[1].write_bytes(change(task.inputs[10:], task.labels[10:].tolist()))


def of_other_shape(inputs: Any, labels: Any) -> bytes:
    return shard(inputs[:, :, :, :1], labels)


def of_nan(inputs: Any, labels: Any) -> bytes:
    return shard(inputs * np.float32(np.nan), labels)


def of_a_fourth_class(inputs: Any, labels: Any) -> bytes:
    return shard(inputs, [3] * len(labels))


def without_labels(inputs: Any, labels: Any) -> bytes:
    return records(example({"inputs": tensor(picture)}) for picture in inputs)


def of_two_labels(inputs: Any, labels: Any) -> bytes:
    pair = tensor(np.zeros(2, np.int32))
    return records(example({"inputs": tensor(picture), "output": pair}) for picture in inputs)


FAULTS: dict[str, tuple[Callable[[Task], object], str]] = {
    "truncated HDF5": (lambda t: truncate(t.network_file("10")), r"model_10/weights\.hdf5: not a readable HDF5 file"),
    "truncated initial HDF5": (
        lambda t: truncate(t.network_file("10", "weights_init.hdf5")),
        r"model_10/weights_init\.hdf5: not a readable HDF5 file",
    ),
    "no HDF5 at all": (lambda t: t.network_file("10").write_text("hello"), r"model_10/weights\.hdf5: not a readable"),
    "missing weights": (lambda t: t.network_file("10").unlink(), r"model_10/weights\.hdf5: No such file"),
    "missing layer": (lambda t: with_file(t, without_last_layer), r"model_10/weights\.hdf5: 1 layers with weights"),
    "missing array": (lambda t: with_file(t, lambda f: f["dense/dense"].pop("bias:0")), r"hdf5: bias:0 is missing"),
    "missing group": (lambda t: with_file(t, lambda f: f.pop("dense")), r"model_10/weights\.hdf5: dense is missing"),
    "no attributes": (lambda t: with_file(t, lambda f: f.attrs.pop("layer_names")), r"weights\.hdf5: model_weights is"),
    "no names of weights": (
        lambda t: with_file(t, lambda f: f["dense"].attrs.pop("weight_names")),
        r"model_10/weights\.hdf5: the layer dense has no attribute weight_names",
    ),
    "one array too few": (
        lambda t: with_file(t, lambda f: f["dense"].attrs.create("weight_names", ["dense/kernel:0"])),
        r"model_10/weights\.hdf5: layer 3 \(Dense\) needs 2 arrays, but dense has 1",
    ),
    "wrong shapes": (other_layers, r"weights\.hdf5: conv2d/conv2d/kernel:0 has the shape \(2, 2, 2, 4\), but layer 0"),
    "NaN weights": (lambda t: with_file(t, not_finite), r"hdf5: dense/dense/kernel:0 has a number that is not"),
    "a variance below zero": (negative_variance, r"weights\.hdf5: layer 0 .*: its moving variance is below zero"),
    "weights so large that outputs are not": (
        lambda t: with_file(t, too_large),
        r"model_10/weights\.hdf5: the network's outputs are not finite",
    ),
    "whole numbers": (lambda t: with_file(t, whole_numbers), r"dense/dense/bias:0 is no array of floating-point"),
    "soft link in HDF5": (lambda t: with_file(t, soft_link), r"model_10/weights\.hdf5: kernel:0 is a link"),
    "external link in HDF5": (lambda t: with_file(t, external_link), r"weights\.hdf5: dense is (a link|missing)"),
    "external storage in HDF5": (lambda t: with_file(t, external_storage), r"bias:0 keeps its numbers in another file"),
    "virtual storage in HDF5": (lambda t: with_file(t, virtual_storage), r"bias:0 keeps its numbers in another file"),
    "the same network twice": (swap_weights, r"model_1[01]/weights\.hdf5: the same weights as .*model_1[01]/weights"),
    "link to weights": (lambda t: link(t.network_file("10")), r"model_10/weights\.hdf5: a symbolic link"),
    "link to a network": (lambda t: link(t.folder / "model_10"), r"model_10: a symbolic link"),
    "link to a config": (lambda t: link(t.network_file("10", "config.json")), r"/config\.json: a symbolic link"),
    "link to a shard": (lambda t: link(t.shards[0]), r"shard_0\.tfrecord: a symbolic link"),
    "link to the reference": (lambda t: link(t.reference_file), r"model_configs\.json: a symbolic link"),
    "truncated TFRecord": (lambda t: truncate(t.shards[1]), r"shard_1\.tfrecord: record 9: the file ends inside it"),
    "flipped bit in a TFRecord": (lambda t: flip(t.shards[1]), r"shard_1\.tfrecord: record 9: its bytes do not match"),
    "inputs of another shape": (
        lambda t: rewrite_shard(t, of_other_shape),
        r"shard_1\.tfrecord: record 0: inputs is float32 of shape \(4, 3, 1\), but the networks take .*\(4, 3, 2\)",
    ),
    "NaN inputs": (lambda t: rewrite_shard(t, of_nan), r"shard_1\.tfrecord: record 0: inputs has a number that is not"),
    "a label that is no class": (lambda t: rewrite_shard(t, of_a_fourth_class), r"train: labels are 0 to 3, but .* 3"),
    "examples without label": (lambda t: rewrite_shard(t, without_labels), r"record 0: no bytes feature 'output'"),
    "two labels": (lambda t: rewrite_shard(t, of_two_labels), r"record 0: output is int32 of shape \(2,\), not one"),
    "no shards": (without_shards, r"dataset_1/train: no example in files shard_"),
    "no data": (lambda t: shutil.rmtree(t.folder / "dataset_1"), r"dataset_1: No such file"),
    "config is no JSON": (lambda t: t.network_file("10", "config.json").write_text("{"), r"config\.json: not the JSON"),
    "another input shape": (
        lambda t: edit(t.network_file("13", "config.json"), lambda c: c.update(input_shape=[3.0, 4.0, 2.0])),
        r"model_13/config\.json: inputs of \(2, 3, 4\) and 3 classes, but the networks before have \(2, 4, 3\) and 3",
    ),
    "no shape for inputs": (
        lambda t: edit(t.network_file("10", "config.json"), lambda c: c.update(input_shape=[3.5, 4.0, 2.0])),
        r"model_10/config\.json: input_shape must be \[rows, columns, channels\]",
    ),
    "a layer of an impossible size": (
        lambda t: edit(t.network_file("10", "config.json"), lambda c: c["model_config"][0].update(filters=1e9)),
        r"model_10/config\.json: task task1, network 10, layer 1 \(Flatten\): 6000000000 features are more than",
    ),
    "a keyword out of range": (
        lambda t: edit(
            t.network_file("10", "config.json"),
            lambda c: c["model_config"].insert(0, {"layer_name": "BatchNormalization", "epsilon": -1.0}),
        ),
        r"model_10/config\.json: task task1, network 10: layer 0 \(batchnorm2d\): eps must be a number above 0",
    ),
    "network without reference": (
        lambda t: edit(t.reference_file, lambda c: c.pop("13")),
        r"model_configs\.json: the grid has holes",
    ),
    "folder without reference": (
        lambda t: shutil.copytree(t.folder / "model_10", t.folder / "model_99"),
        r"model_99: model_configs\.json says nothing of this network",
    ),
    "reference without network": (
        lambda t: shutil.rmtree(t.folder / "model_12"),
        r"model_configs\.json: network 12 has no folder model_12",
    ),
    "hole in the grid": (
        lambda t: edit(
            t.reference_file, lambda c: [e["hparams"]["rate"]["possible_values"].append(0.9) for e in c.values()]
        ),
        r"model_configs\.json: the grid has holes: 2 of 6 combinations .*, for example width=4\.0, rate=0\.9",
    ),
    "two networks with the same hyperparameters": (
        lambda t: edit(t.reference_file, lambda c: c["11"]["hparams"]["rate"].update(current_value=0.0)),
        r"model_configs\.json: the networks 10 and 11 have the same hyperparameters \(width=4\.0, rate=0\.0\)",
    ),
    "a value that is not possible": (
        lambda t: edit(t.reference_file, lambda c: c["11"]["hparams"]["rate"].update(current_value=0.7)),
        r"model_configs\.json: network 11: rate is 0\.7, which is not among the possible values \[0\.0, 0\.5\]",
    ),
    "a value twice": (
        lambda t: edit(t.reference_file, lambda c: c["10"]["hparams"]["rate"].update(possible_values=[0.0, 0.0])),
        r"model_configs\.json: network 10: rate: possible_values has a value twice",
    ),
    "a value in two writings": (
        lambda t: edit(t.reference_file, lambda c: c["10"]["hparams"]["rate"].update(possible_values=["0.0", "-0.0"])),
        r"model_configs\.json: network 10: rate: '0\.0' and '-0\.0' are equal but written differently",
    ),
    "two hyperparameters whose names look alike": (
        lambda t: edit(
            t.reference_file, lambda c: [e["hparams"].update({"\uff52ate": e["hparams"]["rate"]}) for e in c.values()]
        ),
        r"model_configs\.json: the hyperparameters .* have names that are equal after Unicode normalization",
    ),
    "possible values that differ": (
        lambda t: edit(t.reference_file, lambda c: c["11"]["hparams"]["rate"].update(possible_values=[0.5, 0.0])),
        r"model_configs\.json: network 11: its hyperparameters or possible values are not those",
    ),
    "no metric": (
        lambda t: edit(t.reference_file, lambda c: c["11"]["metrics"].pop("test_acc")),
        r"model_configs\.json: network 11: the metric test_acc is missing",
    ),
    "a metric that is not finite": (
        lambda t: edit(t.reference_file, lambda c: c["11"]["metrics"].update(train_loss="nan")),
        r"model_configs\.json: network 11: the metric train_loss is 'nan', not a finite number",
    ),
    "an accuracy in percent": (
        lambda t: edit(t.reference_file, lambda c: c["11"]["metrics"].update(train_acc=93.0)),
        r"model_configs\.json: network 11: train_acc is 93; write accuracies as shares",
    ),
    "the same network with and without prefix": (
        lambda t: edit(t.reference_file, lambda c: c.update(model_10=c["10"])),
        r"model_configs\.json: network model_10: it is there with and without model_",
    ),
    "a key twice": (
        lambda t: t.reference_file.write_text('{"10": {}, "10": {}}'),
        r"model_configs\.json: not the JSON that was expected \(the key '10' occurs twice",
    ),
    "a path as network": (
        lambda t: edit(t.reference_file, lambda c: c.update({"../../../etc": c["10"]})),
        r"model_configs\.json: '\.\./\.\./\.\./etc' cannot be the name of a network",
    ),
    "a path as layer": (
        lambda t: with_file(t, lambda f: f.attrs.create("layer_names", ["../model_11", "dense"])),
        r"model_10/weights\.hdf5: \.\. is missing",
    ),
    "no reference": (lambda t: t.reference_file.unlink(), r"model_configs\.json: no such file; say with --reference"),
    "no task": (lambda t: shutil.rmtree(t.folder), r"task1: No such file"),
    "a folder that is no task": (
        without_networks,
        r"task1: no folder model_… here, so this is not a task of PGDL",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_task_is_one_error_that_names_the_file(fault: str, task: Task, tmp_path: Path) -> None:
    damage, told = FAULTS[fault]
    damage(task)
    with pytest.raises(ZooError, match=told):
        task.importing(tmp_path / "zoo")
    assert left_beside(tmp_path / "zoo") == {"pgdl"}
