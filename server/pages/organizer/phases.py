"""The organizers' pages for phases: a list, opening one (with its competition, where that is new), changing one."""

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import joinedload

from server.auth.access import allow
from server.auth.login import the_account
from server.config import services
from server.forms.fields import ids_field, paragraph_field, text_field
from server.forms.phase_form import PhaseFields, fields_of, plan_in, posted_fields
from server.http.idempotency import once
from submissions.competitions.competitions import TEXT_LENGTH, TITLE_LENGTH
from submissions.competitions.exposure import UnconfirmedError
from submissions.competitions.phases import (
    SCORE_STEPS,
    SLUG_LENGTH,
    NewCompetition,
    PhaseError,
    change_phase,
    competition_list,
    default_plan,
    open_phase,
    phase_list,
    plan_of,
    ready_zoos,
    unfreeze,
)
from submissions.results.disclosure import bits_of_submission
from submissions.storage.roles import Permission
from submissions.storage.site_records import PhaseRecord, Tells

pages = Blueprint("phases", __name__)
_PHASE = "/organizer/phases/<phase_number:phase_id>"
NEW = "+"  # the value of “a new competition” in the list of competitions


@pages.app_template_global()
def told_bits(tells: str, step: str) -> str:
    """How much one submission gives away about a zoo with hidden truth. step: as it was typed, or the default."""
    try:
        points = min(max(float(step), SCORE_STEPS[0]), SCORE_STEPS[1])
    except ValueError:
        points = default_plan().score_step
    return f"{bits_of_submission(1, points, Tells(tells)):.0f} bits"


@pages.get("/organizer/phases/")
@allow(Permission.MANAGE_PHASES)
def overview() -> str:
    with services().db.read() as session:
        return render_template("phases/list.html", listed=phase_list(session))


@pages.get("/organizer/phases/new")
@allow(Permission.MANAGE_PHASES)
def form() -> str:
    return _new_page(fields_of(default_plan()))


@pages.post("/organizer/phases/new")
@allow(Permission.MANAGE_PHASES)
@once()
def open_new() -> ResponseReturnValue:
    before = default_plan()
    fields = posted_fields(before)
    plan, messages = plan_in(fields, before)
    if plan is None:
        return _new_page(fields, messages), 422
    chosen = text_field("competition", SLUG_LENGTH)
    is_new = chosen == NEW
    try:
        phase_id = open_phase(
            services().db,
            competition_slug=text_field("competition_slug", SLUG_LENGTH + 1) if is_new else chosen,
            phase_slug=text_field("slug", SLUG_LENGTH + 1),
            plan=plan,
            zoo_ids=ids_field("zoos"),
            user_id=the_account().id,
            new_competition=NewCompetition(
                text_field("competition_title", TITLE_LENGTH + 1), paragraph_field("competition_text", TEXT_LENGTH)
            )
            if is_new
            else None,
            confirmed="confirmed" in request.form,
        )
    except PhaseError as error:
        return _new_page(fields, messages | error.messages), 422
    except UnconfirmedError as error:
        return _new_page(fields, exposed=error.exposed), 422
    flash("The phase has been created. Participants see it unless it is hidden.")
    return redirect(url_for("phases.show", phase_id=phase_id))


@pages.get(_PHASE)
@allow(Permission.MANAGE_PHASES)
def show(phase_id: int) -> str:
    return _phase_page(phase_id)


@pages.post(_PHASE)
@allow(Permission.MANAGE_PHASES)
def change(phase_id: int) -> ResponseReturnValue:
    before = plan_of(_the_phase(phase_id))
    fields = posted_fields(before)
    plan, messages = plan_in(fields, before)
    try:
        if plan is None:
            raise PhaseError(messages)
        confirmed = "confirmed" in request.form
        change_phase(services().db, phase_id, plan, user_id=the_account().id, confirmed=confirmed)
    except PhaseError as error:
        return _phase_page(phase_id, fields, error.messages), 422
    except UnconfirmedError as error:
        return _phase_page(phase_id, fields, exposed=error.exposed), 422
    flash("Changed.")
    return redirect(url_for("phases.show", phase_id=phase_id))


@pages.post(f"{_PHASE}/unfreeze")
@allow(Permission.MANAGE_PHASES)
def unfreeze_board(phase_id: int) -> ResponseReturnValue:
    _the_phase(phase_id)
    try:
        is_done = unfreeze(services().db, phase_id, user_id=the_account().id, confirmed="confirmed" in request.form)
    except UnconfirmedError as error:
        return _phase_page(phase_id, exposed_by_unfreezing=error.exposed), 422
    flash("The leaderboard shows every score again." if is_done else "The leaderboard was not frozen.")
    return redirect(url_for("phases.show", phase_id=phase_id))


def _new_page(fields: PhaseFields, messages: dict[str, str] | None = None, exposed: tuple[str, ...] = ()) -> str:
    with services().db.read() as session:
        zoos, competitions = ready_zoos(session), competition_list(session)
    chosen = request.form.get("competition") or request.args.get("competition") or ""
    return render_template(
        "phases/new.html",
        fields=fields,
        messages=messages or {},
        zoos=zoos,
        chosen_zoos=ids_field("zoos") or tuple(request.args.getlist("zoo", type=int)),
        competitions=competitions,
        competition=chosen if competitions else NEW,
        typed=request.form,
        new=NEW,
        exposed=exposed,
    )


def _phase_page(
    phase_id: int,
    fields: PhaseFields | None = None,
    messages: dict[str, str] | None = None,
    exposed: tuple[str, ...] = (),
    exposed_by_unfreezing: tuple[str, ...] = (),
) -> str:
    phase = _the_phase(phase_id)
    with services().db.read() as session:
        listed = next(one for one in phase_list(session) if one.phase.id == phase_id)
    return render_template(
        "phases/phase.html",
        listed=listed,
        phase=phase,
        fields=fields or fields_of(plan_of(phase)),
        messages=messages or {},
        exposed=exposed,
        exposed_by_unfreezing=exposed_by_unfreezing,
    )


def _the_phase(phase_id: int) -> PhaseRecord:
    with services().db.read() as session:
        phase = session.get(PhaseRecord, phase_id, options=[joinedload(PhaseRecord.competition)])
    return phase if phase is not None else abort(404)
