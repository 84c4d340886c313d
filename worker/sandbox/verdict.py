"""Decides the outcome of a run from what the supervisor observed: a pure function of `Evidence`."""

import json
import math
import os
import re
import signal
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from submissions.storage.states import Reason
from worker.sandbox.protocol import Failure, Limits, LineTime, Outcome, Profile, SandboxError, Value, ZooCodeError

FRAME_BYTES = 9
LOADED = b"+"  # in the report once the harness has loaded everything, as in worker.harness.participant
BUILDING = b"a"  # the report's first byte where the zoo's own architecture.py builds the network, as there
BUILD_S = 10.0  # with less time than this granted, a clock that runs out meanwhile does not accuse architecture.py
LOG_TAIL_BYTES = 64 * 1024
TEXT_CHARACTERS = 500
LAST_LINE = 10**6  # no participant's file has more
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_RETURNS = re.compile(r"\r+\n?")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_TAGS = {
    b"n": Reason.NOT_A_NUMBER,
    b"f": Reason.NOT_FINITE,
    b"r": Reason.RAISED,
    b"i": Reason.IMPORT_ERROR,
    b"m": Reason.MISSING_FUNCTION,
}


class Stop(StrEnum):
    """Why the supervisor ended a run before it ended by itself."""

    WALL = "wall"
    CPU = "cpu"
    LOG = "log"
    PROTOCOL = "protocol"
    MEMORY = "memory"
    INTERRUPT = "interrupt"


@dataclass(frozen=True)
class Evidence:
    """Everything that is known of one run.

    Attributes
    ----------
    stopped : Stop or None
        Why the supervisor ended the run; None: it ended by itself.
    frame, report, log : bytes
        What came through the run's three pipes; of the log, the end.
    status : int or None
        The participant's wait status as reported by init; None where init did not report it.
    out_of_memory : bool
        Whether the kernel killed a process because the memory limit was reached.
    wall_s, cpu_s : float
        Seconds by our clock, and processor seconds (None: not known).
    peak_bytes : int or None
        Peak resident memory.
    """

    stopped: Stop | None
    frame: bytes
    report: bytes
    log: bytes
    status: int | None
    out_of_memory: bool
    wall_s: float
    cpu_s: float | None
    peak_bytes: int | None


def judge(evidence: Evidence, limits: Limits) -> Outcome:
    """Decide the outcome of one run.

    Parameters
    ----------
    evidence : Evidence
        What was observed of the run.
    limits : Limits
        Those of the run, for the wording of a failure.

    Returns
    -------
    Value or Failure

    Raises
    ------
    SandboxError
        If the fault is ours; `ZooCodeError` if it is that of the zoo's ``architecture.py``.
    """
    outcome = _outcome(evidence, limits)
    if evidence.report.startswith(BUILDING) and not evidence.report.startswith(BUILDING + LOADED):
        is_short = min(limits.wall_s, limits.cpu_s or math.inf) < BUILD_S
        reason, detail = (outcome.reason, outcome.detail) if isinstance(outcome, Failure) else ("a value", "forged")
        if not (is_short and reason is Reason.TIME_LIMIT):
            raise ZooCodeError(f"the zoo's architecture.py, before the measure began: {reason}, {detail}")
    return outcome


def _outcome(evidence: Evidence, limits: Limits) -> Outcome:
    if evidence.stopped is Stop.INTERRUPT:
        raise SandboxError("the evaluation was interrupted")
    if evidence.stopped is Stop.WALL:
        return _failure(evidence, Reason.TIME_LIMIT, f"longer than {limits.wall_s:g} s")
    if evidence.stopped is Stop.CPU:
        return _failure(evidence, Reason.TIME_LIMIT, _used_up(limits))
    if evidence.stopped is Stop.LOG:
        return _failure(evidence, Reason.OUTPUT_FLOOD, f"more than {limits.log_bytes} bytes of output")
    if evidence.stopped is Stop.PROTOCOL:
        return _failure(evidence, Reason.PROTOCOL, "more than one value")
    if evidence.out_of_memory or evidence.stopped is Stop.MEMORY:
        return _failure(evidence, Reason.MEMORY_LIMIT, f"more than {limits.memory_bytes / 2**20:.0f} MiB")
    if evidence.status is None:
        raise SandboxError("the sandbox's first process ended without a report")
    if os.WIFSIGNALED(evidence.status):
        number = os.WTERMSIG(evidence.status)
        if number == signal.SIGXCPU:
            return _failure(evidence, Reason.TIME_LIMIT, _used_up(limits))
        return _failure(evidence, Reason.CRASHED, f"killed by {_signal_name(number)}")
    if len(evidence.frame) == 0:
        code = os.WEXITSTATUS(evidence.status)
        return _failure(evidence, Reason.CRASHED, f"exit status {code} without a value")
    if len(evidence.frame) != FRAME_BYTES:
        return _failure(evidence, Reason.PROTOCOL, f"{len(evidence.frame)} bytes instead of one value")
    tag, value = struct.unpack("<cd", evidence.frame)
    if tag == b"x" and not evidence.report.removeprefix(BUILDING).startswith(LOADED):
        raise SandboxError(f"the harness could not load the network: {_read_report(evidence)}")
    if tag == b"v":
        if not math.isfinite(value):
            return _failure(evidence, Reason.NOT_FINITE, f"returned {value}")
        log = _tail(evidence.log) or None
        return Value(value, evidence.wall_s, evidence.cpu_s, evidence.peak_bytes, log, _profile(_read_report(evidence)))
    if tag not in _TAGS:
        return _failure(evidence, Reason.PROTOCOL, "an unknown answer")
    reason = _TAGS[tag]
    if reason is Reason.RAISED and _read_report(evidence).get("class") == "MemoryError":
        reason = Reason.MEMORY_LIMIT
    return _failure(evidence, reason, "")


