"""A zoo's own architecture.py, executed in a participant's process before any of the participant's code.

Called by `participant` once every layer is active: the file is an organizer's, and just as untrusted by the machine.
"""

import contextlib
import importlib.abc
import importlib.util
import os
import sys
import traceback
from collections.abc import Iterator

from torch import nn

from model_zoo.architectures import ArchitectureError, OwnBuild

FILENAME = "architecture.py"
_MODULE = "_zoo_architecture"  # not "architecture": a measure may have a module of that name


class _Source(importlib.abc.SourceLoader):
    """An import from bytes, so that the module has a name, and torch.jit and tracebacks find its lines."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def get_filename(self, fullname: str) -> str:
        return FILENAME

    def get_data(self, path: bytes | str) -> bytes:
        return self._content


def own_build(descriptor: int) -> OwnBuild:
    """Execute the architecture.py that is open at `descriptor` and return its function `build`.

    Whatever the file or its `build` raises becomes an ArchitectureError with its line, and whatever they print is
    dropped: a measure's log is not the place for it.
    """
    loader = _Source(os.pread(descriptor, os.fstat(descriptor).st_size, 0))
    spec = importlib.util.spec_from_loader(_MODULE, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[_MODULE] = module
    with _fault_told("the file"), _silence():
        loader.exec_module(module)
    function = getattr(module, "build", None)
    if not callable(function):
        raise ArchitectureError(f"{FILENAME}: defines no function build(**arguments)")

    def build(**arguments: object) -> nn.Module:
        with _fault_told("build"), _silence():
            network: nn.Module = function(**arguments)
        return network

    return build


@contextlib.contextmanager
def _fault_told(what: str) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if frame.filename == FILENAME]
        if isinstance(error, SyntaxError):
            lines.append(error.lineno)
        place = f"{FILENAME} line {lines[-1]}" if lines else FILENAME
        raise ArchitectureError(f"{place}: {what} raised {type(error).__name__}: {error}") from error


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Discard standard output and error until the block ends, also those of machine code."""
    kept = os.dup(1), os.dup(2)
    null = os.open("/dev/null", os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(kept[0], 1)
        os.dup2(kept[1], 2)
        for descriptor in (*kept, null):
            os.close(descriptor)
