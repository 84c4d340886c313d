"""Runs one of this package's commands in a child process, so that the caller does not load torch.

The commands (`python -m model_zoo.checks`, `.importers` and `.training`) report by lines of JSON on stdout.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any


@contextmanager
def child_process(
    module: str, *arguments: str, request: bytes = b"", stderr: IO[bytes] | None = None
) -> Iterator[tuple["subprocess.Popen[bytes]", Iterator[dict[str, Any]]]]:
    """Run `python -m module`, which has ended when the block has, and is terminated if the block raises.

    Parameters
    ----------
    module : str
    *arguments : str
    request : bytes
        What it finds on stdin.
    stderr : file, optional
        Where its stderr goes; default: to ours.

    Yields
    ------
    child : subprocess.Popen
    messages : iterator of dict
        The contents of its lines, as they arrive.
    """
    command = [sys.executable, "-P", "-m", module, *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            with suppress(BrokenPipeError), child.stdin:  # it may have ended before it read the request
                child.stdin.write(request)
            yield child, map(json.loads, child.stdout)
        except BaseException:
            child.terminate()
            raise
