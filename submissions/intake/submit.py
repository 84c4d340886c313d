"""Submitting a measure: checks against the phase, and the transaction that queues it with its evaluations.

Where people send the same upload to the same phase once more, they are asked first: `SentBefore`.
"""

from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from submissions.evaluation.attempts import add_attempt, hold_zoos
from submissions.intake.bundle import Bundle
from submissions.intake.bundle_store import BundleStore
from submissions.intake.quota import refusal
from submissions.intake.unpacked import dump
from submissions.leaderboard.entrants import entrant_of, hold_entrant
from submissions.leaderboard.shown_names import hold_names, is_taken
from submissions.storage import idempotency
from submissions.storage.database import Database
from submissions.storage.name_keys import skeleton
from submissions.storage.records import PhaseRecord, SubmissionRecord, utc_now
from submissions.storage.states import State
from submissions.zoos import tracks


class SubmissionRefused(Exception):  # noqa: N818  (a refusal is an answer, not a malfunction)
    """The phase does not accept this submission; the message is a sentence for the participant."""


class SentBefore(SubmissionRefused):
    """The entrant has sent the same upload to this phase before, and has not confirmed to send it once more.

    The message is a sentence without advice: how to confirm differs from door to door.

    Attributes
    ----------
    submission_id : int
        The earlier submission.
    """

    def __init__(self, earlier: SubmissionRecord, *, is_own: bool) -> None:
        self.submission_id = earlier.id
        super().__init__(
            f"{'You' if is_own else 'Your team'} sent exactly this to this phase on "
            f"{earlier.created_at:%d %B %Y at %H:%M} UTC: submission {earlier.id}, {earlier.name}."
        )


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
    is_confirmed: bool = True,
    verified_mail_needed: bool = False,
    now: datetime | None = None,
    key_sha256: str | None = None,
) -> int:
    """Queue a measure: the submission and its evaluations, in one transaction.

    The bundle's bytes and their unpacked form are stored first: a crash in between leaves unused files, never a
    submission without its code.

    Parameters
    ----------
    name, description, link, alias : str
        As checked by `submissions.intake.details`.
    parent_id : int or None, optional
        The submission that this one resubmits.
    is_confirmed : bool, optional
        Whether it is taken although the entrant has sent the same bytes to the phase before. What was cancelled, or
        broke by our fault, does not matter.
    verified_mail_needed : bool, optional
        Whether participants need a verified address.
    key_sha256 : str or None, optional
        The request's idempotency key, as it is reserved in `submissions.storage.idempotency`.

    Returns
    -------
    int
        The id of the submission; of the earlier one, if a request with the same key has made one.

    Raises
    ------
    SentBefore
        If it was sent before and is not confirmed.
    SubmissionRefused
        Because of dates, quota, an unverified address, needs that the zoos do not offer, or an alias that is
        somebody's name.
    """
    submission = SubmissionRecord(
        phase_id=phase_id,
        user_id=user_id,
        name=name,
        entrant=f"b{bundle.sha256[:20]}",  # of a baseline: each is an entrant of its own
        filename=bundle.filename,
        bundle_sha256=bundle.sha256,
        description=description,
        link=link,
        alias=alias,
        alias_skeleton=None if alias is None else skeleton(alias),
        parent_id=parent_id,
        track=bundle.track,
        needs=list(bundle.needs),
        is_baseline=is_baseline,
        created_at=now or utc_now(),
    )
    with db.read() as session:  # refuse before anything is stored
        if key_sha256 is not None and (made := idempotency.made(session, key_sha256)) is not None:
            return made
        phase = _accepting(session, submission, verified_mail_needed)
        if not is_confirmed:
            _ask_if_sent_before(session, submission, phase)
    store.put_unpacked(store.put(bundle.content), dump(bundle))
    with db.write() as session:
        if key_sha256 is not None and (made := idempotency.made(session, key_sha256)) is not None:
            return made
        # Locked, because two simultaneous uploads of a team must not use the same quota.
        entrant, team_id = hold_entrant(session, phase.competition_id, user_id)
        if not is_baseline:
            submission.entrant, submission.team_id = entrant, team_id
        if alias is not None:
            hold_names(session)
        hold_zoos(session, phase_id)
        phase = _accepting(session, submission, verified_mail_needed)
        if not is_confirmed:
            _ask_if_sent_before(session, submission, phase)
        session.add(submission)
        add_attempt(session, submission, phase)
        session.flush()
        if key_sha256 is not None:
            idempotency.note_made(session, key_sha256, submission.id)
        return submission.id


def _accepting(session: Session, submission: SubmissionRecord, verified_mail_needed: bool) -> PhaseRecord:
    """Return the phase of a new submission. Raises SubmissionRefused if it does not accept it."""
    phase = session.get(PhaseRecord, submission.phase_id)
    if phase is None:
        raise SubmissionRefused("This phase does not exist.")
    user_id, now = submission.user_id, submission.created_at
    why = None
    if not submission.is_baseline:
        why = refusal(session, phase, user_id, now, verified_mail_needed=verified_mail_needed)
    why = why or tracks.refusal(submission.needs, [(zoo.title, zoo.offers) for zoo in phase.zoos])
    if why is None and submission.alias is not None and is_taken(session, submission.alias, user_id):
        why = f"{submission.alias} is the name of somebody else here, or looks like it; choose another alias."
    if why is not None:
        raise SubmissionRefused(why)
    return phase


def _ask_if_sent_before(session: Session, submission: SubmissionRecord, phase: PhaseRecord) -> None:
    """Raise SentBefore if the author, or their team, has sent the same bytes to the phase."""
    entrant, _ = entrant_of(session, phase.competition_id, submission.user_id)
    earlier = session.scalars(
        select(SubmissionRecord)
        .where(
            SubmissionRecord.phase_id == phase.id,
            SubmissionRecord.bundle_sha256 == submission.bundle_sha256,
            or_(SubmissionRecord.entrant == entrant, SubmissionRecord.user_id == submission.user_id),
            SubmissionRecord.is_baseline.is_(False),
            SubmissionRecord.state.not_in((State.CANCELLED, State.BROKEN)),
        )
        .order_by(SubmissionRecord.id.desc())
        .limit(1)
    ).first()
    if earlier is not None:
        raise SentBefore(earlier, is_own=earlier.user_id == submission.user_id)
