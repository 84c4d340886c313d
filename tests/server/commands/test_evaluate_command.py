"""`gengap evaluate`: what it prints, and its exit status."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from model_zoo import open_zoo
from server.demo.processes import environment_with
from submissions.settings import Settings
from submissions.storage.database import Database
from submissions.storage.migrations import migrate
from submissions.zoos.registry import add_zoo, register_zoo
from submissions.zoos.zoo_store import make_zoo_store
from tests.factories import SQUARED_NORM, make_tiny_zoo, zip_of

SCORES = {"score", "standard_error", "cmi", "kendall_tau"}
FIELDS = {"zoo", "state", "reason", "detail", "networks", "values", "seconds"} | SCORES


def gengap(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-P", "-m", "server.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | environment, check=False)


def write(folder: Path, content: bytes | str, name: str = "measure.py") -> str:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


def evaluated(file: str, zoo: Path, *options: str) -> tuple[int, dict[str, Any]]:
    finished = gengap("evaluate", file, "--zoo", str(zoo), "--json", *options)
    answer = json.loads(finished.stdout)
    assert isinstance(answer, dict)
    assert set(answer) == FIELDS
    return finished.returncode, answer


def test_a_measure_is_scored(tmp_path: Path, tiny_zoo: Path) -> None:
    status, answer = evaluated(write(tmp_path, SQUARED_NORM), tiny_zoo)
    assert status == 0
    assert (answer["zoo"], answer["state"], answer["reason"], answer["networks"]) == ("tiny", "scored", None, 8)
    assert set(answer["values"]) == {network.id for network in open_zoo(tiny_zoo).networks}
    assert answer["kendall_tau"] == 1.0
    assert 0 < answer["cmi"] <= 1 + 1e-9  # the epsilon of pgdl2020 lets it exceed 1 by a hair
    assert answer["score"] == 100 * answer["cmi"]
    assert answer["standard_error"] > 0


EXTENDED = """
TRACK = "extended"
NEEDS = ("siblings", "trajectory")


def complexity(model, dataset, context):
    norms = [sum(float(p.detach().square().sum()) for p in model.parameters())]
    return norms[0] + 0 * len(context.siblings) + 0 * context.trajectory[0].epoch
