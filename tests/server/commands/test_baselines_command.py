"""`gengap baselines`: what it lists, what it evaluates and keeps, its tables, files and exit status."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from submissions.baselines import BASELINES, baseline_source
from submissions.baselines.helpers import helper_modules, helpers_sha256
from tests.factories import make_tiny_zoo
from tests.server.commands.test_evaluate_command import gengap
from tests.services import wait_until

QUICK = ("--only", "Squared norm", "--only", "parameter count")
REFUSING = ("--only", "Power-law exponent")  # no layer of the tiny zoo has enough eigenvalues


def run(zoo: Path, out: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    return gengap("baselines", "run", "--zoo", str(zoo), "--out", str(out), *options, COLUMNS="160")


def kept(out: Path) -> dict[str, dict[str, Any]]:
    """What the files below the folder hold, by the measure's name."""
    contents = [json.loads(path.read_text()) for path in out.glob("*/*.json")]
    return {content["measure"]: content for content in contents}


def test_the_list_names_every_measure_with_its_cost() -> None:
    finished = gengap("baselines", "list", COLUMNS="200")
    assert finished.returncode == 0, finished.stderr
    for baseline in BASELINES:
        line = rf"{re.escape(baseline.name)} +{baseline.group} .* {baseline.track} +{baseline.cost} "
        assert re.search(line, finished.stdout), baseline.name


@pytest.mark.thorough
def test_a_measure_of_the_extended_track_has_values_where_the_zoo_offers_what_it_needs(
    tiny_zoo: Path, tmp_path: Path
) -> None:
    offering = make_tiny_zoo(tmp_path / "offering", "offering", offers=("siblings",))
    chosen = ("--only", "Mode-connectivity barrier", "--only", "Disagreement")
    for zoo, states, lacking in (
        (offering, ("complete", "refused"), "unlabelled test inputs, which the zoo offering does not have"),
        (tiny_zoo, ("refused", "refused"), "sibling networks and unlabelled test inputs, which the zoo tiny does not"),
    ):
        out = tmp_path / "out" / zoo.name
        finished = run(zoo, out, *chosen)
        assert finished.returncode == 0, finished.stderr
        found = kept(out)
        assert tuple(found[name]["state"] for name in chosen[1::2]) == states
        assert f"This measure needs {lacking}" in " ".join(finished.stdout.split())


@pytest.mark.thorough
def test_values_outlive_a_change_that_is_no_concern_of_theirs(tiny_zoo: Path, tmp_path: Path) -> None:
    """Of the zoo's card, and of helpers that the measure does not use."""
    assert run(tiny_zoo, tmp_path / "out", "--only", "Squared norm").returncode == 0
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*/*.json")}
    other = tmp_path / "other"
    shutil.copytree(tiny_zoo, other)
    manifest = json.loads((other / "zoo.json").read_text())
    (other / "zoo.json").write_text(json.dumps(manifest | {"title": "The same under another title"}))
    assert run(other, tmp_path / "out", "--only", "Squared norm").returncode == 0
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*/*.json")} == before
    source = baseline_source("Squared norm")
    assert helper_modules(source) == {"data", "layers"}
    assert helpers_sha256(source) != helpers_sha256(baseline_source("Mixup margin"))


def test_tables_and_files_say_the_same_and_what_is_kept_is_not_evaluated_again(tiny_zoo: Path, tmp_path: Path) -> None:
    files = {kind: tmp_path / f"scores.{kind}" for kind in ("csv", "json", "html")}
    options = [option for kind, file in files.items() for option in (f"--{kind}", str(file))]
    first = run(tiny_zoo, tmp_path / "out", *QUICK, *REFUSING, *options)
    assert first.returncode == 0, first.stderr
    content = json.loads(files["json"].read_text())["zoos"][0]
    rows = {row["measure"]: row for row in content["measures"]}
    assert [row["measure"] for row in content["measures"]] == ["Squared norm", "Parameter count", "Power-law exponent"]
    best, refused = rows["Squared norm"], rows["Power-law exponent"]
    assert (best["state"], best["kendall_tau"], best["networks"], len(best["values"])) == ("complete", 1.0, 8, 8)
    assert best["score"] > rows["Parameter count"]["score"]
    assert best["report"]["score"] == best["score"]
    assert (refused["state"], refused["score"], refused["seconds"]) == ("refused", None, None)
    assert "eigenvalues" in refused["why"]
    with files["csv"].open() as file:
        lines = {line["measure"]: line for line in csv.DictReader(file)}
    assert float(lines["Squared norm"]["score"]) == best["score"]
    assert lines["Power-law exponent"]["score"] == ""
    oracle = content["references"]["hyperparameter_oracle"]
    assert float(lines["hyperparameter oracle"]["score"]) == oracle
    assert re.search(rf"Squared norm +{best['score']:.2f} ± {best['standard_error']:.2f} +1\.000", first.stdout)
    assert re.search(rf"hyperparameter oracle +{oracle:.2f}", first.stdout)
    assert "Power-law exponent: not applicable, 0 of 8 networks have a value: no layer" in first.stdout
    survived = best["report"]["sign_error"]["surviving"], best["report"]["sign_error"]["total"]
    assert (best["sign_error_surviving"], best["sign_error_environments"]) == survived
    assert lines["Squared norm"]["sign_error_environments"] == str(survived[1])
    assert refused["sign_error_environments"] is None
    over = f"over {survived[0]} of {survived[1]} environments"
    assert over in " ".join(first.stdout.split())
    page = files["html"].read_text()
    assert f"Sign-error {over}." in page
    assert page.count('data-chart="data:application/json;base64,') == 1
    assert "default-src 'none'" in page
    assert not re.search(r"<link|<script .*src=|<img", re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL))
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.json")}
    second = run(tiny_zoo, tmp_path / "out", *QUICK, *REFUSING)
    assert (second.returncode, second.stdout) == (0, first.stdout)
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.json")}


