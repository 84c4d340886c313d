"""The child process that reads one upload under limits. `submissions.intake.upload_reader` starts it.

On stdin it finds a line of JSON and the upload. On stdout it answers with `VALID` and the upload's unpacked form, or
with `REFUSED` and a `BundleError` as JSON. It imports only the standard library and a few modules of ours.
"""

import gc
import json
import os
import resource
import sys

from submissions.intake.bundle import BundleLimits, read_bundle
from submissions.intake.source import BundleError
from submissions.intake.unpacked import dump

VALID, REFUSED = b"+", b"-"


def main() -> None:
    """Read the upload on stdin. Nothing of it is imported or run."""
    request = json.loads(sys.stdin.buffer.readline())
    _limit(request["cpu_s"], request["memory_bytes"])
    gc.disable()  # a syntax tree has no garbage, and a collection visits all of it
    content = sys.stdin.buffer.read()
    try:
        answer = VALID + dump(read_bundle(request["filename"], content, BundleLimits(*request["limits"])))
    except BundleError as error:
        told = {"text": str(error), "reason": error.reason, "path": error.path, "line": error.line}
        answer = REFUSED + json.dumps(told).encode()
    sys.stdout.buffer.write(answer)
    sys.stdout.buffer.flush()
    os._exit(0)  # without taking the trees apart, which costs as much time as building them


def _limit(cpu_s: int, memory_bytes: int) -> None:
    """Limit this process. At the soft limit of processor time it is killed by SIGXCPU, which says why it ended."""
    for kind, soft, hard in (
        (resource.RLIMIT_CPU, cpu_s, cpu_s + 1),
        (resource.RLIMIT_AS, memory_bytes, memory_bytes),
        (resource.RLIMIT_FSIZE, 0, 0),
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_NPROC, 0, 0),
    ):
        resource.setrlimit(kind, (soft, hard))
