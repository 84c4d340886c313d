"""The web process stays lean: what importing the application must not bring along, and who writes the database."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_importing_the_application_imports_no_torch() -> None:
    code = "import sys, server.app; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = set(result.stdout.split())
    assert {"flask", "submissions", "model_zoo"} <= modules
    assert not {"torch", "sklearn", "altair", "pandas"} & modules


def test_only_submissions_opens_a_transaction_that_writes() -> None:
    sources = [path for room in ("server", "worker") for path in (ROOT / room).rglob("*.py")]
    assert len(sources) > 100
    assert [str(path) for path in sources if ".write()" in path.read_text()] == []