@pytest.mark.thorough
def test_a_killed_run_goes_on_where_it_was(tmp_path: Path) -> None:
    zoo, out = make_tiny_zoo(tmp_path / "zoo", copies=10), tmp_path / "out"
    command = [sys.executable, "-P", "-m", "server.cli", "baselines", "run", "--zoo", str(zoo), "--out", str(out)]
    process = subprocess.Popen([*command, *QUICK, "--jobs", "1"], stderr=subprocess.PIPE, env=os.environ)
    try:
        wait_until(lambda: bool(kept(out)) or process.poll() is not None, "the first value")
    finally:
        process.send_signal(signal.SIGKILL)
        _, complaint = process.communicate()
    assert process.returncode == -signal.SIGKILL, complaint.decode()
    partly = kept(out)
    (name,) = partly
    values = partly[name]["values"]
    assert 0 < len(values) < 40
    finished = run(zoo, out, *QUICK, "--jobs", "2")
    assert finished.returncode == 0, finished.stderr
    whole = kept(out)
    assert {name: len(content["values"]) for name, content in whole.items()} == {
        "Squared norm": 40,
        "Parameter count": 40,
    }
    assert values.items() <= whole[name]["values"].items()  # to the last digit of the seconds they took


@pytest.mark.thorough
def test_a_failed_measure_is_a_row_with_its_reason_and_is_tried_again(tiny_zoo: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    failed = run(tiny_zoo, out, *QUICK, "--wall-s", "0.001")
    assert failed.returncode == 1, failed.stderr
    for name in ("Squared norm", "Parameter count"):
        assert re.search(rf"{name}: failed, \d of 8 networks have a value: .*0\.001 s", failed.stdout)
    assert {content["reason"] for content in kept(out).values()} == {"time_limit"}
    assert run(tiny_zoo, out, *QUICK).returncode == 0
    assert {(content["state"], content["reason"]) for content in kept(out).values()} == {("complete", None)}


@pytest.mark.thorough
def test_each_zoo_has_its_table(tiny_zoo: Path, other_zoo: Path, tmp_path: Path) -> None:
    finished = run(tiny_zoo, tmp_path / "out", "--zoo", str(other_zoo), "--only", "Squared norm")
    assert finished.returncode == 0, finished.stderr
    assert re.findall(r"^(\w+): (\d+) networks, target gap", finished.stdout, re.MULTILINE) == [
        ("tiny", "8"),
        ("other", "12"),
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "Choose measures"),
        (("--all", *QUICK), "Choose measures"),
        (("--only", "Squared nrom"), "did you mean 'Squared norm'"),
        (("--only", "Squared norm", "--zoo", "nozoo"), "no zoo of that name"),
        (("--only", "Squared norm", "--target", "ood_gap"), "ood"),
    ],
)
def test_wrong_usage_exits_with_2_before_anything_is_evaluated(
    tiny_zoo: Path, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    finished = run(tiny_zoo, tmp_path / "out", *options)
    assert (finished.returncode, finished.stdout) == (2, "")
    assert message in finished.stderr
    assert "Traceback" not in finished.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.thorough
def test_a_file_of_something_else_is_not_taken_for_values(tiny_zoo: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(tiny_zoo, out, "--only", "Squared norm")
    (file,) = out.glob("*/*.json")
    for content in ("{}", file.read_text().replace('"Squared norm"', '"Path norm"')):
        file.write_text(content)
        finished = run(tiny_zoo, out, "--only", "Squared norm")
        assert finished.returncode == 2
        assert re.search(r"remove\s+it", finished.stderr)
