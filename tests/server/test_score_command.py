"""`gengap score` as a user runs it: what it prints, where, and with which exit status."""

import json
import subprocess
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from scoring import VARIANTS, Variant, parse_truth, score_zoo
from server.cli import main
from tests.scoring.golden import golden_tasks

GAPS = (0.1, 0.5, 0.2, 0.4, 0.8, 0.3, 0.7, 0.6)
VALUES = {f"n{index}": value for index, value in enumerate((1.0, 5.0, 2.0, 3.0, 8.0, 4.0, 7.0, 6.0))}
Write = Callable[[str, object], Path]


def truth_content(gaps: tuple[float, ...] = GAPS) -> dict[str, object]:
    axes: dict[str, list[float]] = {"width": [16, 32], "depth": [1, 2], "dropout": [0.0, 0.5]}
    return {
        "format": 1,
        "axes": [{"name": name, "values": values} for name, values in axes.items()],
        "test_size": 100,
        "networks": {
            f"n{index}": {
                "hyperparameters": dict(zip(axes, place, strict=True)),
                "metrics": {"train_acc": gap, "test_acc": 0.0, "train_loss": 0.01, "test_loss": 0.3},
                "source": None,
            }
            for index, (gap, place) in enumerate(zip(gaps, product(*axes.values()), strict=True))
        },
    }


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file: bytes and texts as they are, anything else as JSON."""

    def write(name: str, content: object) -> Path:
        path = tmp_path / name
        if isinstance(content, str):
            content = content.encode()
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return path

    return write


def score(truth: Path, values: Path, *more: str) -> Result:
    return CliRunner().invoke(main, ["score", "--truth", str(truth), "--values", str(values), *more])


@pytest.mark.parametrize("variant", VARIANTS)
def test_json_is_one_object_alone_on_stdout(write: Write, variant: Variant) -> None:
    result = score(write("truth", truth_content()), write("values", VALUES), "--variant", variant, "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    printed = json.loads(result.stdout)
    assert printed == score_zoo(parse_truth(truth_content()), VALUES, variant).as_json()
    assert printed["score"] == 100 * printed["cmi"]
    assert printed["networks"] == 8
    assert {"axes": printed["attained_by"], "cmi": printed["cmi"]} in printed["cmi_table"]


def test_without_a_variant_it_is_pgdls(write: Write) -> None:
    result = score(write("truth", truth_content()), write("values", VALUES), "--json")
    assert json.loads(result.stdout)["variant"] == "pgdl2020"


def test_the_table_names_the_score_tau_networks_and_every_pair_of_axes(write: Write) -> None:
    result = score(write("truth", truth_content()), write("values", VALUES))
    expected = score_zoo(parse_truth(truth_content()), VALUES)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = [line.strip(" │").split() for line in result.stdout.splitlines()]
    assert ["score", "(100", "×", "CMI)", f"{100 * expected.cmi:.2f}"] in lines
    assert ["Kendall's", "τ-a", f"{expected.kendall_tau:.4f}"] in lines
    assert ["networks", "8"] in lines
    for (first, second), value in expected.cmi_table.items():
        assert value is not None
        row = next(line for line in lines if line[:3] == [first, "×", second])
        assert row[4] == f"{100 * value:.2f}"
        assert ("smallest" in row) == ((first, second) == expected.attained_by)


def test_axes_that_fix_the_gap_are_pointed_out(write: Write) -> None:
    truth = write("truth", truth_content((0.1, 0.1, 0.2, 0.2, 0.3, 0.3, 0.4, 0.4)))
    values = write("values", VALUES)
    assert "count 0, as in PGDL" in score(truth, values).stdout
    left_out = score(truth, values, "--variant", "paper").stdout
    assert "such sets are left out" in " ".join(left_out.split())
    assert "—" in left_out


def test_constant_values_have_no_tau_b(write: Write) -> None:
    truth, values = write("truth", truth_content()), write("values", dict.fromkeys(VALUES, 1))
    assert "undefined" in score(truth, values).stdout
    assert json.loads(score(truth, values, "--json").stdout)["kendall_tau_b"] is None


def test_pgdls_files_give_the_official_scores(write: Write) -> None:
    for task in golden_tasks():
        truth = write("model_configs.json", task.model_configs)
        for submission, official in task.official_cmi.items():
            values = write(".predict", task.predictions[submission])
            printed = json.loads(score(truth, values, "--json").stdout)
            assert printed["cmi"] == pytest.approx(official, abs=1e-9)
            assert f" {100 * official:.2f} " in score(truth, values).stdout


BAD_FILES: list[tuple[object, str]] = [
    ("", "is not JSON: Expecting value at line 1, column 1"),
    ('{"n0": 1,\n "n1": }', "is not JSON: Expecting value at line 2, column 8"),
    (b"\xff\xfe{}", "is not UTF-8 text: byte 0 is 0xff"),
    ('{"n0": 1, "n1": 2, "n0": 1}', "the key 'n0' occurs 2 times in one object"),
    ('{"n0": NaN}', "it holds NaN, which is not JSON"),
    ('{"n0": -Infinity}', "it holds -Infinity, which is not JSON"),
    ("[" * 100_000, "cannot be used: "),
    ('{"n0": ' + "9" * 5000 + "}", "cannot be used: "),
]


@pytest.mark.parametrize(("content", "message"), BAD_FILES)
@pytest.mark.parametrize("role", ["truth", "values"])
def test_a_file_that_is_not_strict_json_is_refused_with_its_name_and_place(
    write: Write, role: str, content: object, message: str
) -> None:
    files = {"truth": write("truth", truth_content()), "values": write("values", VALUES)}
    files[role] = write("bad.json", content)
    refused(score(files["truth"], files["values"], "--json"), f"the {role} file '{files[role]}'", message)


def test_a_missing_file_and_a_folder_are_refused(write: Write, tmp_path: Path) -> None:
    truth, values = write("truth", truth_content()), write("values", VALUES)
    absent = tmp_path / "absent"
    refused(score(absent, values), f"the truth file '{absent}' cannot be read: No such file or directory")
    refused(score(truth, tmp_path), f"the values file '{tmp_path}' cannot be read: Is a directory")


def test_what_the_scoring_refuses_names_the_file_at_fault(write: Write) -> None:
    truth, values = write("truth", truth_content()), write("values", VALUES)
    short = write("short", {network: value for network, value in VALUES.items() if network != "n3"})
    refused(score(truth, short), f"the values file '{short}': 1 of 8 networks have no value: 'n3'")
    refused(score(truth, write("infinite", '{"n0": 1e999}')), "networks have no value")
    infinite = write("infinite", json.dumps(VALUES).replace("5.0", "1e999"))
    refused(score(truth, infinite), f"the values file '{infinite}': 1 values are nan or infinite: 'n1'")
    constant = write("constant", truth_content((0.25,) * 8))
    refused(score(constant, values), f"the truth file '{constant}': the target is 0.25 for all 8 networks")
    refused(score(values, values), f"the truth file '{values}': this is neither Gengap's truth.json")
    refused(score(truth, write("list", [1, 2])), "must hold a JSON object: network id → number")


def test_a_byte_order_mark_is_read_over(write: Write) -> None:
    values = write("values", b"\xef\xbb\xbf" + json.dumps(VALUES).encode())
    assert score(write("truth", truth_content()), values).exit_code == 0


def test_names_that_no_terminal_can_print_are_no_traceback(write: Write) -> None:
    truth = write("truth", json.dumps(truth_content()).replace("dropout", "\\ud800[red]"))
    result = score(truth, write("values", VALUES))
    assert (result.exit_code, result.exception) == (0, None)
    assert "?[red]" in result.stdout


@pytest.mark.parametrize("arguments", [["--truth", "t"], ["--values", "v"], ["--variant", "best"], ["extra"]])
def test_wrong_usage_has_exit_status_2(arguments: list[str]) -> None:
    result = CliRunner().invoke(main, ["score", *arguments])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Error: " in result.stderr


def test_scoring_loads_nothing_heavy(write: Write) -> None:
    heavy = ["torch", "flask", "celery", "sqlalchemy", "scipy", "sklearn", "pydantic"]
    script = (
        "import sys; from server.cli import main; main(sys.argv[2:], standalone_mode=False); "
        "print([name for name in sys.argv[1].split(',') if name in sys.modules], file=sys.stderr)"
    )
    truth, values = write("truth", truth_content()), write("values", VALUES)
    arguments = ["score", "--truth", str(truth), "--values", str(values), "--json"]
    run = subprocess.run(
        [sys.executable, "-c", script, ",".join(heavy), *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stderr.strip() == "[]"
    assert json.loads(run.stdout)["networks"] == 8


def refused(result: Result, *messages: str) -> None:
    assert (result.exit_code, result.stdout) == (2, "")
    for message in messages:
        assert message in result.stderr
    assert result.stderr.startswith("Error: ")
    assert "Traceback" not in result.stderr
