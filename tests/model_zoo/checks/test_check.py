"""The walk through a zoo: nothing fires without a fault, what is looked at and what is not, the numbers, progress."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from model_zoo import NetworkEntry, Zoo, ZooError, open_zoo
from model_zoo.checks import CheckReport, Verdict
from model_zoo.checks.measured import Measured
from model_zoo.checks.runner import check_folder, check_zoo
from model_zoo.checks.torch_measurer import Measurer
from tests.model_zoo.checks.breaking import TRUTH, add_unlabelled, manifest, metric, renamed, weights_of
from tests.model_zoo.checks.zoos import TEST, TRAINING, check, edit, edit_tensors, fired, item, make_sound_zoo


def test_nothing_fires_on_a_sound_zoo(sound_zoo: Path) -> None:
    report = check(sound_zoo)
    assert fired(report) == {}
    assert report.verdict is Verdict.OK
    assert len({found.name for found in report.items}) == len(report.items)


def test_an_accuracy_may_be_one_example_off_and_no_more(folder: Path) -> None:
    metric(0, "train_acc", 1 - 1 / TRAINING)(folder)
    assert item(check(folder), "training accuracy").verdict is Verdict.OK
    metric(0, "train_acc", 1 - 1.01 / TRAINING)(folder)
    assert item(check(folder), "training accuracy").verdict is Verdict.ERROR


def test_nothing_is_read_of_a_zoo_with_damaged_files(folder: Path) -> None:
    path = folder / weights_of(folder)
    path.write_bytes(b"\xff" * path.stat().st_size)
    report = check(folder)
    assert [found.name for found in report.items] == ["checksums", "unlisted"]
    assert report.numbers.networks == []


def test_networks_are_not_measured_on_data_that_do_not_fit(folder: Path) -> None:
    edit_tensors(folder, "public/train.safetensors", lambda found: found["labels"].__setitem__(0, -1))
    names = [found.name for found in check(folder).items]
    assert "networks load" not in names
    assert {"training data", "finite weights", "grid", "spread: gap", "ids"} <= set(names)


def test_without_test_data_there_is_nothing_to_measure_the_test_accuracy_on(folder: Path) -> None:
    edit(folder, "zoo.json", lambda content: content["files"].pop("private/test.safetensors"))
    report = check(folder)
    assert fired(report) == {"unlisted": Verdict.WARNING}  # the file itself is still there
    names = {found.name for found in report.items}
    assert "training accuracy" in names
    assert not names & {"test accuracy", "test data", "overlap"}
    assert report.numbers.test_examples is None


def test_what_a_zoo_offers_to_the_extended_track_is_told(folder: Path) -> None:
    add_unlabelled(inputs=np.zeros((2, 1, 4, 4), np.float32))(folder)
    assert item(check(folder), "extended track").text.endswith("of every network: siblings, unlabelled, trajectory.")


def test_unlabelled_inputs_alone_are_fine(folder: Path) -> None:
    add_unlabelled(inputs=np.zeros((2, 1, 4, 4), np.float32))(folder)
    assert fired(check(folder)) == {}


def test_a_harmless_header_is_no_leak(folder: Path) -> None:
    edit_tensors(folder, weights_of(folder), metadata={"format": "pt"})
    assert item(check(folder), "metadata").verdict is Verdict.OK


def test_times_that_follow_nothing_are_fine(folder: Path) -> None:
    for number, path in enumerate(sorted((folder / "public/networks").iterdir())):
        os.utime(path, (1e9 + number, 1e9 + number))
    assert item(check(folder), "times").text == "The files' times are correlated with nothing hidden."


def test_every_target_of_the_manifest_is_looked_at(folder: Path) -> None:
    manifest(targets=["test_error", "test_loss"])(folder)
    names = {found.name for found in check(folder).items if ": " in found.name}
    assert names == {
        "pairs: test_error",
        "spread: test_error",
        "axis correlation: test_error",
        "pairs: test_loss",  # how much of a loss is noise, the size of the test set alone does not tell
        "axis correlation: test_loss",
    }


def test_the_numbers_are_those_of_the_truth(sound_zoo: Path) -> None:
    numbers = check(sound_zoo).numbers
    truth = open_zoo(sound_zoo).truth()
    gaps = np.array(list(truth.gaps().values()))
    assert {network.id: network.gap for network in numbers.networks} == truth.gaps()
    assert numbers.mean_gap == pytest.approx(gaps.mean())
    assert numbers.std_gap == pytest.approx(gaps.std(ddof=1))
    assert (numbers.training_examples, numbers.test_examples) == (TRAINING, TEST)
    assert numbers.bytes == sum(path.stat().st_size for path in sound_zoo.rglob("*/*") if path.is_file())
    assert numbers.evaluation_s is not None
    assert numbers.evaluation_s > 12 * 0.1
    tilt = numbers.axes[0]
    at = np.array([network.hyperparameters["tilt"] for network in numbers.networks])
    means = [gaps[at == value].mean() for value in tilt.values]
    assert (tilt.name, tilt.values) == ("tilt", [0.05, 0.25])
    assert tilt.mean_gaps == pytest.approx(means)
    assert tilt.share == pytest.approx(6 * np.square(np.array(means) - gaps.mean()).sum() / (gaps.var() * 12))
    signs = np.sign(np.subtract.outer(at, at)) * np.sign(np.subtract.outer(gaps, gaps))
    ties = [np.count_nonzero(np.subtract.outer(of, of)) for of in (at, gaps)]
    assert tilt.tau_b == pytest.approx(signs.sum() / np.sqrt(ties[0] * ties[1]))


def test_progress_counts_the_networks(sound_zoo: Path) -> None:
    told: list[tuple[int, int, str]] = []
    check_folder(sound_zoo, Measurer, watch=lambda *progress: told.append(progress), jobs=2)
    assert {total for _, total, _ in told} == {12}
    assert [done for done, _, text in told if text == "networks"] == list(range(13))


def test_who_measures_is_the_callers_choice_and_its_faults_are_told(sound_zoo: Path) -> None:
    zoo = open_zoo(sound_zoo)
    report = check_zoo(zoo, watch=lambda *_: None, measured=lambda _: Measured(load_fault="no such luck"))
    assert item(report, "networks load").text.endswith("no such luck")
    assert item(report, "training accuracy").verdict is Verdict.WARNING
    assert report.numbers.evaluation_s is None


def test_a_check_that_cannot_go_on_raises(sound_zoo: Path) -> None:
    def fails(_zoo: Zoo) -> Callable[[NetworkEntry], Measured]:
        def measure(_entry: NetworkEntry) -> Measured:
            raise ZooError("the disk is gone")

        return measure

    with pytest.raises(ZooError, match="the disk is gone"):
        check_folder(sound_zoo, fails, watch=lambda *_: None)


def test_a_larger_zoo_with_ids_that_rise_with_an_axis_is_refused(tmp_path: Path) -> None:
    folder = make_sound_zoo(tmp_path / "zoo", copies=16)
    assert item(check(folder), "order").verdict is Verdict.OK

    def by_seed(of: Path) -> list[str]:
        truth = json.loads((of / TRUTH).read_text())["networks"]
        return sorted(truth, key=lambda identifier: truth[identifier]["hyperparameters"]["seed"])

    renamed(lambda known: f"abcdef{(known.number + 500) * 7}x", by_seed)(folder)
    found = item(check(folder), "order")
    assert (found.verdict, "it is correlated with seed" in found.text) == (Verdict.ERROR, True)


def test_a_report_survives_json(sound_zoo: Path, folder: Path) -> None:
    metric(1, "test_acc", 93.5)(folder)
    for report in (check(sound_zoo), check(folder), check(folder / "public")):
        assert CheckReport.model_validate_json(report.model_dump_json()) == report
