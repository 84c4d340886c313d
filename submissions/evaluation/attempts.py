"""The work of an attempt: its evaluations, and the runs of their networks, which become rows in parts.

Called by `submissions.evaluation.outcomes` and `submissions.evaluation.queue` in their transactions.
"""

import hashlib
import random
import secrets
from collections.abc import Iterable, Sequence

from sqlalchemy import ColumnElement, delete, insert, select, update
from sqlalchemy.orm import Session

from model_zoo import ZooError
from submissions.evaluation import fair_share
from submissions.evaluation.smoke_run import smoke_networks, smoke_zoo
from submissions.storage.queries import count, enters_score
from submissions.storage.records import (
    EvaluationRecord,
    PhaseRecord,
    Purpose,
    RunRecord,
    SubmissionRecord,
    ValueRecord,
    ZooRecord,
)
from submissions.storage.states import OPEN, UNFINISHED, State

RUNS_AT_ONCE = 64  # rows that are inserted together: a zoo of 10,000 networks has no more of them than it needs


def add_attempt(session: Session, submission: SubmissionRecord, phase: PhaseRecord) -> None:
    """Add the evaluations of a new attempt: a smoke run, if a zoo is available, and one per zoo of the phase.

    Networks are in a random order. Baselines ship with Gengap and were tested before, so they have no smoke run. The
    scored networks may be claimed once the smoke run has passed, if there is one.

    Raises
    ------
    ZooError
        If a zoo of an older installation has not been copied to the store.
    """
    public = None if submission.is_baseline else smoke_zoo(session, phase, submission.needs)
    if public is not None:
        chosen = smoke_networks(_weight_bytes(public), phase.smoke_networks)
        _add(session, submission, public.id, Purpose.SMOKE, 0, chosen)
    for position, zoo in enumerate(phase.zoos):
        networks = len(_weight_bytes(zoo))
        _add(session, submission, zoo.id, Purpose.SCORE, position, networks, is_open=public is None)


def _weight_bytes(zoo: ZooRecord) -> dict[str, int]:
    if zoo.legacy_folder is not None:
        raise ZooError(
            f"The zoo {zoo.name} is not in the store yet: {zoo.legacy_folder} could not be read; see the log."
        )
    return zoo.weight_bytes


def add_repeats(session: Session, submission: SubmissionRecord, number: int) -> None:
    """Add runs that evaluate some of the submission's networks again; the choice depends on the submission's id."""
    if number == 0:
        return
    values = session.execute(
        select(EvaluationRecord.zoo_id, EvaluationRecord.position, ValueRecord.network_id)
        .join(ValueRecord, ValueRecord.evaluation_id == EvaluationRecord.id)
        .join(SubmissionRecord, enters_score())
        .where(SubmissionRecord.id == submission.id)
        .order_by(EvaluationRecord.position, ValueRecord.network_id)
    ).all()
    chooser = random.Random(f"{submission.id}:{submission.attempt}")  # noqa: S311  (nobody gains by foreseeing it)
    chosen: dict[tuple[int, int], list[str]] = {}
    for zoo_id, position, network_id in chooser.sample(values, min(number, len(values))):
        chosen.setdefault((zoo_id, position), []).append(network_id)
    for (zoo_id, position), network_ids in chosen.items():
        _add(session, submission, zoo_id, Purpose.REPEAT, position, network_ids)


def open_scored(session: Session, submission_id: int, attempt: int) -> None:
    """Let the scored networks of an attempt be claimed, because its smoke run has passed."""
    evaluations = session.scalars(
        select(EvaluationRecord)
        .where(
            EvaluationRecord.submission_id == submission_id,
            EvaluationRecord.attempt == attempt,
            EvaluationRecord.purpose == Purpose.SCORE,
            EvaluationRecord.state.in_(OPEN),
        )
        .order_by(EvaluationRecord.position)
    )
    for evaluation in evaluations:
        of_evaluation = RunRecord.evaluation_id == evaluation.id
        waiting = count(session, RunRecord, of_evaluation, RunRecord.state == "pending")  # of an older release
        fair_share.add(session, evaluation.id, waiting + evaluation.networks - evaluation.next_position)


def add_runs(session: Session, evaluation: EvaluationRecord) -> None:
    """Insert the next runs of an evaluation, as pending."""
    order = evaluation.network_ids
    if order is None:
        order = network_order(_weight_bytes(evaluation.zoo), evaluation.order_seed or 0)
    end = min(evaluation.next_position + RUNS_AT_ONCE, evaluation.networks)
    runs = [
        {"evaluation_id": evaluation.id, "network_id": order[position], "position": position}
        for position in range(evaluation.next_position, end)
    ]
    session.execute(insert(RunRecord).returning(RunRecord.id), runs)  # one statement, by what it returns
    evaluation.next_position = end


def network_order(network_ids: Iterable[str], seed: int) -> list[str]:
    """Return the ids in an order that depends on the seed alone, with every version of Python."""
    return sorted(network_ids, key=lambda network_id: hashlib.sha256(f"{seed}:{network_id}".encode()).digest())


def drop_open_work(session: Session, submission_id: int) -> None:
    """Remove a submission's open runs from the queue, and mark its open evaluations as cancelled."""
    drop_runs(session, EvaluationRecord.submission_id == submission_id)
    session.execute(
        update(EvaluationRecord)
        .where(EvaluationRecord.submission_id == submission_id, EvaluationRecord.state.in_(OPEN))
        .values(state=State.CANCELLED)
        .execution_options(synchronize_session=False)
    )


def drop_runs(session: Session, of_evaluations: ColumnElement[bool]) -> None:
    """Remove the runs of these evaluations from the queue."""
    evaluation_ids = select(EvaluationRecord.id).where(of_evaluations)
    session.execute(
        delete(RunRecord)
        .where(RunRecord.evaluation_id.in_(evaluation_ids), RunRecord.state.in_(UNFINISHED))
        .execution_options(synchronize_session=False)
    )
    fair_share.remove(session, of_evaluations)


def _add(
    session: Session,
    submission: SubmissionRecord,
    zoo_id: int,
    purpose: Purpose,
    position: int,
    networks: Sequence[str] | int,
    *,
    is_open: bool = True,
) -> None:
    """Add an evaluation of these networks, or of so many: all of the zoo in a random order."""
    chosen = None if isinstance(networks, int) else list(networks)
    evaluation = EvaluationRecord(
        zoo_id=zoo_id,
        attempt=submission.attempt,
        purpose=purpose,
        position=position,
        networks=networks if isinstance(networks, int) else len(networks),
        network_ids=chosen,
        order_seed=secrets.randbits(63) if chosen is None else None,
        share_id=fair_share.share_of(session, submission, purpose),
        submission=submission,
    )
    session.add(evaluation)
    session.flush()
    if is_open:
        fair_share.add(session, evaluation.id, evaluation.networks)


def hold_zoos(session: Session, phase_id: int) -> None:
    """Lock the phase's zoos against changes until the transaction ends (PostgreSQL; SQLite has a single writer)."""
    session.get(PhaseRecord, phase_id, with_for_update={"read": True})
