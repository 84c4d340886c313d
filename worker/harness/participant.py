"""The last steps around a participant's function, in its own process: load, seed, import, call, answer.

The answer is one frame of 9 bytes: a tag and a little-endian float64. Tags: `v` a value, `n` not a number,
`f` not finite, `r` the measure raised, `i` its import failed, `m` no function, `x` our fault. What else the
author should know (exception class, own file and line) goes to the report descriptor, after a `+` which says
that network and data were loaded: an `x` is believed only without it, for then no participant code has run. A
zoo's own architecture.py runs after an `a` and before that `+`: whatever goes wrong between the two is its fault.
From the first line of participant code on, this process may write anything, so the supervisor trusts neither the
answer nor the report.
"""

import contextlib
import importlib
import io
import json
import math
import multiprocessing.process
import os
import random
import struct
import sys
import traceback
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from model_zoo.architectures import load_network, load_training_data
from worker.harness.descriptors import Descriptors
from worker.harness.extended import load_context
from worker.harness.own_architecture import own_build
from worker.harness.profiling import Profiler

MEASURE_FOLDER = Path("/tmp/measure")  # noqa: S108  (a tmpfs of this process alone)
REPORT_BYTES = 4000
MOST_DESCRIPTORS = 2**20  # closed in one call each; no process of ours has more
OPEN_FILES = 256  # as in worker.harness.lockdown
BUILDING = b"a"  # before `LOADED` where a zoo's own architecture.py builds the network
LOADED = b"+"  # in the report before all else; from then on a fault is no longer believed to be ours
MESSAGE_CHARACTERS = 500
NAME_CHARACTERS = 100

# Kept in this module: a measure may patch the modules that they come from.
_exit, _write, _pack = os._exit, os.write, struct.pack
_item = torch.Tensor.item
# Without an accelerator to be seeded once it is used, torch.manual_seed would note a stack with its source lines.
_HAS_ACCELERATOR = torch.accelerator.current_accelerator() is not None
_NUMPY_SCALARS = frozenset(np.sctypeDict.values())


class _NotANumber(Exception):  # noqa: N818
    """What the measure returned is not a real number."""


def run(request: Mapping[str, Any], files: Descriptors, channel: int) -> None:
    """Evaluate the measure on one network and end the process.

    Code that is not ours (the zoo's or the participant's) runs only after the supervisor's message on `channel`, when
    this process is in its control group.
    """
    tag, value = b"x", 0.0
    result, report = files.result, files.report
    word: int | None = channel  # until the message has arrived
    profiler = Profiler(str(MEASURE_FOLDER)) if request["profile"] else None
    try:
        _keep_only(files, channel)
        own = None
        if files.architecture is not None:
            _await_word(channel)
            word = None
            _write(report, BUILDING)
            own = own_build(files.architecture)
        model = load_network(request["architecture"], files.weights, files.initial, own)
        dataset = load_training_data(files.training_data, request["classes"])
        further = load_context(request, files, own)
        _unpack(files.code, request["code"])
        for descriptor in files.inputs:
            os.close(descriptor)
        _cover_files(keep=(result, report) if word is None else (result, report, word))
        _seed(request["seed"])
        if request["threads"] > 1:
            torch.set_num_threads(request["threads"])
        multiprocessing.process.BaseProcess.start = _start_no_process  # type: ignore[method-assign, assignment]
        _await_word(word)
        _write(report, LOADED)
        if profiler is not None:
            profiler.mark("load")
            profiler.watch(model)
    except BaseException as error:  # noqa: BLE001  (whatever it is, it is ours and goes to the supervisor)
        _await_word(word)
        _send_report(report, {"class": type(error).__name__, "message": str(error)})
    else:
        tag, value = _judge((model, dataset) if further is None else (model, dataset, further), report, profiler)
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        _write(result, _pack("<cd", tag, value))
        _exit(0)


def _judge(arguments: tuple[object, ...], report: int, profiler: Profiler | None) -> tuple[bytes, float]:
    try:
        module = importlib.import_module("complexity")
    except BaseException as error:  # noqa: BLE001  (SystemExit and KeyboardInterrupt too are the measure's)
        _send_report(report, _describe(error))
        return b"i", 0.0
    function = getattr(module, "complexity", None)
    if not callable(function):
        return b"m", 0.0
    if len(arguments) == 2 and _wants_folder(function):
        arguments = (*arguments, str(MEASURE_FOLDER))
    try:
        returned = function(*arguments) if profiler is None else _profiled(profiler, function, arguments)
    except BaseException as error:  # noqa: BLE001
        _send_report(report, _describe(error))
        return b"r", 0.0
    try:
        value = _real_number(returned)
    except _NotANumber as error:
        _send_report(report, {"message": str(error)})
        return b"n", 0.0
    except OverflowError:
        return b"f", math.inf
    except BaseException as error:  # noqa: BLE001  (a tensor without a number in it, or what the measure has patched)
        _send_report(report, {"message": f"what cannot be read as a number ({type(error).__name__})"})
        return b"n", 0.0
    if profiler is not None:
        _send_report(report, {"profile": profiler.told()})
    return b"v", value


def _wants_folder(function: object) -> bool:
    """Whether the third parameter is `program_dir`, which in PGDL is the folder of the submission's own files."""
    code = getattr(function, "__code__", None)
    return getattr(code, "co_varnames", ())[2:3] == ("program_dir",) and getattr(code, "co_argcount", 0) >= 3


def _profiled(profiler: Profiler, function: Callable[..., object], arguments: tuple[object, ...]) -> object:
    profiler.mark("import")
    returned = profiler.call(function, *arguments)
    profiler.mark("measure")
    return returned


