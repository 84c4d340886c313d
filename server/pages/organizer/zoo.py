"""One version of a zoo, for organizers: its check, the phases that use it, its public part, its history."""

from collections.abc import Callable

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from model_zoo.checks.report import Verdict
from server.auth.access import allow
from server.auth.login import the_account
from server.config import services
from server.downloads import zoo as zoo_downloads
from server.downloads.zoo import the_zoo, zoo_picture
from server.forms.fields import id_field
from submissions.competitions.competitions import CompetitionError
from submissions.competitions.exposure import UnconfirmedError
from submissions.competitions.phase_zoos import attach_zoo, detach_zoo, replace_zoo, submissions_affected
from submissions.storage.audit import acts
from submissions.storage.roles import Permission
from submissions.storage.site_records import JobKind, PhaseRecord, ZooState
from submissions.zoos.jobs import enqueue
from worker.hints import send_hint, send_zoo_hint

pages = Blueprint("zoo_page", __name__)
_CHANGES_PHASES = frozenset({Permission.MANAGE_ZOOS, Permission.MANAGE_PHASES})
_ZOO = "/organizer/zoos/<zoo:zoo_id>"


@pages.get(_ZOO)
@allow(Permission.MANAGE_ZOOS)
def show(zoo_id: int) -> str:
    return _page(zoo_id)


@pages.get(f"{_ZOO}/pictures/<picture:picture>.json")
@allow(Permission.MANAGE_ZOOS)
def chart(zoo_id: int, picture: str) -> Response:
    return zoo_picture(zoo_id, picture)


@pages.get(f"{_ZOO}/public.zip")
@allow(Permission.MANAGE_ZOOS)
def public_part(zoo_id: int) -> Response:
    return zoo_downloads.public_part(zoo_id)


@pages.post(f"{_ZOO}/check")
@allow(Permission.MANAGE_ZOOS)
def check_again(zoo_id: int) -> ResponseReturnValue:
    detail = the_zoo(zoo_id)
    if detail.job is None or detail.job.state.is_final:
        job = {"zoo": detail.zoo.label}
        job_id = enqueue(services().db, JobKind.RECHECK, job, the_account().id, zoo_id=zoo_id)
        send_zoo_hint(services().settings, job_id)
    return redirect(url_for("zoo_page.show", zoo_id=zoo_id))


@pages.post(f"{_ZOO}/attach")
@allow(_CHANGES_PHASES)
def attach(zoo_id: int) -> ResponseReturnValue:
    the_zoo(zoo_id)
    return _change(
        zoo_id,
        lambda phase_id: attach_zoo(services().db, phase_id, zoo_id, the_account().id, confirmed=_is_confirmed()),
        "Attached.",
    )


@pages.post(f"{_ZOO}/detach")
@allow(_CHANGES_PHASES)
def detach(zoo_id: int) -> ResponseReturnValue:
    the_zoo(zoo_id)
    return _change(zoo_id, lambda phase_id: detach_zoo(services().db, phase_id, zoo_id, the_account().id), "Detached.")


@pages.post(f"{_ZOO}/replace")
@allow(_CHANGES_PHASES)
def replace(zoo_id: int) -> ResponseReturnValue:
    the_zoo(zoo_id)
    by = id_field("by")
    if by is None:
        return _page(zoo_id, "Choose the version that replaces it."), 422
    return _change(
        zoo_id,
        lambda phase_id: replace_zoo(services().db, phase_id, zoo_id, by, the_account().id, confirmed=_is_confirmed()),
        "Replaced.",
    )


def _change(zoo_id: int, act: Callable[[int], int], done: str) -> ResponseReturnValue:
    """Change a phase's zoos and show how many submissions are evaluated again."""
    phase_id = id_field("phase")
    if phase_id is None:
        return _page(zoo_id, "Choose a phase."), 422
    try:
        again = act(phase_id)
    except CompetitionError as error:
        return _page(zoo_id, f"Not possible: {error}."), 422
    except UnconfirmedError as error:
        return _page(zoo_id, exposed=error.exposed), 422
    if again:
        send_hint(services().settings)
    submissions = "1 submission is" if again == 1 else f"{again} submissions are"
    flash(f"{done} {submissions} evaluated again." if again else done)
    return redirect(url_for("zoo_page.show", zoo_id=zoo_id))


def _is_confirmed() -> bool:
    return "confirmed" in request.form


def _page(zoo_id: int, error: str = "", exposed: tuple[str, ...] = ()) -> str:
    detail = the_zoo(zoo_id)
    zoo, report = detail.zoo, detail.report
    with services().db.read() as session:
        phases = session.scalars(select(PhaseRecord).options(joinedload(PhaseRecord.competition))).all()
        affected = {phase.id: submissions_affected(session, phase.id) for phase in phases}
        history = acts(session, zoo_id=zoo_id)
    used = {use.phase_id for use in detail.phases}
    return render_template(
        "zoos/zoo.html",
        zoo=zoo,
        added_by=detail.added_by,
        report=report,
        faults=[*report.of(Verdict.ERROR), *report.of(Verdict.WARNING)] if report else [],
        fine=report.of(Verdict.OK) if report else [],
        errors=len(report.of(Verdict.ERROR)) if report else 0,
        warnings=len(report.of(Verdict.WARNING)) if report else 0,
        has_pictures=report is not None and bool(report.numbers.networks),
        uses=detail.phases,
        affected=affected,
        free_phases=[phase for phase in phases if phase.id not in used],
        successors=[one for one in detail.versions if one.id != zoo.id and one.state is ZooState.READY],
        others=[one for one in detail.versions if one.id != zoo.id],
        job=detail.job if detail.job is not None and not detail.job.state.is_final else None,
        is_open=True,  # of the job, where there is one
        acts=history,
        error=error,
        exposed=exposed,
        typed=request.form,
    )