"""


@pytest.mark.thorough
def test_a_measure_of_the_extended_track_is_scored_where_the_zoo_has_what_it_needs(tmp_path: Path) -> None:
    zoo = make_tiny_zoo(tmp_path / "zoo", "offering", offers=("siblings", "trajectory"))
    status, answer = evaluated(write(tmp_path, EXTENDED), zoo)
    assert (status, answer["state"], answer["kendall_tau"]) == (0, "scored", 1.0)


def test_a_zoo_that_lacks_what_a_measure_needs_is_told(tmp_path: Path, tiny_zoo: Path) -> None:
    finished = gengap("evaluate", write(tmp_path, EXTENDED), "--zoo", str(tiny_zoo))
    assert finished.returncode == 2
    told = " ".join(finished.stderr.split())
    assert "This measure needs sibling networks and the trajectory of the training, which the zoo tiny does not" in told


@pytest.mark.thorough
def test_score_gives_the_same_numbers_for_the_same_values(tmp_path: Path, tiny_zoo: Path) -> None:
    _, answer = evaluated(write(tmp_path, SQUARED_NORM), tiny_zoo)
    values = write(tmp_path, json.dumps(answer["values"]), "values.json")
    truth = str(tiny_zoo / "private" / "truth.json")
    scored = json.loads(gengap("score", "--truth", truth, "--values", values, "--json").stdout)
    assert {name: answer[name] for name in SCORES} == {
        "score": scored["score"],
        "standard_error": scored["standard_error"],
        "cmi": scored["cmi"]["minimum"],
        "kendall_tau": scored["kendall"]["tau_a"],
    }


@pytest.mark.thorough
def test_the_same_code_gives_the_same_values_again(tmp_path: Path, tiny_zoo: Path) -> None:
    source = "import torch\n\n\ndef complexity(model, dataset):\n    return torch.rand(())\n"
    file = write(tmp_path, source)
    assert evaluated(file, tiny_zoo)[1]["values"] == evaluated(file, tiny_zoo, "--jobs", "1")[1]["values"]


@pytest.mark.thorough
def test_a_zoo_of_this_server_goes_by_its_name_or_version(
    tmp_path: Path, settings: Settings, tiny_zoo: Path, other_zoo: Path
) -> None:
    settings.make_home()
    db = Database(settings.effective_database_url)
    migrate(db)
    register_zoo(db, make_zoo_store(settings), tiny_zoo)
    add_zoo(db, make_zoo_store(settings), other_zoo, source="folder", user_id=None)
    db.close()
    file = write(tmp_path, SQUARED_NORM)
    environment = environment_with(settings.model_dump())
    for name, networks in (("tiny", 8), ("tiny@1", 8), ("other@1", 12)):
        finished = gengap("evaluate", file, "--zoo", name, "--json", **environment)
        assert json.loads(finished.stdout)["networks"] == networks, finished.stderr
    missing = gengap("evaluate", file, "--zoo", "tiny@2", **environment)
    assert missing.returncode == 2
    assert "no zoo of that name" in missing.stderr


def test_a_zip_is_scored(tmp_path: Path, tiny_zoo: Path) -> None:
    status, answer = evaluated(write(tmp_path, zip_of({"complexity.py": SQUARED_NORM}), "measure.zip"), tiny_zoo)
    assert (status, answer["kendall_tau"]) == (0, 1.0)


@pytest.mark.parametrize(
    ("source", "options", "reason", "detail"),
    [
        ("def complexity(m, d):\n    raise KeyError('k')\n", (), "raised", "KeyError at complexity.py line 2"),
        pytest.param(
            "def complexity(m, d):\n    return None\n", (), "not_a_number", "NoneType", marks=pytest.mark.thorough
        ),
        ("def complexity(m, d):\n    return 2**60 + 1\n", (), "not_a_number", "a whole number beyond 2^53"),
        ("def complexity(m, d):\n    while True: pass\n", ("--wall-s", "0.5"), "time_limit", "0.5 s"),
        pytest.param(
            "def complexity(m, d):\n    return bytearray(2**30)\n",
            ("--memory-mib", "128"),
            "memory_limit",
            "",
            marks=pytest.mark.thorough,
        ),
        pytest.param(
            "import nonsuch\ndef complexity(m, d):\n    return 1.0\n",
            (),
            "import_error",
            "line 1",
            marks=pytest.mark.thorough,
        ),
        pytest.param(
            "def complexity(m, d:\n    return 1.0\n", (), "import_error", "line 1", marks=pytest.mark.thorough
        ),
        ("def complex(m, d):\n    return 1.0\n", (), "missing_function", "complexity(model, dataset)"),
    ],
)
def test_a_measure_that_fails_says_why(
    tmp_path: Path, tiny_zoo: Path, source: str, options: tuple[str, ...], reason: str, detail: str
) -> None:
    status, answer = evaluated(write(tmp_path, source), tiny_zoo, *options)
    assert status == 1
    assert (answer["state"], answer["reason"]) == ("failed", reason)
    assert {answer[name] for name in SCORES} == {None}
    assert detail in answer["detail"]


@pytest.mark.thorough
def test_tables_for_people(tmp_path: Path, tiny_zoo: Path) -> None:
    scored = gengap("evaluate", write(tmp_path, SQUARED_NORM), "--zoo", str(tiny_zoo))
    assert scored.returncode == 0
    assert re.search(r"score +\d+\.\d\d ± \d+\.\d\d", scored.stdout)
    assert "Kendall's τ-a" in scored.stdout
    assert "not drawn: gengap score --draws N" in scored.stdout
    failed = gengap("evaluate", write(tmp_path, "def complexity(m, d): 1 / 0\n"), "--zoo", str(tiny_zoo))
    assert failed.returncode == 1
    assert "ZeroDivisionError at complexity.py line 1" in failed.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere.py", "--zoo", "ZOO"), "does not exist"),
        (("FILE", "--zoo", "nozoo"), "no zoo of that name (known: "),
        (("FILE", "--zoo", "HERE"), "no zoo.json here"),
        (("TEXT", "--zoo", "ZOO"), "neither a .py nor a .zip"),
        (("FILE",), "Missing option '--zoo'"),
        (("FILE", "--zoo", "ZOO", "--wall-s", "0"), "Invalid value for '--wall-s'"),
    ],
)
def test_wrong_usage_exits_with_2_and_prints_nothing_on_stdout(
    tmp_path: Path, tiny_zoo: Path, arguments: tuple[str, ...], message: str
) -> None:
    names = {
        "FILE": write(tmp_path, SQUARED_NORM),
        "TEXT": write(tmp_path, "text", "notes.txt"),
        "ZOO": str(tiny_zoo),
        "HERE": str(tmp_path),
    }
    finished = gengap("evaluate", *(names.get(argument, argument) for argument in arguments), "--json")
    assert (finished.returncode, finished.stdout) == (2, "")
    assert message in finished.stderr
    assert "Traceback" not in finished.stderr


def test_a_wrong_setting_is_told(tmp_path: Path, tiny_zoo: Path) -> None:
    finished = gengap("evaluate", write(tmp_path, SQUARED_NORM), "--zoo", str(tiny_zoo), GENGAP_PORT="many")
    assert finished.returncode == 2
    assert "GENGAP_PORT" in finished.stderr
