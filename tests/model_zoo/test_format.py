"""Zoo folders: what is written is read again, and everything wrong with one is told with its file."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from model_zoo import ZooError, ZooTruth, loading, open_zoo
from model_zoo.gap_summary import summarize_gaps
from model_zoo.zoo import sha256_of
from tests.model_zoo.whole import make_whole_zoo


@pytest.fixture
def folder(tiny_zoo: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    shutil.copytree(tiny_zoo, tmp_path / "zoo")
    return tmp_path / "zoo"


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """A zoo with everything a zoo may have."""
    return make_whole_zoo(tmp_path / "whole")


def edit(path: Path, change: Callable[[Any], object]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def edit_listed(folder: Path, name: str, change: Callable[[Any], object]) -> None:
    """Change a JSON file and put its new digest in zoo.json, as a careless organizer would."""
    edit(folder / name, change)
    relist(folder, name)


def relist(folder: Path, name: str) -> None:
    path = folder / name
    digest = {"sha256": sha256_of(path), "bytes": path.stat().st_size}
    edit(folder / "zoo.json", lambda manifest: manifest["files"].update({name: digest}))


def test_a_zoo_is_read_as_it_was_written(tiny_zoo: Path) -> None:
    zoo = open_zoo(tiny_zoo)
    zoo.verify()
    assert zoo.name == zoo.manifest.name == "tiny"
    assert len(zoo.networks) == len({entry.id for entry in zoo.networks}) == 8
    assert zoo.truth().model_dump() == json.loads((tiny_zoo / "private" / "truth.json").read_text())
    assert zoo.truth().networks.keys() == {entry.id for entry in zoo.networks}
    for entry in zoo.networks:
        assert entry.weights == tiny_zoo / "public" / "networks" / f"{entry.id}.safetensors"
        assert entry.initial == tiny_zoo / "public" / "networks" / f"{entry.id}.initial.safetensors"
    assert zoo.training_file == tiny_zoo / "public" / "train.safetensors"
    assert zoo.test_file is None
    assert zoo.manifest_sha256 == sha256_of(tiny_zoo / "zoo.json")


def test_gaps_are_train_minus_test_accuracy_and_their_summary_is_numpys(tiny_zoo: Path) -> None:
    truth = open_zoo(tiny_zoo).truth()
    gaps = np.array([round(n.metrics["train_acc"] - n.metrics["test_acc"], 12) for n in truth.networks.values()])
    assert list(truth.gaps().values()) == gaps.tolist()
    summary = summarize_gaps(truth)
    assert summary.mean == pytest.approx(gaps.mean())
    assert summary.std == pytest.approx(gaps.std(ddof=1))
    assert (summary.least, summary.largest) == (gaps.min(), gaps.max())
    p = np.array([n.metrics["test_acc"] for n in truth.networks.values()])
    assert summary.standard_error == pytest.approx(np.sqrt(p * (1 - p) / truth.test_size).mean())
    assert summary.spread == pytest.approx(gaps.std(ddof=1) / summary.standard_error)
    at_3 = [gap for gap, n in zip(gaps, truth.networks.values(), strict=True) if n.hyperparameters["width"] == 3]
    value, mean_at_3 = summary.by_axis["width"][0]
    assert value == 3
    assert mean_at_3 == pytest.approx(np.mean(at_3))


def test_the_public_part_alone_has_no_truth(folder: Path) -> None:
    shutil.rmtree(folder / "private")
    edit(folder / "zoo.json", lambda manifest: manifest["files"].pop("private/truth.json"))
    zoo = open_zoo(folder)
    assert not zoo.has_truth
    with pytest.raises(ZooError, match=r"only the public part of this zoo is here"):
        zoo.truth()


MANIFEST_FAULTS: list[tuple[Callable[[Any], object], str]] = [
    (lambda m: m.update(format=2), r"zoo\.json: format 2 is newer than this Gengap reads \(1\)"),
    (lambda m: m.update(format=0), r"zoo\.json: format: Input should be 1"),
    (lambda m: m.pop("format"), r"zoo\.json: no format number"),
    (lambda m: m.pop("title"), r"zoo\.json: title: Field required"),
    (lambda m: m.update(colour="red"), r"zoo\.json: colour: Extra inputs"),
    (lambda m: m.update(classes=1), r"zoo\.json: classes: Input should be greater than or equal to 2"),
    (lambda m: m.update(name="../up"), r"zoo\.json: name: String should match"),
    (lambda m: m["files"].pop("public/networks.json"), r"zoo\.json: files must list public/networks\.json"),
    (lambda m: m["files"].update({"public/../../x": {"sha256": "0" * 64, "bytes": 1}}), r"not a path inside"),
    (lambda m: m["files"].update({"/etc/passwd": {"sha256": "0" * 64, "bytes": 1}}), r"not a path inside"),
    (lambda m: m["files"].update({"secret/x": {"sha256": "0" * 64, "bytes": 1}}), r"neither below public/ nor"),
    (lambda m: m["files"].update({"public/x": {"sha256": "0" * 64, "bytes": 1}}), r"public/x: No such file"),
    (lambda m: m["files"]["public/train.safetensors"].update(sha256="xyz"), r"sha256: String should match"),
    (lambda m: m.update(targets=[]), r"zoo\.json: targets: List should have at least 1"),
    (lambda m: m.update(targets=["gap; drop"]), r"zoo\.json: targets\.0: String should match"),
    (lambda m: m.update(tracks=["secret"]), r"zoo\.json: tracks\.0: Input should be 'standard' or 'extended'"),
]


@pytest.mark.parametrize(("change", "message"), MANIFEST_FAULTS, ids=[m for _, m in MANIFEST_FAULTS])
def test_a_faulty_manifest_is_told(folder: Path, change: Callable[[Any], object], message: str) -> None:
    edit(folder / "zoo.json", change)
    with pytest.raises(ZooError, match=message):
        open_zoo(folder)


def test_what_is_not_a_zoo_is_told(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ZooError, match=r"no zoo\.json here"):
        open_zoo(tmp_path)
    for content in (b"\xff{", b"[" * 100_000, b"9" * 10_000):
        (folder / "zoo.json").write_bytes(content)
        with pytest.raises(ZooError, match=r"zoo\.json: not JSON"):
            open_zoo(folder)


NETWORK_FAULTS: list[tuple[Callable[[Any], object], str]] = [
    (lambda n: n["networks"][0].update(weights="public/../private/truth.json"), r"not a path inside"),
    (lambda n: n["networks"][0].update(weights="private/truth.json"), r"not below public/"),
    (lambda n: n["networks"][0].update(weights="public/other.safetensors"), r"is not listed in zoo\.json"),
    (lambda n: n["networks"].append(n["networks"][0]), r"is listed twice"),
    (lambda n: n["networks"][0].update(id="a/b"), r"networks\.0\.id: String should match"),
    (lambda n: n.update(networks=[]), r"networks: List should have at least 1"),
    (
        lambda n: n["networks"][0].update(siblings=["public/x.safetensors"]),
        r"x\.safetensors .* is not listed in zoo\.json",
    ),
    (lambda n: n["networks"][0].update(siblings=["private/truth.json"]), r"not below public/"),
    (
        lambda n: n["networks"][0].update(trajectory=[{"epoch": 1, "weights": "public/x.safetensors"}]),
        r"x\.safetensors .* is not listed in zoo\.json",
    ),
    (
        lambda n: n["networks"][0].update(
            trajectory=[{"epoch": epoch, "weights": n["networks"][0]["weights"]} for epoch in (2, 1)]
        ),
        r"the trajectory of network \w+ has the epochs \[2\.0, 1\.0\], which must rise",
    ),
    (lambda n: n["networks"][0]["architecture"].update(family="custom"), r"needs public/architecture\.py in the zoo"),
]


@pytest.mark.parametrize(("change", "message"), NETWORK_FAULTS, ids=[m for _, m in NETWORK_FAULTS])
def test_a_faulty_list_of_networks_is_told(folder: Path, change: Callable[[Any], object], message: str) -> None:
    edit_listed(folder, "public/networks.json", change)
    with pytest.raises(ZooError, match=rf"networks\.json: .*{message}"):
        open_zoo(folder)


def first(truth: Any) -> Any:
    return next(iter(truth["networks"].values()))


TRUTH_FAULTS: list[tuple[Callable[[Any], object], str]] = [
    (lambda t: first(t)["hyperparameters"].update(width=4), r"width = 4 is not on its axis \[3, 5\]"),
    (lambda t: first(t)["hyperparameters"].pop("width"), r"has the hyperparameters \['scale', 'seed'\], but"),
    (lambda t: first(t)["metrics"].pop("test_acc"), r"has no metric test_acc"),
    (lambda t: first(t)["metrics"].update(test_acc=float("nan")), r"test_acc: Input should be a finite number"),
    (lambda t: t["axes"].append(t["axes"][0]), r"two axes have the same name"),
    (lambda t: t["axes"][0]["values"].append(3), r"the axis width has a value twice"),
    (
        lambda t: t["axes"][0].update(values=[3, 5, -0.0, 0.0]),
        r"the axis width has -0\.0 and 0\.0, which are equal but written differently",
    ),
    (lambda t: t["axes"][0].update(values=[3, 5, 1, True]), r"the axis width has 1 and True, which are equal"),
    (lambda t: t["axes"][0].update(values=[3, 5, "5.0"]), r"the axis width has 5 and '5\.0', which are equal"),
    (lambda t: t["axes"][0].update(values=[3, 5, "\u00e9", "e\u0301"]), r"the axis width has .* which are equal but"),
    (
        lambda t: t["axes"].extend([{"name": "\u00e9", "values": [1]}, {"name": "e\u0301", "values": [1]}]),
        r"two axes have the same name \('\\xe9' and 'e\\u0301'\)",
    ),
    (lambda t: first(t)["hyperparameters"].update(width=3.0), r"width = 3\.0 is not on its axis \[3, 5\]"),
    (lambda t: first(t)["metrics"].update(epochs=2**53 + 1), r"metrics\.epochs: a whole number beyond 2\^53 that"),
    (lambda t: first(t)["metrics"].update(epochs=10**400), r"metrics\.epochs: a whole number beyond 2\^53 that"),
    (lambda t: t["networks"].popitem(), r"the truth is not about this zoo's networks"),
    (lambda t: t.update(test_size=0), r"test_size: Input should be greater"),
]


@pytest.mark.parametrize(("change", "message"), TRUTH_FAULTS, ids=[m for _, m in TRUTH_FAULTS])
def test_a_faulty_truth_is_told(folder: Path, change: Callable[[Any], object], message: str) -> None:
    edit_listed(folder, "private/truth.json", change)
    zoo = open_zoo(folder)
    with pytest.raises(ZooError, match=rf"truth\.json: .*{message}"):
        zoo.truth()


def test_a_metric_may_be_a_large_whole_number_that_float64_holds(folder: Path) -> None:
    edit_listed(folder, "private/truth.json", lambda t: first(t)["metrics"].update(epochs=2**60, steps=-(2**53)))
    read = next(iter(open_zoo(folder).truth().networks.values())).metrics
    assert (read["epochs"], read["steps"]) == (2.0**60, -(2.0**53))


def test_a_target_whose_metrics_are_missing_is_told(folder: Path) -> None:
    edit(folder / "zoo.json", lambda manifest: manifest.update(targets=["gap", "ood_gap"]))
    with pytest.raises(ZooError, match=r"truth\.json: the target ood_gap needs the metric ood_acc, which network"):
        open_zoo(folder).truth()


def test_everything_that_a_zoo_may_carry_is_found(whole: Path) -> None:
    zoo = open_zoo(whole)
    zoo.verify()
    assert zoo.test_file == whole / "private" / "test.safetensors"
    assert zoo.unlabelled_file == whole / "public" / "unlabelled.safetensors"
    assert zoo.architecture_file == whole / "public" / "architecture.py"
    for entry in zoo.networks:
        names = [f"{entry.id}.{number}.safetensors" for number in (0, 1)]
        assert entry.siblings == tuple(whole / "public" / "siblings" / name for name in names)
        points = zip((0.5, 4.0), (whole / "public" / "trajectory" / name for name in names), strict=True)
        assert entry.trajectory == tuple(points)
    assert zoo.offers == ("siblings", "unlabelled", "trajectory")
    assert [entry.is_custom for entry in zoo.networks] == [False, False, True]


def test_a_zoo_loads_its_networks_and_data(whole: Path) -> None:
    zoo = open_zoo(whole)
    network = loading.load_network(zoo, zoo.networks[0].id)
    assert not network.training
    assert isinstance(network.initial, torch.nn.Module)
    training, test = loading.load_training_data(zoo), loading.load_test_data(zoo)
    assert (training.inputs.shape, test.inputs.shape, training.classes) == ((6, 1, 2, 2), (4, 1, 2, 2), 2)
    assert network(training.inputs).shape == (6, 2)
    siblings = list(loading.load_siblings(zoo, zoo.networks[0].id))
    weights = [next(one.parameters()) for one in (network, *siblings)]
    assert not any(torch.equal(weights[i], weights[j]) for i, j in ((0, 1), (0, 2), (1, 2)))
    assert loading.load_unlabelled_inputs(zoo).shape == (4, 1, 2, 2)


def test_a_trajectory_leads_through_other_weights_than_the_networks_own(whole: Path) -> None:
    zoo = open_zoo(whole)
    entry = zoo.networks[0]
    points = list(loading.load_trajectory(zoo, entry.id))
    assert [epoch for epoch, _ in points] == [0.5, 4.0]
    weights = [next(one.parameters()) for one in (loading.load_network(zoo, entry.id), *(point for _, point in points))]
    assert not any(torch.equal(weights[i], weights[j]) for i, j in ((0, 1), (0, 2), (1, 2)))
    with pytest.raises(ZooError, match="runs only inside a sandbox"):
        list(loading.load_trajectory(zoo, zoo.networks[2].id))


def test_a_zoo_offers_what_every_network_has_and_only_on_the_extended_track(whole: Path) -> None:
    listed = json.loads((whole / "public/networks.json").read_text())
    listed["networks"][1].pop("siblings")
    (whole / "public/networks.json").write_text(json.dumps(listed))
    relist(whole, "public/networks.json")
    assert open_zoo(whole).offers == ("unlabelled", "trajectory")
    edit(whole / "zoo.json", lambda manifest: manifest.update(tracks=["standard"]))
    assert open_zoo(whole).offers == ()


def test_a_list_of_networks_without_trajectories_does_not_speak_of_them(tiny_zoo: Path) -> None:
    assert b"trajectory" not in (tiny_zoo / "public/networks.json").read_bytes()


def test_a_network_of_the_zoos_own_code_is_not_loaded_outside_a_sandbox(whole: Path) -> None:
    zoo = open_zoo(whole)
    with pytest.raises(ZooError, match=r"architecture\.py: builds network \w+, and runs only inside a sandbox"):
        loading.load_network(zoo, zoo.networks[2].id)
    with pytest.raises(ZooError, match="runs only inside a sandbox"):
        list(loading.load_siblings(zoo, zoo.networks[2].id))


def test_unlabelled_inputs_that_have_labels_or_are_not_there_are_told(whole: Path, tiny_zoo: Path) -> None:
    with pytest.raises(ZooError, match="carries no unlabelled inputs"):
        loading.load_unlabelled_inputs(open_zoo(tiny_zoo))
    shutil.copy(whole / "private" / "test.safetensors", whole / "public" / "unlabelled.safetensors")
    relist(whole, "public/unlabelled.safetensors")
    with pytest.raises(ZooError, match=r"unlabelled\.safetensors: .*needs the tensor inputs alone"):
        loading.load_unlabelled_inputs(open_zoo(whole))


def test_a_partial_zoo_needs_its_json_files_alone(whole: Path) -> None:
    entry = open_zoo(whole).networks[0]
    shutil.rmtree(whole / "public" / "siblings")
    entry.weights.unlink()
    with pytest.raises(ZooError, match="No such file"):
        open_zoo(whole)
    zoo = open_zoo(whole, partial=True)
    assert zoo.truth().networks.keys() == {entry.id for entry in zoo.networks}
    assert zoo.network(entry.id) == entry
    with pytest.raises(ZooError, match=rf"{entry.id}\.safetensors: No such file"):
        loading.load_network(zoo, entry.id)
    with pytest.raises(ZooError, match="No such file"):
        zoo.verify()


@pytest.mark.parametrize("name", ["public/networks.json", "private/truth.json", "zoo.json"])
def test_a_partial_zoo_without_a_json_file_is_not_opened(whole: Path, name: str) -> None:
    (whole / name).unlink()
    with pytest.raises(ZooError, match=rf"{Path(name).name}"):
        open_zoo(whole, partial=True)


def test_a_file_of_a_partial_zoo_that_is_there_must_be_whole(whole: Path) -> None:
    path = open_zoo(whole).networks[0].weights
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ZooError, match=rf"{path.name}: .* bytes, but zoo\.json says"):
        open_zoo(whole, partial=True)
    path.unlink()
    path.symlink_to(whole / "zoo.json")
    with pytest.raises(ZooError, match="a symbolic link"):
        open_zoo(whole, partial=True)


def test_a_changed_file_is_found(folder: Path) -> None:
    weights = open_zoo(folder).networks[3].weights
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ZooError, match=rf"{weights.name}: its sha256 is not the one in zoo\.json"):
        open_zoo(folder).verify()


@pytest.mark.parametrize("name", ["public/networks.json", "private/truth.json"])
def test_a_changed_json_file_is_found_when_it_is_read(folder: Path, name: str) -> None:
    path = folder / name
    path.write_text(path.read_text().replace("0", "1", 1))
    with pytest.raises(ZooError, match=rf"{path.name}: its sha256"):
        open_zoo(folder).truth()


def test_a_truncated_or_missing_file_is_found_on_opening(folder: Path) -> None:
    weights = open_zoo(folder).networks[3].weights
    content = weights.read_bytes()
    weights.write_bytes(content[:-4])
    with pytest.raises(ZooError, match=rf"{weights.name}: {len(content) - 4} bytes, but zoo\.json says"):
        open_zoo(folder)
    weights.unlink()
    with pytest.raises(ZooError, match=rf"{weights.name}: No such file or directory"):
        open_zoo(folder)
    weights.mkdir()
    with pytest.raises(ZooError, match=rf"{weights.name}: not a plain file"):
        open_zoo(folder)


@pytest.mark.parametrize("name", ["zoo.json", "public/train.safetensors", "public/networks", "private"])
def test_a_symbolic_link_is_refused(folder: Path, tmp_path: Path, name: str) -> None:
    (folder / name).rename(tmp_path / "elsewhere")
    (folder / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ZooError, match=rf"{Path(name).name}.*: a symbolic link"):
        open_zoo(folder)


def test_truncated_weights_that_are_listed_are_told_when_they_are_loaded(folder: Path) -> None:
    entry = open_zoo(folder).networks[0]
    entry.weights.write_bytes(entry.weights.read_bytes()[:-4])
    relist(folder, str(entry.weights.relative_to(folder)))
    with pytest.raises(ZooError, match=rf"{entry.id}.*damaged or truncated"):
        loading.load_network(open_zoo(folder), entry.id)


def test_an_unknown_layer_is_told_with_its_network_and_index(folder: Path) -> None:
    edit_listed(
        folder,
        "public/networks.json",
        lambda listed: listed["networks"][0]["architecture"]["layers"][2].update(type="softsign"),
    )
    zoo = open_zoo(folder)
    with pytest.raises(ZooError, match=rf"networks\.json: network {zoo.networks[0].id}: layer 2: .*'softsign'"):
        loading.load_network(zoo, zoo.networks[0].id)


def test_a_network_or_data_that_is_not_there_is_told(tiny_zoo: Path) -> None:
    zoo = open_zoo(tiny_zoo)
    with pytest.raises(ZooError, match="no network abc in this zoo"):
        loading.load_network(zoo, "abc")
    with pytest.raises(ZooError, match="carries no test data"):
        loading.load_test_data(zoo)


def test_labels_outside_the_classes_are_told(folder: Path) -> None:
    edit(folder / "zoo.json", lambda manifest: manifest.update(classes=3))
    with pytest.raises(ZooError, match=r"train\.safetensors: labels must be from 0 to 2, not 0 to 9"):
        loading.load_training_data(open_zoo(folder))


def test_truth_reads_its_own_dump(tiny_zoo: Path) -> None:
    truth = open_zoo(tiny_zoo).truth()
    assert ZooTruth.model_validate(truth.model_dump()) == truth


def test_reading_and_publishing_a_zoo_does_not_import_torch(tiny_zoo: Path, tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from model_zoo import open_zoo\n"
        "import model_zoo.training.trained_zoos, model_zoo.gap_summary, model_zoo.writer, server.commands.zoo.zoo\n"
        "import model_zoo.publish, pathlib\n"
        "zoo = open_zoo(sys.argv[1]); zoo.verify(); zoo.truth().gaps()\n"
        "model_zoo.publish.publish(zoo, pathlib.Path(sys.argv[2]))\n"
        "print(sorted({'torch', 'sklearn'} & sys.modules.keys()))\n"
    )
    command = [sys.executable, "-c", program, str(tiny_zoo), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
