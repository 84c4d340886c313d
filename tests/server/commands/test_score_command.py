"""`gengap score` as a script runs it: JSON, CSV, exit status, and what it says of wrong usage and input."""

import contextlib
import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from scoring import VARIANTS, Draws, Variant, ZooReport, parse_truth, references, report
from server.cli import main
from tests.scoring.golden import golden_tasks
from tests.server.commands.score_files import OTHER_VALUES, VALUES, score, truth_content, write_file

Write = Callable[[str, object], Path]
FEW = ("--draws", "20")


@pytest.fixture
def write(tmp_path: Path) -> Write:
    return partial(write_file, tmp_path)


@pytest.fixture
def truth(write: Write) -> Path:
    return write("truth", truth_content())


@pytest.fixture
def values(write: Write) -> Path:
    return write("values", VALUES)


def expected(variant: Variant = "pgdl2020", draws: int = 20, seed: int = 0) -> ZooReport:
    truth = parse_truth(truth_content())
    rows = references(truth, variant, draws=draws, seed=seed)
    return report(truth, VALUES, variant, draws=Draws(draws, 3 * draws // 10, seed), references=rows)


def printed(result: Result) -> dict[str, Any]:
    """The JSON object that is alone on stdout, with nothing on stderr."""
    assert (result.exit_code, result.stderr) == (0, "")
    content = json.loads(result.stdout, parse_constant=pytest.fail)
    assert isinstance(content, dict)
    return content


def cells(result: Result) -> dict[tuple[str, str], str]:
    """(metric, of) → value of the CSV that is alone on stdout, with nothing on stderr."""
    assert (result.exit_code, result.stderr) == (0, "")
    header, *rows = csv.reader(io.StringIO(result.stdout, newline=""))
    assert header == ["metric", "of", "value"]
    assert len({(metric, of) for metric, of, _ in rows}) == len(rows)
    return {(metric, of): value for metric, of, value in rows}


@pytest.mark.parametrize("variant", VARIANTS)
def test_json_is_the_whole_report_alone_on_stdout(truth: Path, values: Path, variant: Variant) -> None:
    content = printed(score(truth, values, "--variant", variant, "--json", *FEW))
    assert content == expected(variant).as_json()
    assert content["variant"] == variant
    assert all(content[part] is not None for part in ("jackknife", "permutation", "noise", "sign_error", "references"))
    assert {"axes": content["cmi"]["attained_by"], "value": content["cmi"]["minimum"]} in content["cmi"]["table"]


def test_the_defaults_are_pgdls_variant_the_gap_and_1000_draws(truth: Path, values: Path) -> None:
    content = printed(score(truth, values, "--json"))
    assert (content["variant"], content["target"]) == ("pgdl2020", "gap")
    made = {"draws": 1000, "seed": 0}
    assert made.items() <= content["permutation"].items()
    assert made.items() <= content["references"]["random_floor"].items()
    assert {"draws": 300, "seed": 0, "test_examples": 100}.items() <= content["noise"].items()


def test_pgdls_files_give_the_official_scores(write: Write) -> None:
    for task in golden_tasks():
        truth = write("model_configs.json", task.model_configs)
        for submission, official in task.official_cmi.items():
            values = write(".predict", task.predictions[submission])
            content = printed(score(truth, values, "--json", "--draws", "0"))
            assert content["cmi"]["minimum"] == pytest.approx(official, abs=1e-9)
            assert content["score"] == pytest.approx(100 * official, abs=1e-7)


def test_equal_gaps_tie(write: Write) -> None:
    """Recorded with four decimals, every two gaps of a hundredth are one number, which float64 makes several."""
    recorded = truth_content()
    networks = recorded["networks"]
    assert isinstance(networks, dict)
    steps = [index.bit_count() for index in range(8)]
    for index, network in enumerate(networks.values()):
        train_acc = 0.9149 + 0.0071 * index
        network["metrics"] = {"train_acc": round(train_acc, 4), "test_acc": round(train_acc - 0.01 * steps[index], 4)}
    truth, values = write("truth", recorded), write("values", {f"n{index}": step for index, step in enumerate(steps)})
    content = printed(score(truth, values, "--json", "--draws", "0"))
    assert (content["score"], content["kendall"]["tau_b"]) == (pytest.approx(100, abs=1e-6), 1)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (2**60 + 1, "the value of 'n3' (the first is 1152921504606846977) is a whole number beyond 2^53"),
        (float(2**60), None),
        (2**60, None),
    ],
)
def test_a_whole_number_that_would_tie_with_another_is_refused_by_name(
    write: Write, truth: Path, value: float, message: str | None
) -> None:
    result = score(truth, write("values", VALUES | {"n3": value}), "--json", "--draws", "0")
    assert result.exit_code == (0 if message is None else 2)
    assert (message or "") in result.stderr


