"""Decides what a measure's author is shown of a failure, which the failed process itself has described.

A measure on a hidden zoo could encode what it saw there in an exception's name, a line number or a shape. Where a phase
shows no logs, only words that could come from an honest failure are shown: names in the upload or in the libraries,
files of the upload, line numbers within them. Called by the evaluator and `gengap evaluate`.
"""

import builtins
import re
from collections.abc import Mapping
from dataclasses import dataclass

from submissions.storage.states import Reason
from worker.sandbox.protocol import Failure

OWN_EXCEPTION = "an exception"
OWN_TYPE = "something else"
_BUILTINS = frozenset(name for name, value in vars(builtins).items() if isinstance(value, type)) | {"NoneType"}
_OF_LIBRARIES = frozenset(
    {
        "ArpackError",
        "ArpackNoConvergence",
        "ConvergenceWarning",
        "DataConversionWarning",
        "DTypePromotionError",
        "JSONDecodeError",
        "LinAlgError",
        "LinAlgWarning",
        "NotFittedError",
        "OutOfMemoryError",
        "QhullError",
        "UFuncTypeError",
        "_ArrayMemoryError",
        "_LinAlgError",
        "_UFuncNoLoopError",
        "error",
        "Parameter",
        "Tensor",
        "ndarray",
    }
)
_JUDGED_OUTSIDE = (Reason.TIME_LIMIT, Reason.CRASHED, Reason.OUTPUT_FLOOD, Reason.PROTOCOL)
_OURS = re.compile(r"|more than \d+ MiB|returned (?:nan|-?inf|a number too large for a float64)")
_INEXACT = "a whole number beyond 2^53 that float64 cannot hold"  # as in worker.harness.participant
_SHAPED = re.compile(r"(?:a tensor|an array) of shape \((\d{1,6}(?:, ?\d{1,6}){0,3},?)?\) and type [a-z0-9.]{1,20}")


@dataclass(frozen=True)
class Told:
    """What is shown: one line; where logs are shown, also the exception's text and the end of the log."""

    detail: str
    message: str | None
    log: str | None


def tell(failure: Failure, files: Mapping[str, bytes], *, shows_logs: bool) -> Told:
    """Return what the author of `files` is shown of the failure."""
    if shows_logs:
        return Told(failure.detail, failure.message, failure.log)
    return Told(_cautious(failure, files), None, None)


def describe(failure: Failure) -> str:
    """Describe a failure with everything that is known, for somebody who runs the measure on their own machine."""
    parts = [failure.detail]
    if failure.message:
        parts[0] += f": {failure.message}"
    if failure.log:
        parts.append(f"It printed:\n{failure.log}")
    return "\n".join(parts)


def _cautious(failure: Failure, files: Mapping[str, bytes]) -> str:
    if failure.reason in _JUDGED_OUTSIDE or _OURS.fullmatch(failure.detail):
        return failure.detail
    if failure.reason is Reason.NOT_A_NUMBER and failure.detail.startswith("returned "):
        return _returned(failure.detail, files)
    return _exception_at(failure, files)


def _exception_at(failure: Failure, files: Mapping[str, bytes]) -> str:
    claimed = failure.detail.partition(" at ")[0]
    name = claimed if _is_known(claimed, files) else OWN_EXCEPTION
    if failure.file is None or failure.line is None or failure.file not in files:
        return name
    has_line = 1 <= failure.line <= files[failure.file].count(b"\n") + 1
    return f"{name} at {failure.file} line {failure.line}" if has_line else f"{name} at {failure.file}"


def _returned(detail: str, files: Mapping[str, bytes]) -> str:
    what = detail.removeprefix("returned ")
    if what == _INEXACT or _SHAPED.fullmatch(what) or _is_known(what.removeprefix("a "), files):
        return detail
    return f"returned {OWN_TYPE}"


def _is_known(name: str, files: Mapping[str, bytes]) -> bool:
    if name in _BUILTINS or name in _OF_LIBRARIES:
        return True
    if not name.isidentifier():
        return False
    word = re.compile(rf"\b{re.escape(name)}\b".encode())
    return any(word.search(content) for path, content in files.items() if path.endswith(".py"))
