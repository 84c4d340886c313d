"""The process of `outside.Outside`: torch imported once and a fork for each measure, as a zygote does, with no fence.

Reads a measure's source as a line of JSON, writes its value or its exception as another.
"""

import contextlib
import json
import os
import signal
import sys
import types
from typing import Any

from model_zoo.architectures import load_network, load_training_data


def serve(request: dict[str, Any]) -> None:
    weights, data = os.open(request["weights"], os.O_RDONLY), os.open(request["data"], os.O_RDONLY)
    model = load_network(request["architecture"], weights, None)
    dataset = load_training_data(data, request["classes"])
    for line in sys.stdin:
        read_end, write_end = os.pipe()
        child = os.fork()
        if child == 0:
            os.setsid()
            os.close(read_end)
            answer = _answer(json.loads(line), model, dataset)
            os.write(write_end, json.dumps(answer).encode())
            os._exit(0)
        os.close(write_end)
        os.waitpid(child, 0)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)  # whatever the measure started
        with os.fdopen(read_end, "rb") as file:
            sys.stdout.write((file.read().decode() or '"crashed"') + "\n")
            sys.stdout.flush()


def _answer(source: str, model: object, dataset: object) -> float | str:
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    measure = types.ModuleType("complexity")
    try:
        exec(compile(source, "complexity.py", "exec"), measure.__dict__)
        return float(measure.complexity(model, dataset))
    except BaseException as error:  # noqa: BLE001  (whatever a measure raises is the answer)
        return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    serve(json.loads(sys.argv[1]))
