"""`gengap evaluate`: what it prints, and its exit status."""

import json
import os
import re
import signal
import subprocess
import sys
import time
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


@pytest.mark.thorough
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
        (("FILE", "--zoo", "ZOO", "--networks", "3"), "3 networks cannot be scored; take 4 or more"),
        (("FILE", "--zoo", "ZOO", "--networks", "8", "--only", "x"), "exclude each other"),
        (("FILE", "--zoo", "ZOO", "--only", "nobody"), "has no network 'nobody'"),
        (("FILE", "--zoo", "ZOO", "--plot", "out.pdf"), "--plot writes .svg or .png"),
        (("FILE", "--zoo", "ZOO", "--compare", "TEXT"), "is not JSON"),
        (("FILE",), "Missing option '--zoo'"),
        (("FILE", "--zoo", "ZOO", "--wall-s", "0"), "Invalid value for '--wall-s'"),
    ],
)
def test_wrong_usage_exits_with_2_and_one_sentence(
    tmp_path: Path, tiny_zoo: Path, arguments: tuple[str, ...], message: str
) -> None:
    names = {
        "FILE": write(tmp_path, SQUARED_NORM),
        "TEXT": write(tmp_path, "text", "notes.txt"),
        "ZOO": str(tiny_zoo),
        "HERE": str(tmp_path),
    }
    finished = gengap("evaluate", *(names.get(argument, argument) for argument in arguments), "--json")
    assert finished.returncode == 2
    assert message in finished.stderr
    assert "Traceback" not in finished.stderr
    if finished.stdout:  # but for what the command line's parser refuses
        answer = json.loads(finished.stdout)
        assert (list(answer), message in answer["error"]) == (["error"], True)


def test_a_wrong_setting_is_told(tmp_path: Path, tiny_zoo: Path) -> None:
    finished = gengap("evaluate", write(tmp_path, SQUARED_NORM), "--zoo", str(tiny_zoo), GENGAP_PORT="many")
    assert finished.returncode == 2
    assert "GENGAP_PORT" in finished.stderr


PRINTS = """
import warnings


def complexity(model, dataset):
    print("seen", len(dataset))
    warnings.warn("close to the limit")
    return sum(float(p.detach().square().sum()) for p in model.parameters())
"""


def test_what_a_measure_prints_is_shown_network_by_network(tmp_path: Path, tiny_zoo: Path) -> None:
    file = write(tmp_path, PRINTS)
    finished = gengap("evaluate", file, "--zoo", str(tiny_zoo), "--json", "--show-output")
    answer = json.loads(finished.stdout)
    assert set(answer["output"]) == set(answer["values"])
    assert all("seen" in text and "close to the limit" in text for text in answer["output"].values())
    shown = gengap("evaluate", file, "--zoo", str(tiny_zoo), "--show-output", "--networks", "4").stdout
    assert shown.count("UserWarning: close to the limit") == 4
    assert "close to the limit" not in gengap("evaluate", file, "--zoo", str(tiny_zoo), "--networks", "4").stdout


@pytest.mark.thorough
def test_a_part_of_the_zoo_is_scored_and_the_same_each_time(tmp_path: Path, tiny_zoo: Path) -> None:
    file = write(tmp_path, SQUARED_NORM)
    _, whole = evaluated(file, tiny_zoo)
    status, part = evaluated(file, tiny_zoo, "--networks", "5")
    assert (status, part["state"], part["networks"], len(part["values"])) == (0, "scored", 4, 4)
    assert part["values"].items() <= whole["values"].items()
    assert evaluated(file, tiny_zoo, "--networks", "5")[1]["values"] == part["values"]


@pytest.mark.thorough
def test_single_networks_have_values_and_no_score(tmp_path: Path, tiny_zoo: Path) -> None:
    chosen = [network.id for network in open_zoo(tiny_zoo).networks][2:4]
    file = write(tmp_path, SQUARED_NORM)
    status, answer = evaluated(file, tiny_zoo, "--only", chosen[0], "--only", chosen[1])
    assert (status, answer["state"], set(answer["values"])) == (0, "evaluated", set(chosen))
    assert {answer[name] for name in SCORES} == {None}
    printed = gengap("evaluate", file, "--zoo", str(tiny_zoo), "--only", chosen[0]).stdout
    assert f"{chosen[0]}  {answer['values'][chosen[0]]!r}" in printed


def test_saved_values_are_compared_and_scored_to_the_same_numbers(tmp_path: Path, tiny_zoo: Path) -> None:
    kept, file = tmp_path / "values.json", write(tmp_path, SQUARED_NORM)
    _, answer = evaluated(file, tiny_zoo, "--save", str(kept))
    assert json.loads(kept.read_text()) == answer["values"]
    constant = write(tmp_path, "def complexity(model, dataset):\n    return 1.0\n", "constant.py")
    finished = gengap("evaluate", constant, "--zoo", str(tiny_zoo), "--json", "--compare", str(kept))
    comparison = json.loads(finished.stdout)["comparison"]
    assert comparison["second"]["score"] == answer["score"]
    assert comparison["difference"] == -answer["score"]


NOISY = "import torch\n\n\ndef complexity(model, dataset):\n    return torch.rand(())\n"
TIMED = "import time\n\n\ndef complexity(model, dataset):\n    return time.perf_counter()\n"


