"""A person at a terminal, who calls the commands that speak to a server: each call a process of its own."""

import json
import os
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TIMEOUT_S = 300  # for a hung command, not a speed


@dataclass(frozen=True)
class Terminal:
    """One person's home folder, where `gengap login` keeps what it keeps."""

    home: Path

    def call(self, *words: str | Path, typed: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        """Call `gengap` with these words; `typed` goes to its standard input."""
        environment = os.environ | {"XDG_CONFIG_HOME": str(self.home), "COLUMNS": "200"} | variables
        return subprocess.run(
            [sys.executable, "-P", "-m", "server.cli", *map(str, words)],
            env=environment,
            cwd=self.home,
            input=typed,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )

    def says(self, *words: str | Path, typed: str = "") -> str:
        """What a call that succeeds prints."""
        done = self.call(*words, typed=typed)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def json(self, *words: str | Path) -> Any:
        """The JSON that a call that succeeds prints."""
        return json.loads(self.says(*words, "--json"))

    def refused(self, *words: str | Path, typed: str = "", code: int = 2) -> str:
        """The one sentence that a call which fails prints."""
        done = self.call(*words, typed=typed)
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        assert done.stdout == ""
        return done.stderr

    @property
    def login_file(self) -> Path:
        return self.home / "gengap" / "login.json"

    @property
    def login_mode(self) -> int:
        return stat.S_IMODE(self.login_file.stat().st_mode)
