"""A check as pages and commands make it: torch in a child, references of scoring, and faults of the check itself."""

import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

import scoring
from model_zoo import open_zoo
from model_zoo.checks import CheckReport, Verdict
from tests.model_zoo.checks.zoos import edit, fired, item, make_sound_zoo
from worker.zoo_intake.check_process import DRAWS, CheckError, check_in_child, references


@pytest.fixture(scope="module")
def sound_zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_sound_zoo(tmp_path_factory.mktemp("zoos") / "sound", copies=6)


def test_the_child_tells_its_progress_and_a_whole_report(sound_zoo: Path) -> None:
    told: list[tuple[int, int, str]] = []
    report = check_in_child(sound_zoo, lambda *progress: told.append(progress), jobs=1)
    assert [done for done, _, text in told if text == "networks"] == list(range(25))
    assert told[-1] == (24, 24, f"random predictors: {DRAWS} of {DRAWS}")
    assert report.manifest_sha256 == open_zoo(sound_zoo).manifest_sha256
    assert report.verdict is not Verdict.ERROR
    assert {"training accuracy", "spread: gap", "scoring: gap"} <= {found.name for found in report.items}
    [row] = report.numbers.references
    truth = scoring.Truth.from_gengap(open_zoo(sound_zoo).truth().model_dump(mode="json"))
    expected = scoring.references(truth, draws=DRAWS)
    assert row.target == "gap"
    assert row.random_floor == pytest.approx(100 * expected.random_floor.mean)
    assert row.random_floor_percentile_95 == pytest.approx(100 * expected.random_floor.percentile_95)
    assert row.hyperparameter_oracle == pytest.approx(100 * expected.hyperparameter_oracle)


def test_a_folder_that_is_no_zoo_has_a_report(tmp_path: Path) -> None:
    report = check_in_child(tmp_path, lambda *_: None)
    assert fired(report) == {"opens": Verdict.ERROR}
    assert report.numbers.references == []


def test_every_target_has_its_references_and_what_scoring_refuses_is_an_error(
    sound_zoo: Path, digits_mlp: Path, tmp_path: Path
) -> None:
    report = check_in_child(digits_mlp, lambda *_: None)
    assert fired(report) == {}
    assert item(report, "scoring: gap").text.startswith("Of 100, chance gets 0.")
    folder = tmp_path / "zoo"
    shutil.copytree(sound_zoo, folder)

    def spoil(truth: dict[str, dict[str, dict[str, dict[str, float]]]]) -> None:
        for network in truth["networks"].values():
            network["metrics"]["constant"] = 1.0

    edit(folder, "private/truth.json", spoil)
    edit(folder, "zoo.json", lambda manifest: manifest.update(targets=["test_error", "constant"]))
    truth = open_zoo(folder).truth()
    both = references(report.model_copy(update={"targets": ["test_error", "constant"]}), truth)
    assert [row.target for row in both.numbers.references] == ["test_error"]
    refused = item(both, "scoring: constant")
    assert refused.verdict is Verdict.ERROR
    assert "nothing to predict" in refused.text


def test_a_small_zoo_is_warned_of_its_floor(tmp_path: Path) -> None:
    report = check_in_child(make_sound_zoo(tmp_path / "zoo"), lambda *_: None, jobs=1)
    floor = item(report, "scoring: gap")
    assert (floor.verdict, "may be chance on this zoo" in floor.text) == (Verdict.WARNING, True)


def test_an_additive_gap_is_warned_of_the_oracle(digits_mlp: Path) -> None:
    truth = open_zoo(digits_mlp).truth()
    report = check_in_child(digits_mlp, lambda *_: None)
    additive = {
        name: network.model_copy(
            update={
                "metrics": network.metrics
                | {
                    "additive": sum(
                        3.0**-index * axis.values.index(network.hyperparameters[axis.name])
                        for index, axis in enumerate(truth.axes)
                    )
                }
            }
        )
        for name, network in truth.networks.items()
    }
    found = references(
        report.model_copy(update={"targets": ["additive"], "items": []}),
        truth.model_copy(update={"networks": additive}),
    )
    assert (item(found, "scoring: additive").verdict) is Verdict.WARNING
    assert found.numbers.references[0].hyperparameter_oracle == pytest.approx(100, abs=1e-3)


def python_that(monkeypatch: pytest.MonkeyPatch, folder: Path, script: str) -> None:
    """Let children be a shell script instead of Python."""
    (folder / "python").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "python").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(folder / "python"))


def test_who_loses_interest_ends_the_child(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    progress = '{"done": 1, "total": 2, "text": "networks"}'
    python_that(monkeypatch, tmp_path, f"echo $$ > {tmp_path}/pid\necho '{progress}'\nexec sleep 1000")

    def watch(_done: int, _total: int, _text: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check_in_child(tmp_path, watch)
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))


def test_a_child_that_dies_is_told_with_its_last_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    python_that(monkeypatch, tmp_path, "echo out of memory >&2\nexit 7")
    with pytest.raises(CheckError, match="the check ended with 7 and no report: out of memory"):
        check_in_child(tmp_path, lambda *_: None)


def test_checking_imports_no_torch_here() -> None:
    modules = "worker.zoo_intake.check_process, worker.zoo_intake.zoo_check, server.charts.zoo_charts"
    code = f"import sys, {modules}; print('torch' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"


def test_a_grid_of_many_combinations_gets_fewer_draws(monkeypatch: pytest.MonkeyPatch, sound_zoo: Path) -> None:
    pairs = 16 + 2 * 144  # 2·2, 2·6 and 2·6
    monkeypatch.setattr("worker.zoo_intake.check_process.CELLS_AT_MOST", 100 * pairs)
    told: list[str] = []
    empty = CheckReport(zoo="sound", title="", manifest_sha256=None, targets=["gap"], items=[])
    references(empty, open_zoo(sound_zoo).truth(), lambda _done, _total, text: told.append(text))
    assert told[-1] == "random predictors: 100 of 100"
