"""The states of a submission and an evaluation, and the table of allowed transitions.

Pure: `submissions.evaluation.outcomes` looks up what an event does and writes the result with compare-and-set.
"""

from enum import StrEnum


class State(StrEnum):
    """The state of a submission or an evaluation."""

    QUEUED = "queued"
    RUNNING = "running"
    SCORED = "scored"
    FAILED = "failed"
    CANCELLED = "cancelled"
    BROKEN = "broken"

    @property
    def is_final(self) -> bool:
        """Whether the state is an end: only a new attempt leaves it."""
        return self not in OPEN


OPEN = (State.QUEUED, State.RUNNING)
UNFINISHED = ("pending", "paused", "claimed")  # states of a run that has no value and may still get one


class Event(StrEnum):
    """What can happen to a submission or an evaluation."""

    CLAIMED = "claimed"
    SCORED = "scored"
    MEASURE_FAILED = "measure_failed"
    USER_CANCELLED = "user_cancelled"
    GAVE_UP = "gave_up"
    RERUN = "rerun"
    ZOOS_CHANGED = "zoos_changed"


class Reason(StrEnum):
    """Why a measure failed. `SENTENCES` has a sentence for participants for each."""

    TIME_LIMIT = "time_limit"
    MEMORY_LIMIT = "memory_limit"
    NOT_FINITE = "not_finite"
    NOT_A_NUMBER = "not_a_number"
    RAISED = "raised"
    CRASHED = "crashed"
    IMPORT_ERROR = "import_error"
    OUTPUT_FLOOD = "output_flood"
    PROTOCOL = "protocol"
    MISSING_FUNCTION = "missing_function"


SENTENCES: dict[Reason, str] = {
    Reason.TIME_LIMIT: "The measure ran longer than the time limit.",
    Reason.MEMORY_LIMIT: "The measure used more memory than the limit for one network.",
    Reason.NOT_FINITE: "The measure returned nan or an infinity.",
    Reason.NOT_A_NUMBER: "The measure returned something that is not a real number.",
    Reason.RAISED: "The measure raised an exception.",
    Reason.CRASHED: "The measure's process ended without a value (a crash, or an exit).",
    Reason.IMPORT_ERROR: "The measure could not be imported.",
    Reason.OUTPUT_FLOOD: "The measure printed more than the log limit.",
    Reason.PROTOCOL: "The measure's process sent something that is not one value.",
    Reason.MISSING_FUNCTION: "The upload defines no function complexity(model, dataset).",
}

_NEXT: dict[Event, tuple[tuple[State, ...], State]] = {
    Event.CLAIMED: ((State.QUEUED,), State.RUNNING),
    Event.SCORED: (OPEN, State.SCORED),
    Event.MEASURE_FAILED: (OPEN, State.FAILED),
    Event.USER_CANCELLED: (OPEN, State.CANCELLED),
    Event.GAVE_UP: (OPEN, State.BROKEN),
    Event.RERUN: ((State.SCORED, State.FAILED, State.BROKEN), State.QUEUED),
    Event.ZOOS_CHANGED: ((*OPEN, State.SCORED, State.FAILED, State.BROKEN), State.QUEUED),
}


def next_state(state: State, event: Event) -> State | None:
    """Return the state after `event`, or None if the event has no effect because it is late or repeated."""
    sources, target = _NEXT[event]
    return target if state in sources else None


def sources(event: Event) -> tuple[State, ...]:
    """Return the states that `event` can leave: the "compare" part of a compare-and-set."""
    return _NEXT[event][0]
