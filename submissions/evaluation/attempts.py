"""The work of an attempt: its evaluations, with a pending run for each of their networks.

Called by `submissions.evaluation.outcomes` in its transactions. `submissions.evaluation.queue` decides which runs may
be claimed.
"""

import random
import secrets
from collections.abc import Sequence

from sqlalchemy import ColumnElement, insert, select, update
from sqlalchemy.orm import Session

from model_zoo import ZooError
from submissions.evaluation.smoke_run import smoke_networks, smoke_zoo
from submissions.storage.queries import enters_score
from submissions.storage.records import EvaluationRecord, PhaseRecord, Purpose, RunRecord, SubmissionRecord, ZooRecord
from submissions.storage.states import OPEN, State


def add_attempt(session: Session, submission: SubmissionRecord, phase: PhaseRecord) -> None:
    """Add the evaluations of a new attempt: a smoke run, if a zoo is available, and one per zoo of the phase.

    Networks are in a random order. Baselines ship with Gengap and were tested before, so they have no smoke run.

    Raises
    ------
    ZooError
        If a zoo of an older installation has not been copied to the store.
    """
    public = None if submission.is_baseline else smoke_zoo(session, phase, submission.needs)
    if public is not None:
        chosen = smoke_networks(_weight_bytes(public), phase.smoke_networks)
        _add(session, submission, public.id, Purpose.SMOKE, 0, chosen)
    shuffler = random.Random(secrets.randbits(64))  # noqa: S311  (an order, not a secret)
    for position, zoo in enumerate(phase.zoos):
        network_ids = list(_weight_bytes(zoo))
        shuffler.shuffle(network_ids)
        _add(session, submission, zoo.id, Purpose.SCORE, position, network_ids)


def _weight_bytes(zoo: ZooRecord) -> dict[str, int]:
    if zoo.legacy_folder is not None:
        raise ZooError(
            f"The zoo {zoo.name} is not in the store yet: {zoo.legacy_folder} could not be read; see the log."
        )
    return zoo.weight_bytes


def add_repeats(session: Session, submission: SubmissionRecord, count: int) -> None:
    """Add runs that evaluate `count` of the submission's networks again; the choice depends on the submission's id."""
    runs = session.execute(
        select(EvaluationRecord.zoo_id, EvaluationRecord.position, RunRecord.network_id)
        .join(RunRecord, RunRecord.evaluation_id == EvaluationRecord.id)
        .join(SubmissionRecord, enters_score())
        .where(SubmissionRecord.id == submission.id)
        .order_by(EvaluationRecord.position, RunRecord.network_id)
    ).all()
    chooser = random.Random(f"{submission.id}:{submission.attempt}")  # noqa: S311  (nobody gains by foreseeing it)
    chosen: dict[tuple[int, int], list[str]] = {}
    for zoo_id, position, network_id in chooser.sample(runs, min(count, len(runs))):
        chosen.setdefault((zoo_id, position), []).append(network_id)
    for (zoo_id, position), network_ids in chosen.items():
        _add(session, submission, zoo_id, Purpose.REPEAT, position, network_ids)


def drop_open_work(session: Session, submission_id: int) -> None:
    """Remove a submission's open runs from the queue, and mark its open evaluations as cancelled."""
    evaluation_ids = select(EvaluationRecord.id).where(EvaluationRecord.submission_id == submission_id)
    drop_runs(session, RunRecord.evaluation_id.in_(evaluation_ids))
    session.execute(
        update(EvaluationRecord)
        .where(EvaluationRecord.submission_id == submission_id, EvaluationRecord.state.in_(OPEN))
        .values(state=State.CANCELLED)
        .execution_options(synchronize_session=False)
    )


def drop_runs(session: Session, condition: ColumnElement[bool]) -> None:
    """Remove the runs that satisfy the condition from the queue."""
    session.execute(
        update(RunRecord)
        .where(condition, RunRecord.state.in_(("pending", "claimed")))
        .values(state="dropped", lease_owner=None, lease_until=None)
        .execution_options(synchronize_session=False)
    )


def _add(
    session: Session,
    submission: SubmissionRecord,
    zoo_id: int,
    purpose: Purpose,
    position: int,
    network_ids: Sequence[str],
) -> None:
    evaluation = EvaluationRecord(
        zoo_id=zoo_id,
        attempt=submission.attempt,
        purpose=purpose,
        position=position,
        networks=len(network_ids),
        submission=submission,
    )
    session.add(evaluation)
    session.flush()
    runs = [
        {"evaluation_id": evaluation.id, "network_id": network_id, "position": order}
        for order, network_id in enumerate(network_ids)
    ]
    session.execute(insert(RunRecord), runs)


def hold_zoos(session: Session, phase_id: int) -> None:
    """Lock the phase's zoos against changes until the transaction ends (PostgreSQL; SQLite has a single writer)."""
    session.get(PhaseRecord, phase_id, with_for_update={"read": True})