@pytest.mark.parametrize(
    ("possible", "message"),
    [
        ([0.0, -0.0], "the axis 'dropout' lists 0.0 and -0.0, which are equal but written differently"),
        ([True, 1], "the axis 'dropout' lists True and 1, which are equal but written differently"),
        (["0.1", 0.1], "the axis 'dropout' lists the possible value 0.1 twice"),
        (["0.10", 0.1], "the axis 'dropout' lists '0.10' and 0.1, which are equal but written differently"),
    ],
)
def test_axis_values_that_are_equal_are_refused_by_name(
    write: Write, values: Path, possible: list[object], message: str
) -> None:
    recorded = truth_content()
    axes, networks = recorded["axes"], recorded["networks"]
    assert isinstance(axes, list)
    assert isinstance(networks, dict)
    axes[2]["values"] = possible
    for index, network in enumerate(networks.values()):
        network["hyperparameters"]["dropout"] = possible[index % 2]
    refused = score(write("truth", recorded), values)
    assert refused.exit_code == 2
    assert message in refused.stderr


def test_ids_that_are_equal_after_unicode_normalisation_are_refused_by_name(write: Write, truth: Path) -> None:
    refused = score(truth, write("values", VALUES | {"\uff4e3": 1.0}))
    assert refused.exit_code == 2
    assert "the ids 'n3' and '\uff4e3' are equal after Unicode normalisation" in refused.stderr


def test_the_weights_of_the_sign_error_are_the_published_ones_or_hold_for_one_shared_test_set(
    truth: Path, values: Path
) -> None:
    plain = printed(score(truth, values, "--json", "--draws", "0"))
    shared = printed(score(truth, values, "--json", "--draws", "0", "--test-sets", "shared"))
    assert [content["sign_error"]["test_sets"] for content in (plain, shared)] == ["independent", "shared"]
    drawn = printed(score(truth, values, "--json", "--draws", "20", "--test-sets", "shared"))
    assert drawn["sign_error"] == shared["sign_error"]
    assert cells(score(truth, values, "--csv", "--draws", "0"))["sign_error.test_sets", ""] == "independent"


def test_csv_has_the_same_numbers_unrounded(truth: Path, values: Path) -> None:
    result = expected("paper")
    content = cells(score(truth, values, "--csv", "--variant", "paper", *FEW))
    assert float(content["score", ""]) == result.score
    assert float(content["standard_error", ""]) == result.standard_error
    assert content["sign", ""] == "1"
    assert content["cmi.attained_by", ""] == " × ".join(result.cmi.attained_by)
    assert {of: float(value) for (metric, of), value in content.items() if metric == "cmi.table"} == {
        " × ".join(axes) or "none": value for axes, value in result.cmi.table.items()
    }
    assert {of: float(value) for (metric, of), value in content.items() if metric == "jackknife.left_out"} == (
        result.jackknife and result.jackknife.left_out
    )
    assert float(content["granulated.psi_by_axis", "depth"]) == result.granulated.psi_by_axis["depth"]
    assert float(content["regression.mae", ""]) == result.regression.mae
    assert content["sign_error.mean", ""] == ""  # four pairs a change are too few
    assert content["target", ""] == "gap"


def test_csv_says_what_is_missing(write: Write, values: Path) -> None:
    truth = write("truth", truth_content(test_size=None))
    content = cells(score(truth, values, "--csv", "--draws", "0"))
    assert [content[part, ""] for part in ("permutation", "noise", "sign_error", "references")] == [""] * 4


def test_no_text_in_csv_is_a_formula_for_a_spreadsheet(write: Write) -> None:
    truth, values = json.dumps(truth_content()), json.dumps(VALUES)
    for name, hostile in {"width": "＝1+1", "depth": "@sum", "dropout": "\\t+2", "n3": "-n,\\n3"}.items():
        truth, values = truth.replace(name, hostile), values.replace(name, hostile)
    content = cells(score(write("truth", truth), write("values", values), "--csv", *FEW))
    assert not [of for _, of in content if of.startswith(("=", "＝", "+", "-", "@", "\t"))]
    assert {of for metric, of in content if metric == "granulated.psi_by_axis"} == {"'＝1+1", "'@sum", "'\t+2"}
    assert ("jackknife.left_out", "'-n,\n3") in content


def test_negative_numbers_in_csv_stay_numbers(write: Write, truth: Path) -> None:
    values = write("values", {network: -value for network, value in VALUES.items()})
    assert float(cells(score(truth, values, "--csv", *FEW))["kendall.tau_a", ""]) < 0


def test_csv_is_utf_8_whatever_the_terminal(truth: Path, values: Path) -> None:
    command = gengap("--truth", str(truth), "--values", str(values), "--csv", "--draws", "0")
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    run = subprocess.run(command, stdout=subprocess.PIPE, env=environment, check=True)
    assert "cmi.table,width × depth," in run.stdout.decode()


