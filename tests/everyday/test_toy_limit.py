"""A further limit of a phase takes two product files and a migration: made in a copy of the tree, and tried there."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("server", "worker", "submissions", "model_zoo", "scoring")
CHANGES = {
    "submissions/storage/limits.py": (
        "    cpus: int = 1\n",
        '    open_files: int = _limit(200, "open files", Unit.COUNT, least=16, most=256, '
        'about="Descriptors at a time.")\n'
        "    cpus: int = 1\n",
    ),
    "worker/harness/lockdown.py": (
        "(resource.RLIMIT_NOFILE, OPEN_FILES)",
        '(resource.RLIMIT_NOFILE, limits["open_files"])',
    ),
}
MIGRATION = '''"""The limit of open files."""

import sqlalchemy as sa
from alembic import op

revision = "toy"
down_revision = "{head}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("phases") as batch_op:
        batch_op.add_column(sa.Column("open_files", sa.Integer(), nullable=False, server_default="200"))
'''


def test_a_limit_is_declared_once_and_enforced_once(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    for room in ROOMS:
        shutil.copytree(ROOT / room, tree / room, ignore=shutil.ignore_patterns("__pycache__"))
    (tree / "tests").symlink_to(ROOT / "tests")
    for name, (before, after) in CHANGES.items():
        text = (tree / name).read_text()
        assert text.count(before) == 1, name
        (tree / name).write_text(text.replace(before, after))
    versions = tree / "submissions" / "storage" / "migrations" / "versions"
    head = max(path.stem for path in versions.glob("[0-9]*.py")).partition("_")[0]
    (versions / "9999_toy.py").write_text(MIGRATION.format(head=head))

    command = [sys.executable, "-m", "tests.everyday.toy_limit", str(tmp_path / "site")]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GENGAP_")}
    done = subprocess.run(
        command, cwd=tree, env=environment | {"PYTHONPATH": str(tree)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "code": str(tree),
        "form": True,
        "refused": True,
        "changed": 302,
        "api": 99,
        "document": ["PhaseChange", "PhaseLimits", "PhaseWanted"],
        "page": True,
        "option": True,
        "sandbox": 99.0,
    }
