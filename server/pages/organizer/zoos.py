"""The organizers' list of zoos, the forms to add one, and the page that shows the progress of such a job."""

from collections.abc import Mapping
from datetime import timedelta

from flask import Blueprint, Response, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from model_zoo import ZooError
from model_zoo.recipes import LEFT_OUT, RECIPES, named_recipe
from server.auth.access import allow
from server.auth.login import the_account
from server.config import services
from server.forms.fields import paragraph_field, text_field
from server.forms.zoo_fields import is_zoo_name, own_recipe
from server.http.headers import conditional
from server.http.idempotency import once
from submissions.storage.roles import Permission
from submissions.storage.site_records import JobKind, JobState, ZooJobRecord, ZooUploadRecord, utc_now
from submissions.zoos.allowed_sources import SourceError, allowed_address
from submissions.zoos.jobs import enqueue, find_job, recent_jobs
from submissions.zoos.registry import zoo_list
from worker.hints import send_zoo_hint

OWN_RECIPE = "+"  # the value of “your own …” in the list of recipes
FAILURES_SHOWN = timedelta(days=2)
_ADDRESS_LENGTH = 1000
_RECIPE_LENGTH = 100_000

pages = Blueprint("zoos", __name__)
_JOB = "/organizer/zoos/jobs/<zoo_job:job_id>"


@pages.get("/organizer/zoos/")
@allow(Permission.MANAGE_ZOOS)
def overview() -> str:
    return _overview_page()


@pages.post("/organizer/zoos/add/folder")
@allow(Permission.MANAGE_ZOOS)
@once()
def add_folder() -> ResponseReturnValue:
    try:
        address = allowed_address(text_field("address", _ADDRESS_LENGTH), services().settings.zoo_sources)
    except SourceError as error:
        return _overview_page({"folder": str(error)}), 422
    return _begin(JobKind.FOLDER, {"address": address})


@pages.post("/organizer/zoos/add/pgdl")
@allow(Permission.MANAGE_ZOOS)
@once()
def add_pgdl() -> ResponseReturnValue:
    sources = [source for source in services().settings.zoo_sources if source.startswith("/")]
    name, test_size = text_field("name", 81), text_field("test_size", 9)
    reference = text_field("reference", _ADDRESS_LENGTH)
    try:
        task = allowed_address(text_field("task", _ADDRESS_LENGTH), sources)
        reference = allowed_address(reference, sources) if reference else ""
    except SourceError as error:
        return _overview_page({"pgdl": str(error)}), 422
    if name and not is_zoo_name(name):
        return _overview_page({"pgdl": "A zoo's name has lower-case letters, digits, hyphens and underscores."}), 422
    if test_size and not (test_size.isascii() and test_size.isdecimal() and int(test_size)):
        return _overview_page({"pgdl": "Give the number of test examples, or leave the field empty."}), 422
    arguments = {
        "task": task,
        "reference": reference,
        "name": name,
        "title": text_field("title", 200),
        "test_size": int(test_size) if test_size else None,
        "truth_public": "truth_public" in request.form,
    }
    return _begin(JobKind.PGDL, arguments)


@pages.post("/organizer/zoos/add/recipe")
@allow(Permission.MANAGE_ZOOS)
@once()
def add_recipe() -> ResponseReturnValue:
    chosen = text_field("recipe", 80)
    try:
        if chosen == OWN_RECIPE:
            text = paragraph_field("toml", _RECIPE_LENGTH)
            return _begin(JobKind.RECIPE, {"name": own_recipe(text).name, "toml": text})
        return _begin(JobKind.RECIPE, {"name": named_recipe(chosen).name})
    except ZooError as error:
        return _overview_page({"recipe": str(error)}), 422


@pages.get(_JOB)
@allow(Permission.MANAGE_ZOOS)
def job(job_id: int) -> ResponseReturnValue:
    """The job's page; once it is done, the zoo's."""
    found = _the_job(job_id)
    if found.state is JobState.DONE and found.zoo_id is not None:
        return redirect(url_for("zoo_page.show", zoo_id=found.zoo_id))
    return render_template("zoos/job.html", job=found, is_open=not found.state.is_final)


@pages.get(f"{_JOB}/progress")
@allow(Permission.MANAGE_ZOOS)
def job_progress(job_id: int) -> Response:
    """The progress part alone. Once the job has ended, the response makes htmx load the page of its result."""
    found = _the_job(job_id)
    is_open = not found.state.is_final
    response = conditional(lambda: render_template("zoos/_progress.html", job=found, is_open=is_open), _seen(found))
    if not is_open and response.status_code == 200 and "HX-Request" in request.headers:
        response.headers["HX-Redirect"] = url_for("zoos.job", job_id=job_id)
    return response


def _overview_page(messages: dict[str, str] | None = None) -> str:
    with services().db.read() as session:
        zoos = zoo_list(session)
        jobs = [one for one in recent_jobs(session) if _is_shown(one)]
        unfinished = session.scalars(
            select(ZooUploadRecord)
            .where(ZooUploadRecord.user_id == the_account().id, ZooUploadRecord.finished_at.is_(None))
            .order_by(ZooUploadRecord.created_at.desc())
        ).all()
    return render_template(
        "zoos/list.html",
        zoos=zoos,
        jobs=jobs,
        unfinished=unfinished,
        recipes=[(name, named_recipe(name)) for name in RECIPES],
        left_out=LEFT_OUT,
        own=OWN_RECIPE,
        settings=services().settings,
        typed=request.form,
        messages=messages or {},
    )


def _is_shown(one: ZooJobRecord) -> bool:
    """Whether to show the job: open ones, and for a while failed ones; the list of zoos shows the result of others."""
    if one.state is JobState.FAILED and one.finished_at is not None:
        return one.finished_at > utc_now() - FAILURES_SHOWN
    return not one.state.is_final


def _begin(kind: JobKind, arguments: Mapping[str, object]) -> ResponseReturnValue:
    job_id = enqueue(services().db, kind, arguments, the_account().id)
    send_zoo_hint(services().settings, job_id)
    return redirect(url_for("zoos.job", job_id=job_id))


def _the_job(job_id: int) -> ZooJobRecord:
    with services().db.read() as session:
        found = find_job(session, job_id)
    return found if found is not None else abort(404)


def _seen(found: ZooJobRecord) -> tuple[object, ...]:
    return (found.id, found.state, found.done, found.total, found.text, found.message, found.tries)
