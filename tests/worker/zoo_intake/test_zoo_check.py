"""Checking zoos by the way they need: torch in a child, or a sandbox for those with code of their own."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from model_zoo.checks import CheckReport, Verdict
from submissions.settings import Settings
from tests.model_zoo.checks.zoos import OWN_ARCHITECTURE, edit, edit_tensors, fired, item, make_sound_zoo, relist
from worker.zoo_intake.check_process import CheckError
from worker.zoo_intake.zoo_check import check

Check = Callable[[Path], CheckReport]
SMALL_FLOOR = {"scoring: gap": Verdict.WARNING}  # 12 networks are few


@pytest.fixture(scope="module")
def own_zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 sound networks, built by the zoo's own architecture.py, each with a sibling and a trajectory."""
    return make_sound_zoo(tmp_path_factory.mktemp("zoos") / "own", own_architecture=True, extended=True)


@pytest.fixture
def folder(own_zoo: Path, tmp_path: Path) -> Path:
    shutil.copytree(own_zoo, tmp_path / "zoo")
    return tmp_path / "zoo"


@pytest.fixture
def checked(settings: Settings) -> Check:
    return lambda folder: check(folder, lambda *_: None, settings)


def with_code(folder: Path, code: bytes) -> None:
    (folder / "public/architecture.py").write_bytes(code)
    relist(folder)


def test_a_zoo_with_code_of_its_own_is_measured_in_a_sandbox(own_zoo: Path, settings: Settings) -> None:
    told: list[tuple[int, int, str]] = []
    report = check(own_zoo, lambda *progress: told.append(progress), settings)
    assert fired(report) == SMALL_FLOOR
    assert item(report, "training accuracy").text.startswith("Remeasured on 40 examples")
    assert item(report, "test accuracy").text.startswith("Remeasured on 400 examples")
    assert item(report, "training loss").text == "Recorded, and not remeasured."
    assert report.numbers.references
    assert [done for done, _, text in told if text == "networks"] == list(range(13))


def test_its_code_never_runs_outside(folder: Path, checked: Check, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    with_code(folder, f"open({str(mark)!r}, 'w').write('here')\n".encode() + OWN_ARCHITECTURE)
    found = item(checked(folder), "networks load")
    assert found.verdict is Verdict.ERROR
    assert "architecture.py" in found.text
    assert not mark.exists()


def test_code_that_raises_is_an_error_of_the_zoo(folder: Path, checked: Check) -> None:
    with_code(folder, b"def build(inputs, outputs):\n    raise ValueError('no')\n")
    found = item(checked(folder), "networks load")
    assert (found.verdict, "12 of 12 networks cannot be loaded" in found.text) == (Verdict.ERROR, True)


@pytest.mark.thorough
def test_logits_of_another_shape_are_told(folder: Path, checked: Check) -> None:
    with_code(folder, OWN_ARCHITECTURE.replace(b"outputs))", b"outputs), nn.Flatten(0))"))
    found = item(checked(folder), "logits")
    assert found.verdict is Verdict.ERROR
    assert "40 inputs give (80,), not logits of (40, 2)." in found.text


@pytest.mark.thorough
def test_wrong_numbers_are_found_there_too(folder: Path, checked: Check) -> None:
    def spoil(truth: dict[str, dict[str, dict[str, dict[str, float]]]]) -> None:
        first, second, *_ = truth["networks"].values()
        first["metrics"]["train_acc"] = 0.96
        second["metrics"]["test_acc"] -= 0.01

    edit(folder, "private/truth.json", spoil)
    report = checked(folder)
    assert "1 of 12 networks have another training accuracy" in item(report, "training accuracy").text
    assert "1 of 12 networks have another test accuracy" in item(report, "test accuracy").text


@pytest.mark.thorough
def test_a_sibling_that_does_not_fit_is_told(folder: Path, checked: Check) -> None:
    sibling = min((folder / "public/siblings").iterdir())
    edit_tensors(folder, str(sibling.relative_to(folder)), lambda tensors: tensors.pop("1.bias"))
    found = item(checked(folder), "networks load")
    assert found.text.startswith("1 of 12 networks cannot be loaded")
    assert f"The sibling {sibling.name}: " in found.text


@pytest.mark.thorough
def test_a_point_of_a_trajectory_that_does_not_fit_is_told(folder: Path, checked: Check) -> None:
    point = min((folder / "public/trajectory").iterdir())
    edit_tensors(folder, str(point.relative_to(folder)), lambda tensors: tensors.pop("1.bias"))
    assert f"The trajectory's {point.name}: " in item(checked(folder), "networks load").text


def test_a_zoo_without_code_is_checked_in_a_child(tmp_path: Path, checked: Check) -> None:
    assert fired(checked(make_sound_zoo(tmp_path / "zoo"))) == SMALL_FLOOR
    assert fired(checked(tmp_path)) == {"opens": Verdict.ERROR}


def test_where_the_sandbox_lacks_a_layer_no_code_of_a_zoo_is_run(own_zoo: Path, settings: Settings) -> None:
    asking = Settings(**(settings.model_dump() | {"sandbox_minimum": ("namespaces", "no_such_layer")}))
    with pytest.raises(CheckError, match="the sandbox lacks no_such_layer here; run: gengap doctor"):
        check(own_zoo, lambda *_: None, asking)
