"""The web process stays lean: what importing the application must not bring along."""

import subprocess
import sys


def test_importing_the_application_imports_no_torch() -> None:
    code = "import sys, server.app; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = set(result.stdout.split())
    assert {"flask", "submissions", "model_zoo"} <= modules
    assert not {"torch", "sklearn", "altair", "pandas"} & modules
