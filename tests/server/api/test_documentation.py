"""docs/api.md: what it shows is run against a real server with a real worker."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from submissions.people.accounts import register
from submissions.people.tokens import create_token
from submissions.storage.database import Database
from tests.conftest import RunningSite
from tests.factories import SQUARED_NORM
from tests.records import PASSWORD

PAGE = (Path(__file__).parents[3] / "docs" / "api.md").read_text()


def _shown(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    return str(found)


@pytest.mark.thorough
def test_the_script_gets_its_measure_scored_and_the_command_lists_it(running_site: RunningSite, tmp_path: Path) -> None:
    (tmp_path / "measure.py").write_bytes(SQUARED_NORM)
    db = Database(running_site.settings.effective_database_url)
    user_id = register(db, "ada", "ada@example.org", PASSWORD)
    _, token = create_token(db, user_id, "script", ["read", "submit"])
    db.close()
    environment = {"GENGAP_URL": running_site.url, "GENGAP_TOKEN": token, "PATH": "/usr/bin:/bin"}
    ran = subprocess.run(
        [sys.executable, "-c", _shown("python")],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    state, score = ran.stdout.split()
    assert state == "scored"
    curl = subprocess.run(["bash", "-c", _shown("bash")], env=environment, capture_output=True, text=True, check=True)
    (listed,) = json.loads(curl.stdout)["items"]
    assert (listed["name"], listed["state"], listed["score"]) == ("Squared norm", "scored", float(score))
