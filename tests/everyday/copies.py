"""A copy of the product with a change made to it, and a program run over that copy."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOMS = ("gengap", "server", "worker", "submissions", "scoring", "model_zoo")
_IGNORED = shutil.ignore_patterns("__pycache__", "node_modules")


class Copy:
    """The rooms of the product below a folder of their own; the tests are the same ones."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.changed: set[str] = set()
        for room in ROOMS:
            shutil.copytree(ROOT / room, folder / room, ignore=_IGNORED)
        for name in ("tests", "docs"):
            (folder / name).symlink_to(ROOT / name)

    def add(self, path: str, text: str) -> None:
        """Add a file that is not there yet."""
        assert not (self.folder / path).exists()
        (self.folder / path).write_text(text)
        self.changed.add(path)

    def replace(self, path: str, changes: Mapping[str, str]) -> None:
        """Change a file: each text, which is in it once, for another."""
        text = (self.folder / path).read_text()
        for old, new in changes.items():
            assert text.count(old) == 1, f"{path} has {old!r} {text.count(old)} times"
            text = text.replace(old, new)
        (self.folder / path).write_text(text)
        self.changed.add(path)

    def run(self, program: str, *arguments: str) -> str:
        """What a program over the copy prints. A failure shows what it said."""
        own = {name: value for name, value in os.environ.items() if not name.startswith("GENGAP_")}
        environment = own | {"PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-c", program, *arguments]
        done = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False, timeout=240
        )
        assert done.returncode == 0, done.stderr[-4000:]
        return done.stdout
