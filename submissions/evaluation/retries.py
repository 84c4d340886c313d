"""When a run that ended through no fault of the measure is offered again, and when its submission is given up.

Two things are counted apart:

- a *try*: a worker noticed a fault of ours, such as a missing file or a sandbox that does not start. Other workers may
  take the run at once. One that has failed it waits, each time as long as the run has been failing, within bounds.
- a *loss*: a worker ended or fell silent while it evaluated the run. Stops in good order are none.

`submissions.evaluation.queue` calls this. What a measure itself causes is a verdict of the sandbox, and comes to
`submissions.evaluation.outcomes`.
"""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, or_

from submissions.storage.records import RunRecord

LEAST_PAUSE, LONGEST_PAUSE = timedelta(seconds=10), timedelta(minutes=15)
MAX_TRIES = 5
PATIENCE = timedelta(hours=1)  # this long a run must have been failing before its submission is given up
FREE_LOSSES = 2  # without a pause: a deploy kills workers, and the measure has nothing to do with it
LOSS_PAUSE = timedelta(minutes=1)  # after the next loss; then twice as long each time
MAX_LOSSES = 10  # with these pauses, more than an hour
_NAMES_KEPT = 20


def worker_of(owner: str) -> str:
    """Return the name of the worker process in a lease's owner, which is the name, a slash and something random."""
    return owner.rpartition("/")[0] or owner


def is_due(worker: str, now: datetime) -> ColumnElement[bool]:
    """Return the condition that a pending run is not kept from this worker by a pause.

    Parameters
    ----------
    worker : str
        Name of the worker; empty for any that has not failed the run.
    """
    has_not_failed = ~RunRecord.failed_on.contains(f"|{worker}|", autoescape=True)
    return or_(RunRecord.not_before.is_(None), RunRecord.not_before <= now, has_not_failed)


def note_try(run: RunRecord, now: datetime) -> bool:
    """Note that its owner failed the run through a fault of ours; return whether to give up."""
    assert run.lease_owner is not None
    worker = worker_of(run.lease_owner)
    run.tries += 1
    run.failing_since = run.failing_since or now
    run.failed_on = _with_name(run.failed_on, worker)
    has_lasted = now - run.failing_since
    run.not_before = now + min(max(has_lasted, LEAST_PAUSE), LONGEST_PAUSE)
    return run.tries >= MAX_TRIES and has_lasted >= PATIENCE


def note_loss(run: RunRecord, now: datetime) -> bool:
    """Note that its owner was lost while it evaluated the run; return whether to give up."""
    run.losses += 1
    if (pauses := run.losses - FREE_LOSSES) > 0:
        run.not_before = now + min(LOSS_PAUSE * 2 ** (pauses - 1), LONGEST_PAUSE)
        run.failed_on = None  # every worker waits
    return run.losses >= MAX_LOSSES


def _with_name(names: str | None, worker: str) -> str:
    others = [name for name in (names or "").split("|") if name not in ("", worker)]
    return f"|{'|'.join([*others, worker][-_NAMES_KEPT:])}|"
