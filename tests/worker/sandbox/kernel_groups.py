"""Control groups of version 2 as a folder tree with the kernel's rules, for machines that have version 1.

A real folder tree; making a folder fills it, and what is written to `cgroup.procs`, `cgroup.subtree_control` and
`cgroup.kill` takes effect as cgroup-v2.rst says, the rule against processes in inner groups included.
"""

import errno
import os
from pathlib import Path

import pytest

_OF_CONTROLLERS = {
    "memory": {
        "memory.max": "max",
        "memory.swap.max": "max",
        "memory.oom.group": "0",
        "memory.peak": "0",
        "memory.events": "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\n",
    },
    "pids": {"pids.max": "max"},
    "cpu": {"cpu.max": "max 100000"},
}


class KernelGroups:
    """The tree, mounted at `top`. `readonly`: folders in which this user may not write."""

    def __init__(self, top: Path, controllers: str = "cpu memory pids") -> None:
        self.top = top
        self.readonly: set[Path] = set()
        self._mkdir, self._rmdir, self._write = Path.mkdir, Path.rmdir, Path.write_text
        self._mkdir(top)
        self._fill(top, controllers)

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """From now on, what this process does to the tree has the kernel's effects."""
        kernel = self

        def mkdir(path: Path, mode: int = 0o777, **options: bool) -> None:
            if kernel._is_within(path) and path.parent in kernel.readonly:
                raise PermissionError(errno.EACCES, "read-only", str(path))
            is_new = not path.exists()
            kernel._mkdir(path, mode, **options)
            if kernel._is_within(path) and is_new:
                kernel._fill(path, kernel.read(path.parent, "cgroup.subtree_control"))

        def rmdir(path: Path) -> None:
            if kernel._is_within(path):
                if kernel.read(path, "cgroup.procs") or any(child.is_dir() for child in path.iterdir()):
                    raise OSError(errno.EBUSY, "busy", str(path))
                for file in path.iterdir():
                    file.unlink()
            kernel._rmdir(path)

        def write_text(path: Path, text: str, *arguments: str) -> int:
            if not kernel._is_within(path):
                return kernel._write(path, text, *arguments)
            if not path.exists() or path.parent in kernel.readonly:
                raise PermissionError(errno.EACCES, "no such file of the kernel", str(path))
            kernel._take(path, text)
            return len(text)

        monkeypatch.setattr(Path, "mkdir", mkdir)
        monkeypatch.setattr(Path, "rmdir", rmdir)
        monkeypatch.setattr(Path, "write_text", write_text)
        real = os.access
        monkeypatch.setattr(
            os, "access", lambda path, mode: real(path, mode) and Path(path).parent not in kernel.readonly
        )

    def group(self, name: str, *, processes: str = "", shared: str = "") -> Path:
        """A group that is there from the start."""
        path = self.top / name
        self._mkdir(path, parents=True)
        self._fill(path, self.read(path.parent, "cgroup.subtree_control"))
        self.put(path, "cgroup.procs", processes)
        self.put(path, "cgroup.subtree_control", shared)
        return path

    def read(self, folder: Path, file: str) -> str:
        return (folder / file).read_text().strip()

    def put(self, folder: Path, file: str, text: str) -> None:
        self._write(folder / file, text)

    @property
    def mountinfo(self) -> str:
        return f"41 31 0:38 / {self.top} rw,relatime - cgroup2 cgroup2 rw\n"

    def _is_within(self, path: Path) -> bool:
        return path != self.top and path.is_relative_to(self.top)

    def _fill(self, path: Path, controllers: str) -> None:
        files = {"cgroup.procs": "", "cgroup.subtree_control": "", "cgroup.controllers": controllers}
        files |= {"cpu.stat": "usage_usec 0\nuser_usec 0\nsystem_usec 0\n"}
        if path != self.top:
            files |= {"cgroup.type": "domain", "cgroup.kill": ""}
            for controller in controllers.split():
                files |= _OF_CONTROLLERS[controller]
        for name, content in files.items():
            self._write(path / name, content)

    def _take(self, path: Path, text: str) -> None:
        folder = path.parent
        if path.name == "cgroup.subtree_control":
            if self.read(folder, "cgroup.procs") and (folder / "cgroup.type").exists():
                raise OSError(errno.EBUSY, "it has processes of its own", str(path))
            wanted = {word.removeprefix("+") for word in text.split()}
            if not wanted <= set(self.read(folder, "cgroup.controllers").split()):
                raise FileNotFoundError(errno.ENOENT, "not a controller here", str(path))
            self._write(path, " ".join(sorted({*self.read(folder, path.name).split(), *wanted})))
        elif path.name == "cgroup.procs":
            if self.read(folder, "cgroup.subtree_control") and (folder / "cgroup.type").exists():
                raise OSError(errno.EBUSY, "it shares out controllers", str(path))
            for file in self.top.rglob("cgroup.procs"):
                self._write(file, "\n".join(pid for pid in file.read_text().split() if pid != text))
            self._write(path, f"{self.read(folder, path.name)}\n{text}\n".lstrip())
        elif path.name == "cgroup.kill":
            self._write(folder / "cgroup.procs", "")
        else:
            self._write(path, text)
