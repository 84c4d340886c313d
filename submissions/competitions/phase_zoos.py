"""The zoos of a phase: organizers attach, detach and replace them. Called by pages and commands.

All submissions of a phase must be scored on the same zoos. After a change, every submission that was not cancelled is
therefore evaluated again, as a new attempt. The change and its audit entry are one transaction, each new attempt
another; `rerun_outdated` completes the work after a crash in between.
"""

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from submissions.competitions.competitions import CompetitionError, usable_zoo
from submissions.competitions.exposure import require_confirmation
from submissions.competitions.shared_zoos import exposed_by_use
from submissions.evaluation import outcomes
from submissions.leaderboard import standings
from submissions.storage.audit import record_act
from submissions.storage.board_version import next_version
from submissions.storage.database import Database
from submissions.storage.queries import count, enters_score
from submissions.storage.records import (
    ActRecord,
    EvaluationRecord,
    PhaseRecord,
    PhaseZooRecord,
    SubmissionRecord,
    ZooRecord,
)
from submissions.storage.states import State
from submissions.zoos import tracks

ATTACHED, DETACHED, REPLACED = "attached", "detached", "replaced"
_RUNS_AGAIN = SubmissionRecord.state != State.CANCELLED


def attach_zoo(db: Database, phase_id: int, zoo_id: int, user_id: int | None, *, confirmed: bool = False) -> int:
    """Add a ready zoo to the end of a phase's zoos.

    Parameters
    ----------
    user_id : int or None
        The organizer; None for the command line.
    confirmed : bool, optional
        Whether the organizer has confirmed what becomes visible of the zoo.

    Returns
    -------
    int
        The number of submissions that are evaluated again.

    Raises
    ------
    CompetitionError
        If the zoo is not ready, lacks the phase's target or something that a submission needs, or if the phase uses
        a version of it already.
    UnconfirmedError
        If something becomes visible of a zoo whose truth is secret, and this is not confirmed.
    """
    with db.write() as session:
        phase = _locked(session, phase_id)
        zoo = usable_zoo(session, zoo_id, phase.target)
        _refuse_twice(phase, zoo, [link.zoo for link in phase.zoo_links])
        _refuse_without(session, phase, zoo)
        require_confirmation(exposed_by_use(session, zoo, vars(phase), phase_id), confirmed=confirmed)
        position = max((link.position for link in phase.zoo_links), default=-1) + 1
        phase.zoo_links.append(PhaseZooRecord(position=position, zoo=zoo))
        record_act(session, ATTACHED, user_id=user_id, zoo_id=zoo_id, phase_id=phase_id)
        next_version(session, phase_id)
    return rerun_outdated(db, phase_id)


def detach_zoo(db: Database, phase_id: int, zoo_id: int, user_id: int | None) -> int:
    """Remove a zoo from the phase. Nothing becomes visible by it: results on a hidden zoo stay in steps.

    Parameters
    ----------
    user_id : int or None
        The organizer; None for the command line.

    Returns
    -------
    int
        The number of submissions that are evaluated again.

    Raises
    ------
    CompetitionError
        If the phase does not use the zoo, or uses no other.
    """
    with db.write() as session:
        phase = _locked(session, phase_id)
        link = _link(phase, zoo_id)
        if len(phase.zoo_links) == 1:
            raise CompetitionError("a phase needs at least one zoo; attach another before, or replace this one")
        session.delete(link)
        if phase.smoke_zoo_id == zoo_id:
            phase.smoke_zoo_id = None
        record_act(session, DETACHED, user_id=user_id, zoo_id=zoo_id, phase_id=phase_id)
        next_version(session, phase_id)
    return rerun_outdated(db, phase_id)


def replace_zoo(
    db: Database, phase_id: int, old_zoo_id: int, new_zoo_id: int, user_id: int | None, *, confirmed: bool = False
) -> int:
    """Replace a zoo of the phase with another version of it; the old values stay on record with their attempt.

    Parameters
    ----------
    user_id : int or None
        The organizer; None for the command line.

    Returns
    -------
    int
        The number of submissions that are evaluated again.

    Raises
    ------
    CompetitionError
        If the phase does not use the old zoo, or the new one is another zoo, is not ready or lacks something that a
        submission needs.
    UnconfirmedError
        If something becomes visible of a zoo whose truth is secret, and this is not confirmed.
    """
    with db.write() as session:
        phase = _locked(session, phase_id)
        link = _link(phase, old_zoo_id)
        new = usable_zoo(session, new_zoo_id, phase.target)
        if new_zoo_id == old_zoo_id:
            raise CompetitionError(f"the phase {phase.slug} uses the zoo {new.label} already")
        if new.name != link.zoo.name:
            raise CompetitionError(
                f"{new.label} is another zoo than {link.zoo.label}, not another version of it; attach the one and "
                "detach the other"
            )
        _refuse_without(session, phase, new)
        require_confirmation(exposed_by_use(session, new, vars(phase), phase_id), confirmed=confirmed)
        old_label, position = link.zoo.label, link.position
        session.delete(link)
        session.flush()
        session.add(PhaseZooRecord(position=position, zoo=new, phase=phase))
        if phase.smoke_zoo_id == old_zoo_id:
            phase.smoke_zoo_id = new_zoo_id if new.truth_public else None
        for zoo_id, detail in ((old_zoo_id, f"by {new.label}"), (new_zoo_id, f"{old_label} by this")):
            record_act(session, REPLACED, user_id=user_id, zoo_id=zoo_id, phase_id=phase_id, detail=detail)
        next_version(session, phase_id)
    return rerun_outdated(db, phase_id)


