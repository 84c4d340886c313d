"""`gengap serve` and `gengap worker` tell what stands in their way in one sentence."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("command", ["serve", "worker"])
@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("GENGAP_DATABASE_URL", "postgresql://gengap:secret@127.0.0.1:1/none", "does not answer"),
        ("GENGAP_DATABASE_URL", "nonsense://", "does not answer"),
        ("GENGAP_HOME", "/dev/null/home", "cannot be created"),
        ("GENGAP_PORT", "99999", "GENGAP_PORT"),
    ],
)
def test_what_stands_in_the_way_is_told(tmp_path: Path, command: str, name: str, value: str, message: str) -> None:
    environment = os.environ | {"GENGAP_HOME": str(tmp_path), name: value}
    finished = subprocess.run(
        [sys.executable, "-P", "-m", "server.cli", command],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert finished.returncode == 2
    assert message in finished.stderr
    assert "Traceback" not in finished.stderr
    assert "secret" not in finished.stderr
