"""Describes a failure to somebody who runs a measure on their own machine; `gengap evaluate` and its sisters use it.

What a server tells of a failure is decided in `submissions.evaluation.failure_disclosure`.
"""

from worker.sandbox.protocol import Failure


def describe(failure: Failure) -> str:
    """Describe a failure with everything that is known."""
    parts = [failure.detail]
    if failure.message:
        parts[0] += f": {failure.message}"
    if failure.log:
        parts.append(f"It printed:\n{failure.log}")
    return "\n".join(parts)
