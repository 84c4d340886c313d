"""What is told of a failure. A measure chooses how it fails, and so could pass on what it saw on a hidden zoo.

On a zoo whose truth is public, as in every smoke run, or in a phase that shows logs, everything is told. Elsewhere it
is the reason alone, with a sentence that we have made: no class, no line, no shape, not which network or zoo it was.
`outcomes` stores what `told` returns, and whatever shows a failure asks again.

Why a submission is broken is one of a few sentences, with the sha256 of the objects concerned (`our_fault_text`). The
full message, which may name folders and hosts, is in the worker's log. Only organizers see the sentence, because a
digest identifies a version of a hidden zoo.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.orm import Session

from submissions.results.disclosure import Reader
from submissions.storage.limits import Limits
from submissions.storage.records import EvaluationRecord, PhaseRecord, SubmissionRecord, TimeRule, ZooRecord
from submissions.storage.states import Reason, State

OUR_FAULT = "The organizers see what went wrong."
_DIGEST = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
_DIGESTS_TOLD = 3


class OurFault(StrEnum):
    """What can fail through no fault of the measure; the values are what organizers read."""

    SANDBOX = "The sandbox of a worker failed"
    ARCHITECTURE = "The zoo's architecture.py failed"
    ZOO = "A file of the zoo could not be read"
    UPLOAD = "The upload could not be read"
    SCORE = "The score could not be computed"
    FILES = "A worker could not read or write a file"


def our_fault_text(fault: OurFault, message: str) -> str:
    """Return what is stored and shown of a fault of ours: of its message only the sha256 digests, never a path."""
    digests = list(dict.fromkeys(_DIGEST.findall(message)))[:_DIGESTS_TOLD]
    objects = f" (sha256 {', '.join(digests)})" if digests else ""
    return f"{fault}{objects}; the log of the workers says more"


@dataclass(frozen=True)
class FailureText:
    """What is said of a failure beside its reason: one line, the exception's text, the end of what was printed."""

    detail: str
    message: str | None = None
    log: str | None = None


def tells_all(phase: PhaseRecord, *, truth_public: bool) -> bool:
    """Whether a measure's author may learn everything about its failures on a zoo."""
    return phase.shows_logs or truth_public


def failure_told(text: FailureText, reason: Reason, phase: PhaseRecord, *, truth_public: bool) -> FailureText:
    """Return what is stored and shown of a failure.

    Parameters
    ----------
    text : FailureText
        What is known of it.
    truth_public : bool
        Of the zoo on which the measure failed.

    Returns
    -------
    FailureText
        On a hidden zoo in a phase without logs a function of `reason` and the phase alone.
    """
    return text if tells_all(phase, truth_public=truth_public) else FailureText(limits_text(reason, phase))


def limits_text(reason: Reason, phase: PhaseRecord) -> str:
    """Return the limits of which a failure with this reason has broken one; empty where it has broken none."""
    limits: Limits = phase.limits
    if reason is Reason.MEMORY_LIMIT:
        return f"more than {limits.memory_bytes / 2**20:.0f} MiB"
    if reason is Reason.OUTPUT_FLOOD:
        return f"more than {limits.log_bytes} bytes of output"
    if reason is not Reason.TIME_LIMIT:
        return ""
    clock = f"longer than {limits.wall_s:g} s"
    if phase.time_rule is TimeRule.POOLED:
        clock += " for each network, counted over all networks of a zoo together (pooled)"
    return clock if limits.cpu_s is None else f"{clock}, or more processor time than {limits.cpu_s:g} s"


def seen_states(evaluations: Sequence[tuple[State, bool]]) -> list[State]:
    """Return the states that a reader may see of the evaluations of one attempt.

    When a measure fails tells how far it was on other zoos, and on which of them it fails is its choice too.

    Parameters
    ----------
    evaluations : sequence of (State, bool)
        The state of each, and whether everything about its zoo is told (`tells_all`).

    Returns
    -------
    list of State
        In the same order.
    """
    failed_on = [is_told for state, is_told in evaluations if state is State.FAILED]
    if not failed_on:
        return [state for state, _ in evaluations]
    instead = State.CANCELLED if all(failed_on) else State.FAILED
    return [state if is_told else instead for state, is_told in evaluations]


def has_failed(submission: SubmissionRecord) -> ColumnElement[bool]:
    """Return the condition that an evaluation of the submission's current attempt has failed."""
    return and_(
        EvaluationRecord.submission_id == submission.id,
        EvaluationRecord.attempt == submission.attempt,
        EvaluationRecord.state == State.FAILED,
    )


def seen_detail(session: Session, submission: SubmissionRecord, reader: Reader) -> str | None:
    """Return the line that goes with a submission's state, for its owners and for organizers.

    Parameters
    ----------
    submission : SubmissionRecord
        With its phase.
    reader : Reader
        Whoever sees everything is told why a submission is broken, others `OUR_FAULT`.
    """
    if submission.state is State.BROKEN and not reader.sees_everything:
        return OUR_FAULT
    if submission.state is not State.FAILED or submission.reason is None:
        return submission.detail
    truth_public = session.scalars(
        select(ZooRecord.truth_public)
        .join(EvaluationRecord, EvaluationRecord.zoo_id == ZooRecord.id)
        .where(has_failed(submission))
    ).first()
    if truth_public is None:
        return submission.detail
    text = FailureText(submission.detail or "")
    return failure_told(text, submission.reason, submission.phase, truth_public=truth_public).detail
