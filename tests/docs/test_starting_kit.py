"""The starting kit as a newcomer uses it: installed from its own wheel, its two commands run, its notebook executed."""

import io
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import httpx
import nbformat
import pytest
from nbclient import NotebookClient
from sqlalchemy import select

from submissions.storage.records import EvaluationRecord, SubmissionRecord, ValueRecord, ZooRecord
from submissions.storage.states import State
from tests.conftest import RunningSite
from tests.services import wait_until

_TELLING = """
import json

numbers = {"score": report.score, "standard_error": report.standard_error, "kendall_tau": report.kendall.tau_a}
print(json.dumps(numbers | {"values": evaluation.values}))
"""


@pytest.fixture
def kit(running_site: RunningSite, tmp_path: Path) -> Path:
    """The folder of the unpacked kit, which a worker has made and stored before anybody asks."""
    wait_until(lambda: any((running_site.settings.home / "kits").glob("*/*.zip")), "the kit")
    answer = httpx.get(f"{running_site.url}/competitions/{running_site.competition.slug}/kit.zip")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        archive.extractall(tmp_path / "kit")
    (folder,) = (tmp_path / "kit").iterdir()
    return folder


@pytest.fixture
def installed(kit: Path, tmp_path: Path) -> dict[str, str]:
    """The environment of somebody who has installed the kit's wheel; what Gengap depends on is this machine's."""
    (wheel,) = kit.glob("*.whl")
    target = tmp_path / "installed"
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(target), str(wheel)]
    subprocess.run(command, check=True)
    return os.environ | {"PYTHONPATH": str(target), "GENGAP_HOME": str(tmp_path / "home")}


def _commands(kit: Path) -> list[str]:
    return re.findall(r"^gengap .+$", (kit / "README.md").read_text(), re.MULTILINE)


def test_the_kits_command_gives_the_servers_numbers_to_the_last_bit(
    kit: Path, installed: dict[str, str], running_site: RunningSite
) -> None:
    competition = running_site.competition
    submission_id = competition.submit(competition.user("ada"), (kit / "measure.py").read_bytes())
    evaluate = next(line for line in _commands(kit) if line.startswith("gengap evaluate"))
    command = [sys.executable, "-P", "-m", "server.cli", *evaluate.split()[1:], "--json"]
    finished = subprocess.run(command, cwd=kit, env=installed, capture_output=True, text=True, check=True)
    values = json.loads(finished.stdout)["values"]

    def is_scored() -> bool:
        with competition.db.read() as session:
            return session.get_one(SubmissionRecord, submission_id).state is State.SCORED

    wait_until(is_scored, "the score")
    with competition.db.read() as session:
        rows = session.execute(
            select(ValueRecord.network_id, ValueRecord.value)
            .join(EvaluationRecord)
            .join(ZooRecord)
            .where(
                EvaluationRecord.submission_id == submission_id,
                EvaluationRecord.purpose == "score",
                ZooRecord.name == "tiny",
            )
        )
        assert values == {network_id: value for network_id, value in rows}  # noqa: C416  (a Row is no pair for mypy)
    assert len(set(values.values())) == len(values)


@pytest.mark.thorough
def test_the_notebook_gives_the_numbers_of_the_command_to_the_last_bit(kit: Path, installed: dict[str, str]) -> None:
    notebook = nbformat.read(kit / "first_look.ipynb", as_version=4)  # type: ignore[no-untyped-call]
    notebook.cells.append(nbformat.v4.new_code_cell(_TELLING))  # type: ignore[no-untyped-call]
    client = NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(kit)}})
    client.execute(env=installed)
    told = json.loads(notebook.cells[-1].outputs[0].text)
    command = [sys.executable, "-P", "-m", "server.cli", "evaluate", "my_measure.py", "--zoo", "tiny", "--json"]
    finished = subprocess.run(command, cwd=kit, env=installed, capture_output=True, text=True, check=True)
    expected = json.loads(finished.stdout)
    assert told == {name: expected[name] for name in told}
    assert len(set(told["values"].values())) == 8
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    texts = "".join(output.text for output in outputs if output.output_type == "stream")
    assert "The tiny zoo: 8 networks" in texts
    assert re.search(r"^score +\d+\.\d\d ± \d+\.\d\d$", texts, re.MULTILINE)
    (shown,) = (output.data["text/html"] for output in outputs if "text/html" in output.get("data", {}))
    assert f"{told['score']:.2f}" in shown
    assert "<svg" in shown