def _failure(evidence: Evidence, reason: Reason, detail: str) -> Failure:
    report = _read_report(evidence)
    file, line = report.get("file"), report.get("line")
    name, message = report.get("class"), report.get("message")
    has_place = isinstance(file, str) and type(line) is int and 0 < line <= LAST_LINE
    if reason in (Reason.RAISED, Reason.IMPORT_ERROR) or (not detail and isinstance(name, str)):
        detail = clean(str(name or "an exception"))
        if has_place:
            detail += f" at {clean(str(file))} line {line}"
    elif reason is Reason.NOT_A_NUMBER and isinstance(message, str):
        detail = f"returned {clean(message)}"
        message = None
    elif reason is Reason.NOT_FINITE and not detail:
        detail = "returned a number too large for a float64"
    return Failure(
        reason=reason,
        detail=detail,
        file=clean(str(file)) if has_place else None,
        line=line if has_place and isinstance(line, int) else None,
        message=clean(message) if isinstance(message, str) and message else None,
        log=_tail(evidence.log) or None,
        wall_s=evidence.wall_s,
        cpu_s=evidence.cpu_s,
        peak_bytes=evidence.peak_bytes,
    )


def _used_up(limits: Limits) -> str:
    return f"more processor time than {limits.cpu_s:g} s" if limits.cpu_s else "more processor time than the limit"


def _tail(log: bytes) -> str:
    """Return the end of the printed output, cleaned; at most LOG_TAIL_BYTES as UTF-8, whatever the bytes were."""
    text = clean(log[-LOG_TAIL_BYTES:].decode(errors="replace"), limit=LOG_TAIL_BYTES)
    return text.encode()[-LOG_TAIL_BYTES:].decode(errors="ignore").lstrip()


def _read_report(evidence: Evidence) -> dict[str, object]:
    """Parse the report of the participant's process. It is untrusted: whatever is no JSON object is ignored."""
    try:
        report = json.loads(evidence.report.removeprefix(BUILDING).removeprefix(LOADED))
    except (ValueError, RecursionError):
        return {}
    return report if isinstance(report, dict) else {}


def _profile(report: Mapping[str, object]) -> Profile | None:
    """Read a profile. It passed through the measure's process: what does not look like one is none."""
    content = report.get("profile")
    if not isinstance(content, dict):
        return None
    try:
        lines = tuple(LineTime(clean(str(file)), int(line), float(seconds)) for file, line, seconds in content["lines"])
        load_s, import_s, measure_s, forward_s = (
            float(content[name]) for name in ("load_s", "import_s", "measure_s", "forward_s")
        )
        profile = Profile(load_s, import_s, measure_s, forward_s, int(content["forward_passes"]), lines)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    numbers = (profile.load_s, profile.import_s, profile.measure_s, profile.forward_s, *(one.seconds for one in lines))
    return profile if all(map(math.isfinite, numbers)) else None


def clean(text: str, limit: int = TEXT_CHARACTERS) -> str:
    """Make untrusted text safe for a terminal, for plain text in a page and for a database.

    Removes terminal escapes, control characters and unpaired surrogates. A carriage return, with which progress bars
    overwrite themselves, becomes a new line.

    Parameters
    ----------
    text : str
        Anything, unpaired surrogates included.
    limit : int
        The most characters that are kept.

    Returns
    -------
    str
        Without white space at both ends.
    """
    text = _ESCAPES.sub("", text.encode(errors="replace").decode())
    return _CONTROLS.sub("", _RETURNS.sub("\n", text)).strip()[:limit].rstrip()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