def _real_number(returned: object) -> float:
    """Return the float64 of an exact float, int, numpy real scalar or one-element real tensor; nothing else.

    Only the exact type decides, since the measure may define `__float__` and `__class__`.
    """
    kind = type(returned)
    if kind is float:
        return returned  # type: ignore[return-value]
    if kind is int:
        return _held_by_float64(returned)  # type: ignore[arg-type]
    if kind in (torch.Tensor, torch.nn.Parameter):
        tensor: torch.Tensor = returned  # type: ignore[assignment]
        if tensor.numel() == 1 and tensor.dtype != torch.bool and not tensor.dtype.is_complex:
            return _held_by_float64(_item(tensor.detach()))
        raise _NotANumber(f"a tensor of shape {tuple(tensor.shape)} and type {tensor.dtype}")
    if kind is np.ndarray or kind in _NUMPY_SCALARS:
        array = np.asarray(returned)
        if array.size == 1 and array.dtype.kind in "fiu":
            return _held_by_float64(array.reshape(()).item())
        raise _NotANumber(f"an array of shape {array.shape} and type {array.dtype}")
    raise _NotANumber(f"a {kind.__name__}"[:200])


def _held_by_float64(number: float) -> float:
    """Return the float64 of a number. A whole number that it would change is refused: different ones would tie."""
    value = float(number)
    if type(number) is int and math.isfinite(value) and int(value) != number:
        raise _NotANumber("a whole number beyond 2^53 that float64 cannot hold")
    return value


def _keep_only(files: Descriptors, channel: int) -> None:
    """Redirect standard streams to the log and close all descriptors but the measure's."""
    null = os.open("/dev/null", os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(files.log, 1)
    os.dup2(files.log, 2)
    keep = sorted({2, files.result, files.report, channel, *files.inputs})
    for below, above in pairwise((*keep, MOST_DESCRIPTORS)):
        os.closerange(below + 1, above)
    sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False))
    sys.stdout = io.TextIOWrapper(io.FileIO(1, "w", closefd=False), errors="backslashreplace", write_through=True)
    sys.stderr = sys.stdout


def _await_word(channel: int | None) -> None:
    """Block until the supervisor has put this process into its control group; end if it closes the channel instead.

    None: the message has arrived before.
    """
    if channel is None:
        return
    if os.read(channel, 1) != b"g":
        _exit(0)
    os.close(channel)


def _cover_files(keep: tuple[int, ...]) -> None:
    """Replace every open file by /dev/null.

    A mapping keeps a descriptor of its own (Python's mmap does), whose inode and times would reveal in which order
    networks were trained or written.
    """
    null = os.open("/dev/null", os.O_RDONLY)
    for descriptor in range(3, OPEN_FILES):
        if descriptor not in (null, *keep):
            with contextlib.suppress(OSError):
                os.fstat(descriptor)  # raises where nothing is open
                os.dup2(null, descriptor)
    os.close(null)


def _unpack(code: int, sizes: Mapping[str, int]) -> None:
    """Write the measure's files into its private scratch folder, and put that first on the import path.

    `code` holds one file after another and `sizes` their relative paths and lengths; the supervisor made both from
    files that it has checked. The import system has not looked below this folder yet: no cache has to be invalidated.
    """
    MEASURE_FOLDER.mkdir()
    start = 0
    for name, size in sizes.items():
        path = MEASURE_FOLDER / name
        if path.parent != MEASURE_FOLDER:
            path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.pread(code, size, start))
        start += size
    os.chdir(MEASURE_FOLDER)
    sys.path.insert(0, str(MEASURE_FOLDER))
    sys.dont_write_bytecode = True


def _start_no_process(_process: object) -> None:
    """Refuse with a clear message; not for protection, but because pools would hang on what the filter refuses."""
    raise PermissionError("a measure may not start processes; use threads (and num_workers=0 in a DataLoader)")


def _seed(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002  (participants use the global generator)
    if _HAS_ACCELERATOR:
        torch.manual_seed(seed)
    else:
        torch.default_generator.manual_seed(seed)


def _describe(error: BaseException) -> dict[str, object]:
    """Return the exception's class, the innermost file and line of the measure's own, and the message."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename.startswith(f"{MEASURE_FOLDER}/")]
    described: dict[str, object] = {"class": type(error).__name__[:NAME_CHARACTERS]}
    place = None
    if own:
        place = own[-1].filename, own[-1].lineno
    elif isinstance(error, SyntaxError) and error.filename:
        place = error.filename, error.lineno
    if place is not None:
        described["file"] = place[0].removeprefix(f"{MEASURE_FOLDER}/")[:NAME_CHARACTERS]
        described["line"] = place[1]
    try:
        described["message"] = str(error)[:MESSAGE_CHARACTERS]
    except BaseException:  # noqa: BLE001  (a measure's own exception may refuse to be printed)
        described["message"] = ""
    return described


def _send_report(report: int, content: dict[str, object]) -> None:
    """Encode a report as JSON, and cut its message where escaping has made it longer than is read."""
    message = str(content.get("message", ""))
    encoded = b""
    for length in (MESSAGE_CHARACTERS, MESSAGE_CHARACTERS // 5, 0):
        encoded = json.dumps(content | {"message": message[:length]}, ensure_ascii=False).encode(errors="replace")
        if len(encoded) <= REPORT_BYTES:
            break
    try:
        _write(report, encoded[:REPORT_BYTES])
    except OSError:
        return  # the measure closed it: then it has nothing to tell its author