@pytest.mark.thorough
def test_repeats_tell_noise_from_what_is_not_deterministic(tmp_path: Path, tiny_zoo: Path) -> None:
    def repeats(source: bytes | str, times: int) -> dict[str, Any]:
        arguments = ("--zoo", str(tiny_zoo), "--json", "--networks", "4", "--repeat", str(times))
        finished = gengap("evaluate", write(tmp_path, source), *arguments)
        answer = json.loads(finished.stdout)["repeats"]
        assert isinstance(answer, dict)
        return answer

    quiet, noisy, timed = repeats(SQUARED_NORM, 3), repeats(NOISY, 3), repeats(TIMED, 2)
    assert (quiet["is_deterministic"], quiet["noise"], len(set(quiet["scores"]))) == (True, 0.0, 1)
    assert (noisy["is_deterministic"], noisy["noise"] > 0.3) == (True, True)
    assert (timed["is_deterministic"], timed["noise"], len(timed["differing"])) == (False, None, 4)


SLOW = """
import time


def complexity(model, dataset):
    time.sleep(0.05)
    for inputs, labels in dataset.batches():
        model(inputs)
    return 1.0
"""


def test_a_profile_names_the_slow_line_and_counts_forward_passes(tmp_path: Path, tiny_zoo: Path) -> None:
    arguments = ("evaluate", write(tmp_path, SLOW), "--zoo", str(tiny_zoo), "--networks", "4", "--profile")
    profiles = json.loads(gengap(*arguments, "--json").stdout)["profile"]
    assert len(profiles) == 4
    for profile in profiles.values():
        slowest = profile["lines"][0]
        assert (slowest["file"], slowest["line"]) == ("complexity.py", 6)
        assert slowest["seconds"] >= 0.05
        assert profile["measure_s"] >= slowest["seconds"]
        assert profile["forward_passes"] >= 1
        assert 0 < profile["forward_s"] < profile["measure_s"]
    assert "time.sleep(0.05)" in gengap(*arguments).stdout


@pytest.mark.parametrize(("suffix", "begins"), [(".svg", b"<svg"), (".png", b"\x89PNG")])
def test_values_are_drawn_against_the_target(tmp_path: Path, tiny_zoo: Path, suffix: str, begins: bytes) -> None:
    picture = tmp_path / f"picture{suffix}"
    evaluated(write(tmp_path, SQUARED_NORM), tiny_zoo, "--plot", str(picture))
    assert picture.read_bytes().startswith(begins)


def test_a_grid_with_a_hole_is_refused_before_anything_runs(tmp_path: Path) -> None:
    zoo = make_tiny_zoo(tmp_path / "holed", "holed", holes=1)
    finished = gengap("evaluate", write(tmp_path, TIMED), "--zoo", str(zoo), "--json")
    assert finished.returncode == 2
    assert "the grid is incomplete: 1 of 8 combinations" in json.loads(finished.stdout)["error"]
    assert "networks in" not in finished.stderr


STOPS = "import time\n\n\ndef complexity(model, dataset):\n    time.sleep(1)\n    return 1.0\n"


@pytest.mark.thorough
def test_an_interrupt_keeps_and_prints_what_there_is(tmp_path: Path, tiny_zoo: Path) -> None:
    kept = tmp_path / "values.json"
    arguments = ["evaluate", write(tmp_path, STOPS), "--zoo", str(tiny_zoo), "--jobs", "1", "--save", str(kept)]
    command = [sys.executable, "-P", "-m", "server.cli", *arguments, "--show-output", "--json"]
    source = STOPS.replace("time.sleep(1)", "print('here', flush=True)\n    time.sleep(1)")
    Path(arguments[1]).write_text(source)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        time.sleep(9)  # the first values are there by then; how many does not matter
        process.send_signal(signal.SIGINT)
        answer = json.loads(process.communicate(timeout=60)[0])
    assert (process.returncode, answer["state"]) == (130, "interrupted")
    assert json.loads(kept.read_text()) == answer["values"]
    assert len(answer["values"]) < 8


PGDL = """
import os


def complexity(model, ds, program_dir):
    assert ds.data is ds.inputs and ds.targets is ds.labels
    with open(os.path.join(program_dir, "table.txt")) as table:
        scale = float(table.read())
    return scale * sum(float(p.detach().square().sum()) for p in model.parameters())
"""


def test_a_measure_of_the_original_competition_runs_as_it_is(tmp_path: Path, tiny_zoo: Path) -> None:
    archive = zip_of({"complexity.py": PGDL.encode(), "table.txt": b"2.0"})
    status, answer = evaluated(write(tmp_path, archive, "measure.zip"), tiny_zoo)
    assert (status, answer["kendall_tau"]) == (0, 1.0), answer["detail"]
    _, single = evaluated(write(tmp_path, SQUARED_NORM), tiny_zoo)
    assert answer["values"] == {network: 2 * value for network, value in single["values"].items()}


@pytest.mark.thorough
def test_a_third_argument_of_another_name_is_refused(tmp_path: Path, tiny_zoo: Path) -> None:
    status, answer = evaluated(write(tmp_path, "def complexity(model, dataset, extra):\n    return 1.0\n"), tiny_zoo)
    assert (status, answer["reason"]) == (1, "missing_function")
    assert "with two arguments" in answer["detail"]


@pytest.mark.thorough
def test_loader_processes_are_refused_with_what_to_write_instead(tmp_path: Path, tiny_zoo: Path) -> None:
    source = (
        "from torch.utils.data import DataLoader\n\n\ndef complexity(model, dataset):\n"
        "    return sum(1 for _ in DataLoader(dataset, num_workers=2))\n"
    )
    finished = gengap("evaluate", write(tmp_path, source), "--zoo", str(tiny_zoo))
    assert finished.returncode == 1
    assert "num_workers=0 in a DataLoader" in " ".join(finished.stderr.split())
