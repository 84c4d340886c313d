"""A new role is one changed file: `gengap account` gives it, and pages, menu and API let in whom the table lets in."""

import json
from pathlib import Path

from tests.everyday.copies import Copy

PROGRAM = """
import json, os, re, sys

os.environ["GENGAP_HOME"] = sys.argv[1]

from click.testing import CliRunner

import server
from server.app import create_app
from server.cli import main
from server.config import EXTENSION
from submissions.people.accounts import find_user
from submissions.people.tokens import Scope, create_token
from tests.records import PASSWORD
from tests.server.site import Browser

made = CliRunner().invoke(main, ["account", "warden", "wanda"], input=f"{PASSWORD}\\n").output
app = create_app()
wanda, script = Browser(app).log_in("wanda"), app.test_client(use_cookies=False)
db = app.extensions[EXTENSION].db
_, token = create_token(db, find_user(db, "wanda").id, "script", [Scope.ORGANIZE])
headers = {"Authorization": f"Bearer {token}"}
paths = ("/organizer/", "/organizer/zoos/", "/organizer/phases/")
print(json.dumps({
    "server": server.__file__,
    "made": made,
    "menu": re.findall('<a href="([^"]*)">Organize</a>', wanda.get("/").text),
    "tabs": re.findall('href="(/organizer/[^"]*)"', wanda.get("/organizer/").text.partition("<main")[2]),
    "pages": [wanda.get(path).status_code for path in paths],
    "api": [script.get(f"/api/v1/{path}", headers=headers).status_code for path in ("workers", "zoos", "phases")],
}))
"""


def test_a_role_is_a_name_and_its_row_of_the_table(tmp_path: Path) -> None:
    copy = Copy(tmp_path / "copy")
    copy.replace(
        "submissions/storage/roles.py",
        {
            '    ORGANIZER = "organizer"\n': '    ORGANIZER = "organizer"\n    WARDEN = "warden"\n',
            "    Role.PARTICIPANT: NOTHING,\n": "    Role.PARTICIPANT: NOTHING,\n"
            "    Role.WARDEN: frozenset({Permission.MONITOR}),\n",
        },
    )
    seen = json.loads(copy.run(PROGRAM, str(tmp_path / "home")))
    assert seen["server"].startswith(str(copy.folder))
    assert seen["made"] == "wanda is a warden now.\n"
    assert seen["menu"] == seen["tabs"] == ["/organizer/"]
    assert seen["pages"] == [200, 403, 403]
    assert seen["api"] == [200, 403, 403]
    assert len(copy.changed) <= 3
