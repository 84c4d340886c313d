"""The positive control of the probes: the same measure in a process with nothing around it.

A probe that is refused inside a sandbox must get its value here: only then does the refusal show that the sandbox
stopped it. `outside_process` is the other side. Used by the tests of the matrix.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from worker.sandbox.protocol import NetworkFiles

ROOT = Path(__file__).parents[3]


class Outside:
    """An unprotected place to run measures, on one network. `evaluate` is its only door."""

    def __init__(self, network: NetworkFiles, folder: Path) -> None:
        request = {
            "architecture": network.architecture,
            "weights": str(network.weights),
            "data": str(network.training_data),
            "classes": network.classes,
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.worker.sandbox.outside_process", json.dumps(request)],
            env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def evaluate(self, source: str) -> float | str:
        """The measure's value, or the class and text of the exception that it raised."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(source) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline() or '"it ended"')
        assert isinstance(answer, float | str)
        return answer

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
