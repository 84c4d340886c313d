"""Submitting a measure: checks against the phase, and the transaction that queues it with all its runs."""

from datetime import datetime

from sqlalchemy.orm import Session

from submissions.evaluation.attempts import add_attempt, hold_zoos
from submissions.intake.bundle import Bundle
from submissions.intake.bundle_store import BundleStore
from submissions.intake.details import alias_refusal
from submissions.intake.quota import refusal
from submissions.leaderboard.entrants import hold_entrant
from submissions.storage.database import Database
from submissions.storage.records import PhaseRecord, SubmissionRecord, utc_now
from submissions.zoos import tracks


class SubmissionRefused(Exception):  # noqa: N818  (a refusal is an answer, not a malfunction)
    """The phase does not accept this submission; the message is a sentence for the participant."""


def submit(
    db: Database,
    store: BundleStore,
    *,
    phase_id: int,
    user_id: int,
    name: str,
    bundle: Bundle,
    description: str = "",
    link: str = "",
    alias: str | None = None,
    parent_id: int | None = None,
    is_baseline: bool = False,
    verified_mail_needed: bool = False,
    now: datetime | None = None,
) -> int:
    """Queue a measure: the submission, its evaluations and their pending runs, in one transaction.

    The bundle's bytes are stored first: a crash in between leaves an unused file, never a submission without its code.

    Parameters
    ----------
    name, description, link, alias : str
        as checked by `submissions.intake.details`.
    parent_id : int or None, optional
        the submission that this one resubmits.
    verified_mail_needed : bool, optional
        whether participants need a verified address.

    Returns
    -------
    int
        The id of the submission.

    Raises
    ------
    SubmissionRefused
        Because of dates, quota, an unverified address, needs that the zoos do not offer, or an alias that is
        somebody's name.
    """
    moment = now or utc_now()
    with db.read() as session:  # refuse before anything is stored
        _refuse(session, phase_id, user_id, moment, bundle, alias, is_baseline, verified_mail_needed)
    store.put(bundle.content)
    with db.write() as session:
        entrant, team_id = _hold_entrant(session, phase_id, user_id)
        hold_zoos(session, phase_id)
        phase = _refuse(session, phase_id, user_id, moment, bundle, alias, is_baseline, verified_mail_needed)
        submission = SubmissionRecord(
            phase_id=phase_id,
            user_id=user_id,
            name=name,
            entrant=_baseline(bundle) if is_baseline else entrant,
            team_id=None if is_baseline else team_id,
            filename=bundle.filename,
            bundle_sha256=bundle.sha256,
            description=description,
            link=link,
            alias=alias,
            parent_id=parent_id,
            track=bundle.track,
            needs=list(bundle.needs),
            is_baseline=is_baseline,
            created_at=moment,
        )
        session.add(submission)
        add_attempt(session, submission, phase)
        session.flush()
        return submission.id


def _hold_entrant(session: Session, phase_id: int, user_id: int) -> tuple[str, int | None]:
    """Return the entrant of the submission, locked: two simultaneous uploads of a team must not use the same quota."""
    phase = session.get(PhaseRecord, phase_id)
    if phase is None:
        raise SubmissionRefused("This phase does not exist.")
    return hold_entrant(session, phase.competition_id, user_id)


def _baseline(bundle: Bundle) -> str:
    """Return the entrant of a baseline: every baseline is an entrant of its own."""
    return f"b{bundle.sha256[:20]}"


def _refuse(
    session: Session,
    phase_id: int,
    user_id: int,
    now: datetime,
    bundle: Bundle,
    alias: str | None,
    is_baseline: bool,
    verified_mail_needed: bool,
) -> PhaseRecord:
    phase = session.get(PhaseRecord, phase_id)
    if phase is None:
        raise SubmissionRefused("This phase does not exist.")
    why = None
    if not is_baseline:
        why = refusal(session, phase, user_id, now, verified_mail_needed=verified_mail_needed)
    why = why or tracks.refusal(bundle.needs, [(zoo.title, zoo.offers) for zoo in phase.zoos])
    why = why or alias_refusal(session, alias, user_id)
    if why is not None:
        raise SubmissionRefused(why)
    return phase
