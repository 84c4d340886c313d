"""Importing a whole task of PGDL: what the zoo holds, and when it is refused for what its truth says."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from model_zoo import ZooError, open_zoo
from model_zoo.importers.import_request import PgdlRequest
from model_zoo.importers.pgdl import import_pgdl
from model_zoo.loading import load_test_data, load_training_data
from model_zoo.recipes.keys import read_key
from server.commands.zoo.zoo import command
from tests.model_zoo.importers.tasks import Task, edit, left_beside, unwatched, write_task


@pytest.fixture
def task(tmp_path: Path) -> Task:
    return write_task(tmp_path / "pgdl")


def test_a_task_becomes_a_zoo(task: Task, tmp_path: Path) -> None:
    report = task.importing(tmp_path / "zoo", title="Task one")
    zoo = open_zoo(tmp_path / "zoo")
    zoo.verify()
    assert (report.networks, report.training_examples, report.test_examples, report.without_initial) == (4, 20, None, 0)
    assert (report.test_size, report.is_test_size_inferred) == (40, True)
    assert (zoo.manifest.name, zoo.manifest.title, zoo.manifest.truth_public) == ("task1", "Task one", False)
    assert (zoo.manifest.input_shape, zoo.manifest.classes) == ([2, 4, 3], 3)
    data = load_training_data(zoo)
    np.testing.assert_array_equal(data.inputs.numpy(), task.inputs.transpose(0, 3, 1, 2))
    np.testing.assert_array_equal(data.labels.numpy(), task.labels)
    truth = zoo.truth()
    assert [(axis.name, axis.values) for axis in truth.axes] == [("width", [4.0, 8.0]), ("rate", [0.0, 0.5])]
    written = json.loads(task.reference_file.read_text())
    assert {network.source: network.metrics for network in truth.networks.values()} == {
        name: entry["metrics"] for name, entry in written.items()
    }
    assert all(entry.initial is not None for entry in zoo.networks)
    public = (tmp_path / "zoo" / "public" / "networks.json").read_text()
    assert not any(f"model_{name}" in public or "rate" in public for name in task.networks)


def test_ids_are_random_and_not_the_original_ones(task: Task, tmp_path: Path) -> None:
    sources = []
    for name in ("one", "two"):
        task.importing(tmp_path / name)
        truth = open_zoo(tmp_path / name).truth()
        sources.append({network_id: network.source for network_id, network in truth.networks.items()})
        key = read_key(tmp_path / name / "private" / "key.json")
        assert sources[-1].keys() == set(key.ids(len(sources[-1])))
        assert (tmp_path / name / "private" / "key.json").stat().st_mode & 0o777 == 0o600
    assert not sources[0].keys() & sources[1].keys()
    task.importing(tmp_path / "public", truth_public=True)
    assert not (tmp_path / "public" / "private" / "key.json").exists()


def test_a_test_folder_goes_to_the_private_part_and_its_accuracies_are_compared(task: Task, tmp_path: Path) -> None:
    tests = task.folder / "dataset_1" / "test"
    shutil.copytree(task.folder / "dataset_1" / "train", tests)

    def as_in_training(content: Any) -> None:
        for entry in content.values():
            entry["metrics"]["test_acc"] = entry["metrics"]["train_acc"]

    with pytest.raises(ZooError, match=r"network 13: test_acc 0\.175, but it is 0\."):
        task.importing(tmp_path / "zoo")
    edit(task.reference_file, as_in_training)
    report = task.importing(tmp_path / "zoo")
    assert (report.test_examples, report.test_size, report.is_test_size_inferred) == (20, 20, False)
    zoo = open_zoo(tmp_path / "zoo")
    np.testing.assert_array_equal(load_test_data(zoo).inputs.numpy(), load_training_data(zoo).inputs.numpy())
    assert zoo.test_file == tmp_path / "zoo" / "private" / "test.safetensors"


def test_examples_may_be_written_number_by_number(tmp_path: Path) -> None:
    task = write_task(tmp_path / "pgdl", storage="packed")
    task.importing(tmp_path / "zoo")
    data = load_training_data(open_zoo(tmp_path / "zoo"))
    np.testing.assert_array_equal(data.inputs.numpy(), task.inputs.transpose(0, 3, 1, 2))


@pytest.mark.parametrize("place", ["file", "folder", "above", "beside the models"])
def test_the_reference_is_found(task: Task, tmp_path: Path, place: str) -> None:
    path = task.reference_file
    if place == "beside the models":
        shutil.move(path, task.folder / "model_configs.json")
    reference = {"file": path, "folder": path.parent, "above": task.reference, "beside the models": None}[place]
    request = PgdlRequest(task=task.folder, reference=reference, out=tmp_path / "zoo")
    assert import_pgdl(request, unwatched).networks == 4


def test_keys_may_have_the_folders_prefix_and_values_may_be_texts(task: Task, tmp_path: Path) -> None:
    def as_texts(content: Any) -> None:
        for name in list(content):
            entry = content[f"model_{name}"] = content.pop(name)
            entry["hparams"]["width"] = {
                "current_value": {4.0: "4", 8.0: "8"}[entry["hparams"]["width"]["current_value"]],
                "possible_values": ["8", "4"],
            }
            rate = entry["hparams"]["rate"]["current_value"]
            entry["hparams"]["rate"] = {
                "current_value": "none" if rate == 0 else rate,
                "possible_values": [0.5, "none"],
            }
            entry["metrics"] = {metric: str(value) for metric, value in entry["metrics"].items()}

    before = json.loads(task.reference_file.read_text())
    edit(task.reference_file, as_texts)
    task.importing(tmp_path / "zoo")
    truth = open_zoo(tmp_path / "zoo").truth()
    assert [(axis.name, axis.values) for axis in truth.axes] == [("width", [8, 4]), ("rate", [0.5, "none"])]
    assert {network.source: network.metrics for network in truth.networks.values()} == {
        name: entry["metrics"] for name, entry in before.items()
    }


def test_initial_weights_may_be_absent_or_left_out(task: Task, tmp_path: Path) -> None:
    task.network_file("10", "weights_init.hdf5").unlink()
    report = task.importing(tmp_path / "some")
    truth = open_zoo(tmp_path / "some").truth()
    without = [entry.id for entry in open_zoo(tmp_path / "some").networks if entry.initial is None]
    assert [truth.networks[network_id].source for network_id in without] == ["10"]
    assert report.without_initial == 1
    task.network_file("11", "weights_init.hdf5").write_bytes(b"unfit")
    assert task.importing(tmp_path / "none", with_initial=False).without_initial == 4


def test_every_mismatch_is_listed_and_nothing_is_imported(task: Task, tmp_path: Path) -> None:
    def worse(content: Any) -> None:
        for name in ("10", "12"):
            content[name]["metrics"]["train_acc"] = abs(content[name]["metrics"]["train_acc"] - 0.3)

    edit(task.reference_file, worse)
    with pytest.raises(ZooError) as caught:
        task.importing(tmp_path / "zoo")
    message = str(caught.value)
    assert message.startswith(f"{task.reference_file}: 2 recorded accuracies are not those of the networks")
    assert sorted(line.split(":")[0].strip() for line in message.splitlines()[1:]) == ["network 10", "network 12"]
    assert left_beside(tmp_path / "zoo") == {"pgdl"}


def test_one_example_of_difference_is_accepted(task: Task, tmp_path: Path) -> None:
    def one_off(content: Any) -> None:
        metrics = content["10"]["metrics"]
        metrics["train_acc"] += 0.05 if metrics["train_acc"] < 0.5 else -0.05

    edit(task.reference_file, one_off)
    assert task.importing(tmp_path / "zoo").accuracy_difference == pytest.approx(0.05)


def test_a_number_of_test_examples_that_accuracies_do_not_tell_has_to_be_said(task: Task, tmp_path: Path) -> None:
    def alike(content: Any) -> None:
        for entry in content.values():
            entry["metrics"]["test_acc"] = 0.5

    edit(task.reference_file, alike)
    with pytest.raises(
        ZooError, match=r"the number of test examples does not follow from the test accuracies; say it with --test-size"
    ):
        task.importing(tmp_path / "zoo")
    assert task.importing(tmp_path / "zoo", test_size=1234).test_size == 1234
    assert open_zoo(tmp_path / "zoo").truth().test_size == 1234


def test_a_target_needs_its_metrics(task: Task, tmp_path: Path) -> None:
    with pytest.raises(
        ZooError, match=r"model_configs\.json: network 10 has no metric test_loss, which the target loss_"
    ):
        task.importing(tmp_path / "zoo", targets=["gap", "loss_gap"])
    task.importing(tmp_path / "zoo", targets=["train_loss", "test_error"])
    truth = open_zoo(tmp_path / "zoo").truth()
    assert set(truth.target("train_loss").values()) == {0.5}
    assert set(truth.target("test_error").values()) == {0.75, 0.775, 0.8, 0.825}


def test_the_command_prints_the_zoos_folder_and_the_report(task: Task, tmp_path: Path) -> None:
    arguments = ["import", "pgdl", str(task.folder), "--reference", str(task.reference), "--out", str(tmp_path / "zoo")]
    options = ["--name", "first", "--dataset", "random", "--target", "test_error", "--no-initial", "--device", "cpu"]
    ran = CliRunner().invoke(command, [*arguments, *options])
    assert ran.exit_code == 0, ran.output
    assert ran.stdout == f"{tmp_path / 'zoo'}\n"
    assert "The test accuracies look like shares of 40 examples" in ran.stderr
    assert "4 networks have no initial weights." in ran.stderr
    manifest = open_zoo(tmp_path / "zoo").manifest
    assert (manifest.name, manifest.dataset.name, manifest.targets) == ("first", "random", ["test_error"])


def test_an_existing_folder_is_not_overwritten(task: Task, tmp_path: Path) -> None:
    task.importing(tmp_path / "zoo")
    before = open_zoo(tmp_path / "zoo").manifest_sha256
    with pytest.raises(ZooError, match="exists already"):
        task.importing(tmp_path / "zoo")
    assert open_zoo(tmp_path / "zoo").manifest_sha256 == before
