"""A further limit of a phase takes two product files and a migration: made in a copy of the tree, and tried there."""

import json
from pathlib import Path

from tests.everyday.copies import Copy

PROGRAM = (
    "import json, sys; from tests.everyday.toy_limit import run; from pathlib import Path; "
    "print(json.dumps(run(Path(sys.argv[1]))))"
)
VERSIONS = "submissions/storage/migrations/versions"
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
    copy = Copy(tmp_path / "copy")
    for name, (before, after) in CHANGES.items():
        copy.replace(name, {before: after})
    assert len(copy.changed) <= 3
    head = max(path.stem for path in (copy.folder / VERSIONS).glob("[0-9]*.py")).partition("_")[0]
    copy.add(f"{VERSIONS}/9999_toy.py", MIGRATION.format(head=head))
    assert json.loads(copy.run(PROGRAM, str(tmp_path / "site"))) == {
        "code": str(copy.folder),
        "form": True,
        "refused": True,
        "changed": 302,
        "api": 99,
        "document": ["PhaseChange", "PhaseLimits", "PhaseWanted"],
        "page": True,
        "option": True,
        "sandbox": 99.0,
    }