def submissions_affected(session: Session, phase_id: int) -> int:
    """Return how many submissions would be evaluated again if the phase's zoos were changed now."""
    return count(session, SubmissionRecord, _RUNS_AGAIN, SubmissionRecord.phase_id == phase_id)


def rerun_outdated(db: Database, phase_id: int | None = None) -> int:
    """Start a new attempt of every submission whose attempt does not match its phase's zoos.

    Parameters
    ----------
    phase_id : int or None, optional
        None checks all phases whose zoos have ever changed, as a worker does at its start.

    Returns
    -------
    int
        The number of new attempts.
    """
    with db.read() as session:
        late = outdated(session, phase_id)
    restarted = sum(outcomes.restart(db, submission_id) for submission_id in late)
    for changed_id in sorted(set(late.values())):
        with db.write() as session:  # the last score on a zoo with secret truth may be gone: now no steps are needed
            standings.rebuild(session, changed_id)
    return restarted


def outdated(session: Session, phase_id: int | None) -> dict[int, int]:
    """Return the submissions whose evaluations are not those of their phase's zoos, each with its phase.

    They are to be evaluated again. None: of all phases whose zoos have ever changed.
    """
    was_changed = exists().where(
        ActRecord.phase_id == SubmissionRecord.phase_id, ActRecord.act.in_((ATTACHED, DETACHED, REPLACED))
    )
    chosen = was_changed if phase_id is None else SubmissionRecord.phase_id == phase_id
    used: dict[int, set[int]] = {}
    for phase, zoo in session.execute(select(PhaseZooRecord.phase_id, PhaseZooRecord.zoo_id)):
        used.setdefault(phase, set()).add(zoo)
    phases: dict[int, int] = {}
    evaluated: dict[int, set[int]] = {}
    rows = session.execute(
        select(SubmissionRecord.id, SubmissionRecord.phase_id, EvaluationRecord.zoo_id)
        .join(EvaluationRecord, enters_score())
        .where(chosen, _RUNS_AGAIN)
        .order_by(SubmissionRecord.id)
    )
    for submission, phase, zoo in rows:
        phases[submission] = phase
        evaluated.setdefault(submission, set()).add(zoo)
    return {one: phases[one] for one, zoos in evaluated.items() if zoos != used.get(phases[one], set())}


def _locked(session: Session, phase_id: int) -> PhaseRecord:
    """Return the phase, locked: a submission that arrives meanwhile waits and then uses the new zoos."""
    phase = session.get(PhaseRecord, phase_id, with_for_update=True)
    if phase is None:
        raise CompetitionError(f"there is no phase with id {phase_id}")
    return phase


def _link(phase: PhaseRecord, zoo_id: int) -> PhaseZooRecord:
    for link in phase.zoo_links:
        if link.zoo_id == zoo_id:
            return link
    raise CompetitionError(f"the phase {phase.slug} does not use the zoo with id {zoo_id}")


def _refuse_without(session: Session, phase: PhaseRecord, zoo: ZooRecord) -> None:
    """Check that the zoo offers what every submission of the phase needs."""
    of_phase = select(SubmissionRecord.needs).where(_RUNS_AGAIN, SubmissionRecord.phase_id == phase.id)
    needs = session.scalars(of_phase).all()
    lacking = {need for each in needs for need in tracks.missing(each, zoo.offers)}
    if lacking:
        affected = sum(bool(tracks.missing(each, zoo.offers)) for each in needs)
        raise CompetitionError(
            f"{affected} submissions of the phase {phase.slug} need {tracks.in_words(sorted(lacking))}, which the zoo "
            f"{zoo.label} does not offer; use a zoo that does, or open another phase"
        )


def _refuse_twice(phase: PhaseRecord, zoo: ZooRecord, others: list[ZooRecord]) -> None:
    for other in others:
        if other.name == zoo.name:
            raise CompetitionError(
                f"the phase {phase.slug} uses {other.label} already; replace that version instead of adding another"
            )