def test_names_that_cannot_be_encoded_are_spelt_out_in_csv(write: Write, values: Path) -> None:
    truth = write("truth", json.dumps(truth_content()).replace("dropout", "\\ud800"))
    assert ("granulated.psi_by_axis", "\\ud800") in cells(score(truth, values, "--csv", *FEW))


def test_the_seed_decides_the_draws(truth: Path, values: Path) -> None:
    first, again, other = (
        printed(score(truth, values, "--json", *FEW, "--seed", seed))["noise"] for seed in ("1", "1", "2")
    )
    assert first == again
    assert first["mean"] != other["mean"]


def test_no_draws_leave_out_what_is_random(truth: Path, values: Path) -> None:
    content = printed(score(truth, values, "--json", "--draws", "0"))
    assert [name for name, part in content.items() if part is None] == ["permutation", "noise", "references"]
    assert content["score"] == expected().score


def test_a_single_draw_redraws_the_test_set_once(truth: Path, values: Path) -> None:
    assert printed(score(truth, values, "--json", "--draws", "1"))["noise"]["draws"] == 1


@pytest.mark.parametrize("target", ["test_error", "loss_gap", "train_loss"])
def test_another_target(truth: Path, values: Path, target: str) -> None:
    content = printed(score(truth, values, "--json", "--target", target, *FEW))
    rows = references(parse_truth(truth_content(), target), draws=20)
    direct = report(parse_truth(truth_content(), target), VALUES, draws=Draws(20, 6), references=rows)
    assert content == direct.as_json()
    assert content["target"] == target
    assert (content["noise"] is None) == (target != "test_error")


def test_the_size_of_the_test_set_can_be_given(write: Write, values: Path) -> None:
    unsized = write("truth", truth_content(test_size=None))
    assert printed(score(unsized, values, "--json", *FEW))["noise"] is None
    content = printed(score(unsized, values, "--json", *FEW, "--test-examples", "100"))
    assert content == expected().as_json()


def test_a_measure_compared_with_itself_differs_by_nothing(truth: Path, values: Path) -> None:
    comparison = printed(score(truth, values, "--json", *FEW, "--compare", str(values)))["comparison"]
    scored = {"score": expected().score, "standard_error": expected().standard_error, "sign": 1}
    assert comparison == {
        "first": scored, "second": scored, "difference": 0, "standard_error": 0, "lowest": 0, "highest": 0,
        "z": None, "p_value": 1,
    }  # fmt: skip


def test_comparing_tells_which_measure_is_better(write: Write) -> None:
    task = next(task for task in golden_tasks() if task.networks == 96)
    truth = write("model_configs.json", task.model_configs)
    better, worse = (write(name, task.predictions[name]) for name in ("WCV", "VPM_1"))
    content = printed(score(truth, better, "--json", "--draws", "0", "--compare", str(worse)))
    comparison = content["comparison"]
    assert comparison["first"]["score"] == content["score"]
    assert comparison["difference"] == pytest.approx(content["score"] - comparison["second"]["score"])
    assert 0 < comparison["lowest"] < comparison["difference"] < comparison["highest"]
    assert comparison["z"] == pytest.approx(comparison["difference"] / comparison["standard_error"])
    assert comparison["p_value"] < 0.001
    mirrored = cells(score(truth, worse, "--csv", "--draws", "0", "--compare", str(better)))
    assert float(mirrored["comparison.difference", ""]) == pytest.approx(-comparison["difference"])
    assert float(mirrored["comparison.p_value", ""]) == pytest.approx(comparison["p_value"])
    assert float(mirrored["comparison.second.score", ""]) == content["score"]


def test_without_a_jackknife_only_the_difference_is_told(write: Write, values: Path) -> None:
    truth = write("truth", truth_content((0.1,) * 7 + (0.5,)))  # without n7 the target is constant
    other = write("other", OTHER_VALUES)
    content = printed(score(truth, values, "--json", *FEW, "--variant", "paper", "--compare", str(other)))
    comparison = content["comparison"]
    assert comparison["difference"] == comparison["first"]["score"] - comparison["second"]["score"]
    assert [name for name, number in comparison.items() if number is None] == [
        "standard_error", "lowest", "highest", "z", "p_value",
    ]  # fmt: skip


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
@pytest.mark.parametrize("role", ["truth", "values", "compare"])
def test_a_file_that_is_not_strict_json_is_refused_with_its_name_and_place(
    write: Write, truth: Path, values: Path, role: str, content: object, message: str
) -> None:
    files = {"truth": truth, "values": values, "compare": values}
    files[role] = write("bad.json", content)
    result = score(files["truth"], files["values"], "--compare", str(files["compare"]), "--json")
    refused(result, f"the {role} file '{files[role]}'", message)


