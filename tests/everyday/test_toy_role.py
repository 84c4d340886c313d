"""A new role is a change of one file: tried on a copy of the product, as a person of that role would meet it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOMS = ("server", "submissions", "worker", "scoring", "model_zoo", "docs")
TABLE = "submissions/storage/roles.py"
CHANGES = {
    '    ORGANIZER = "organizer"\n': '    ORGANIZER = "organizer"\n    WARDEN = "warden"\n',
    "    Role.PARTICIPANT: NOTHING,\n": (
        "    Role.PARTICIPANT: NOTHING,\n    Role.WARDEN: frozenset({Permission.MONITOR}),\n"
    ),
}
PASSWORD = "correct horse battery"
VISIT = f"""
import re
import server
from server.app import create_app
from submissions.people.tokens import Scope, create_token
from submissions.people.accounts import find_user

app = create_app()
wanda = app.test_client()
form = wanda.get("/login").text
csrf = re.search(r'name="csrf_token" value="([^"]+)"', form)[1]
wanda.post("/login", data={{"name": "wanda", "password": "{PASSWORD}", "csrf_token": csrf}})
pages = [wanda.get(path).status_code for path in ("/organizer/", "/organizer/zoos/", "/organizer/phases/")]
menu = wanda.get("/").text
db = app.extensions["gengap"].db
_, token = create_token(db, find_user(db, "wanda").id, "script", [Scope.ORGANIZE])
headers = {{"Authorization": f"Bearer {{token}}"}}
script = app.test_client(use_cookies=False)
routes = [script.get(f"/api/v1/{{route}}", headers=headers).status_code for route in ("workers", "acts", "zoos")]
print(server.__file__, pages, routes, 'href="/organizer/"' in menu, "<small>warden</small>" in menu)
"""


def test_a_new_role_is_a_line_and_its_row_of_the_table(tmp_path: Path) -> None:
    for room in ROOMS:
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    table = tmp_path / TABLE
    text = table.read_text()
    for old, new in CHANGES.items():
        assert text.count(old) == 1
        text = text.replace(old, new)
    table.write_text(text)
    environment = {"PYTHONPATH": str(tmp_path), "GENGAP_HOME": str(tmp_path / "home"), "PATH": os.environ["PATH"]}

    def run(*command: str, typed: str = "") -> str:
        done = subprocess.run(
            [sys.executable, *command],
            **{"cwd": tmp_path, "env": environment, "input": typed},
            **{"capture_output": True, "text": True},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    made = run("-m", "server.cli", "account", "warden", "wanda", typed=f"{PASSWORD}\n")
    assert made == "wanda is a warden now.\n"
    init = tmp_path / "server" / "__init__.py"
    assert run("-c", VISIT) == f"{init} [200, 403, 403] [200, 200, 403] True True\n"
