"""`make mutants` itself: a run in which something else than the mutants fails the tests gives no score."""

import json
from pathlib import Path

import pytest
from mutmut.mutation.trampoline import wrap_in_trampoline

from tests.mutants import UNCHANGED, add_unchanged, fault_of, print_score, results

DOUBLE, HALF = "room.rule.x_double__mutmut_", "room.rule.x_half__mutmut_"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What mutmut keeps of a module with three mutants of two functions."""
    meta = tmp_path / "mutants" / "room" / "rule.py.meta"
    meta.parent.mkdir(parents=True)
    codes = dict.fromkeys((f"{DOUBLE}1", f"{DOUBLE}2", f"{HALF}1"))
    meta.write_text(json.dumps({"exit_code_by_key": codes, "durations_by_key": {}}))
    return tmp_path


def write_tests(folder: Path, double: list[str], half: list[str]) -> None:
    tests = {"room.rule.x_double": double, "room.rule.x_half": half}
    stats = folder / "mutants" / "mutmut-stats.json"
    stats.write_text(json.dumps({"tests_by_mangled_function_name": tests}))


@pytest.mark.parametrize(("number", "expected"), [("__mutmut_1", "mutant"), (UNCHANGED, "original")])
def test_mutmut_runs_the_original_where_a_mutant_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, number: str, expected: str
) -> None:
    @wrap_in_trampoline({"_mutmut_orig": lambda: "original", "x_what__mutmut_1": lambda: "mutant"})
    def what() -> str:
        return "neither"

    monkeypatch.setenv("MUTANT_UNDER_TEST", f"{__name__}.x_what{number}")
    assert what() == expected


@pytest.mark.parametrize(
    ("half", "unchanged"),
    [
        (["b"], [f"{DOUBLE}0"]),
        (["a", "b"], [f"{DOUBLE}0"]),
        (["b", "c"], [f"{DOUBLE}0", f"{HALF}0"]),
        ([], [f"{DOUBLE}0"]),
    ],
)
def test_every_test_is_run_for_a_mutant_that_changes_nothing(
    folder: Path, half: list[str], unchanged: list[str]
) -> None:
    write_tests(folder, ["a", "b"], half)
    assert add_unchanged(folder, [f"{DOUBLE}2", f"{DOUBLE}1", f"{HALF}1"]) == unchanged
    assert list(results(folder)) == [*unchanged, f"{DOUBLE}1", f"{DOUBLE}2", f"{HALF}1"]


def test_a_function_that_is_not_in_the_sample_needs_no_such_mutant(folder: Path) -> None:
    write_tests(folder, ["a"], ["b"])
    assert add_unchanged(folder, [f"{HALF}1"]) == [f"{HALF}0"]


def test_no_kill_counts_where_a_mutant_that_changes_nothing_is_killed() -> None:
    for code in (1, 2, 3, 24, 255, -11):
        fault = fault_of({f"{DOUBLE}0": code, f"{HALF}0": 0})
        assert fault is not None
        assert f"{DOUBLE}0" in fault
        assert f"{HALF}0" not in fault


def test_a_run_that_tried_no_such_mutant_gives_no_score() -> None:
    assert fault_of({f"{DOUBLE}0": None}) is not None
    assert fault_of({f"{DOUBLE}0": 0, f"{HALF}0": 33}) is None


def test_the_score_is_the_share_of_those_tried_on_which_a_test_failed(capsys: pytest.CaptureFixture[str]) -> None:
    print_score({f"{DOUBLE}1": 1, f"{DOUBLE}2": 0, f"{HALF}1": 33, f"{HALF}2": -24, f"{HALF}3": None}, 40)
    printed = capsys.readouterr().out
    assert f"survived: {DOUBLE}2\n" in printed
    assert f"no test: {HALF}1\n" in printed
    assert f"timed out: {HALF}2\n" in printed
    assert "40 mutants, 5 in the sample, 4 tried" in printed
    assert "The sample is incomplete" in printed
    assert printed.endswith("Score: 25.0 %\n")