def test_a_missing_file_and_a_folder_are_refused(truth: Path, values: Path, tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    refused(score(absent, values), f"the truth file '{absent}' cannot be read: No such file or directory")
    refused(score(truth, tmp_path), f"the values file '{tmp_path}' cannot be read: Is a directory")
    result = score(truth, values, "--compare", str(absent))
    refused(result, f"the compare file '{absent}' cannot be read: No such file or directory")


def test_what_the_scoring_refuses_names_the_file_at_fault(
    write: Write, truth: Path, values: Path, tmp_path: Path
) -> None:
    short = write("short", {network: value for network, value in VALUES.items() if network != "n3"})
    refused(score(truth, short), f"the values file '{short}': 1 of 8 networks have no value: 'n3'")
    compared = score(truth, values, "--compare", str(short))
    refused(compared, f"the compare file '{short}': 1 of 8 networks have no value: 'n3'")
    refused(score(truth, write("infinite", '{"n0": 1e999}')), "networks have no value")
    infinite = write("infinite", json.dumps(VALUES).replace("5.0", "1e999"))
    refused(score(truth, infinite), f"the values file '{infinite}': 1 values are nan or infinite: 'n1'")
    constant = write("constant", truth_content((0.25,) * 8))
    refused(score(constant, values), f"the truth file '{constant}': the target is 0.25 for all 8 networks")
    refused(score(values, values), f"the truth file '{values}': this is neither Gengap's truth.json")
    in_percent = write("percent", json.dumps(truth_content()).replace('"test_acc": 0.', '"test_acc": 80.'))
    refused(score(in_percent, values), f"the truth file '{in_percent}': test_acc of ", "record accuracies as shares")
    refused(score(truth, write("list", [1, 2])), "must hold a JSON object: network id → number")
    refused(score(truth, values, "--compare", str(tmp_path / "list")), "the compare file", "must hold a JSON object")


def test_an_unknown_target_names_what_is_recorded(truth: Path, values: Path) -> None:
    result = score(truth, values, "--target", "ood_gap")
    refused(result, f"the truth file '{truth}'", "no metric 'ood_acc'", "test_acc, test_loss, train_acc, train_loss")


def test_a_byte_order_mark_is_read_over(write: Write, truth: Path) -> None:
    values = write("values", b"\xef\xbb\xbf" + json.dumps(VALUES).encode())
    assert score(truth, values, *FEW).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--truth", "t"], "Missing option '--values'"),
        (["--values", "v"], "Missing option '--truth'"),
        (["--variant", "best"], "'best' is not one of 'pgdl2020'"),
        (["extra"], "Missing option"),
        (["--truth", "t", "--values", "v", "--json", "--csv"], "--json and --csv exclude each other; choose one"),
        (["--test-examples", "0"], "Invalid value for '--test-examples'"),
        (["--test-examples", "1" + "0" * 30], "Invalid value for '--test-examples'"),
        (["--draws", "-1"], "Invalid value for '--draws'"),
        (["--draws", "many"], "Invalid value for '--draws'"),
        (["--seed", "-1"], "Invalid value for '--seed'"),
    ],
)
def test_wrong_usage_has_exit_status_2(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(main, ["score", *arguments])
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr


def test_progress_is_shown_on_a_terminal_alone(truth: Path, values: Path) -> None:
    ours, theirs = os.openpty()
    command = gengap("--truth", str(truth), "--values", str(values), "--json", *FEW)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs) as run:
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # Linux says EIO once the command has ended
            while part := os.read(ours, 2**16):
                shown += part
        os.close(ours)
        assert run.stdout is not None
        assert json.loads(run.stdout.read())["networks"] == 8
    for what in ("random predictors", "permutations", "test sets", "20/20"):
        assert what in shown.decode()


def test_scoring_loads_nothing_heavy(truth: Path, values: Path) -> None:
    heavy = ["torch", "flask", "celery", "sqlalchemy", "scipy", "sklearn", "pydantic"]
    script = (
        "import sys; from server.cli import main; main(sys.argv[2:], standalone_mode=False); "
        "print([name for name in sys.argv[1].split(',') if name in sys.modules], file=sys.stderr)"
    )
    arguments = ["score", "--truth", str(truth), "--values", str(values), "--json"]
    run = subprocess.run(
        [sys.executable, "-c", script, ",".join(heavy), *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stderr.strip() == "[]"
    assert json.loads(run.stdout)["networks"] == 8


def gengap(*arguments: str) -> list[str]:
    return [sys.executable, "-P", "-m", "server.cli", "score", *arguments]


def refused(result: Result, *messages: str) -> None:
    assert (result.exit_code, result.stdout) == (2, "")
    for message in messages:
        assert message in result.stderr
    assert result.stderr.startswith("Error: ")
    assert "Traceback" not in result.stderr
