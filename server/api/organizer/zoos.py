"""What organizers see of zoos, and the jobs and uploads that bring them in; workers, and who did what."""

from datetime import datetime

from flask import Response, abort, url_for
from pydantic import Field

from model_zoo import ZooError
from model_zoo.checks.report import CheckReport
from model_zoo.recipes import RECIPES, named_recipe
from server.api.fields import Answer, Body, Count, Id, Line, Listing, Paging, Paragraphs, Query
from server.api.routes import JSON, Created, Routes
from server.auth.login import the_account
from server.config import services
from server.downloads import zoo as zoo_downloads
from server.downloads.zoo import the_zoo, zoo_picture
from server.forms.zoo_fields import is_zoo_name, own_recipe
from server.problems import faulty
from submissions.evaluation.workers import known_workers
from submissions.people.tokens import Scope
from submissions.storage.audit import acts
from submissions.storage.roles import Permission
from submissions.storage.site_records import JobKind, JobState, ZooState
from submissions.zoos.allowed_sources import SourceError, allowed_address
from submissions.zoos.jobs import enqueue, find_job, recent_jobs
from submissions.zoos.registry import PhaseUse, zoo_list
from worker.hints import send_zoo_hint

routes = Routes(120, "zoos", "Organizing zoos", "Model zoos, which organizers add and check.")


class Use(Answer):
    """A phase that uses a zoo."""

    competition: str
    phase: str
    title: str


class Zoo(Answer):
    """One version of a zoo."""

    id: int
    name: str
    version: int
    title: str
    state: ZooState
    networks: int
    bytes: int
    truth_public: bool
    targets: list[str]
    offers: list[str] = Field(description="What measures of the extended track may get")
    source: str = Field(description="Where it came from")
    added_by: str | None = Field(description="Null for the command line")
    created_at: datetime
    phases: list[Use]


class Zoos(Listing):
    items: list[Zoo]


class Job(Answer):
    """Long work on a zoo. A worker does it; look again until its state is done or failed."""

    id: int
    kind: JobKind
    state: JobState
    text: str = Field(description="The current step")
    done: int
    total: int
    message: str | None = Field(description="Why it failed")
    zoo_id: int | None
    created_at: datetime
    finished_at: datetime | None


class Jobs(Answer):
    items: list[Job]


class ZooDetail(Zoo):
    report: CheckReport | None = Field(description="The report of its check")
    versions: list[int] = Field(description="The numbers of all versions of this name, the newest first")
    job: Job | None


class Act(Answer):
    """Something that was done to a zoo or a phase."""

    at: datetime
    user: str | None = Field(description="Null for the command line")
    act: str
    zoo: str | None
    phase: str | None
    detail: str


class Acts(Answer):
    items: list[Act]


class ActsOf(Query):
    zoo_id: Id | None = None
    phase_id: Id | None = None
    limit: int = Field(100, ge=1, le=1000)


class Worker(Answer):
    """A worker process and its sandbox."""

    id: str = Field(description="Random, of this process alone")
    name: str = Field(description="Host and process id; two workers may have the same")
    version: str
    slots: int
    backend: str
    layers: dict[str, bool] = Field(description="Which layers of the sandbox were active when it started")
    refusal: str | None = Field(description="Why it takes no work")
    started_at: datetime
    seen_at: datetime
    is_alive: bool


class Workers(Answer):
    items: list[Worker]


class FromFolder(Body):
    address: Line = Field(description="A folder of the server, or an s3:// address, below its setting zoo_sources")


class FromPgdl(Body):
    """A task of the PGDL competition, to be imported."""

    task: Line = Field(description="Its folder on the server")
    reference: Line = Field("", description="The folder of its reference data, if that is elsewhere")
    name: Line = ""
    title: Line = ""
    test_size: Count | None = Field(None, description="Number of test examples")
    truth_public: bool = False


class FromRecipe(Body):
    """A zoo to be trained: by a recipe that ships, or by your own."""

    name: Line | None = Field(None, description=f"One of {', '.join(RECIPES)}")
    toml: Paragraphs | None = Field(None, description="Your own recipe. With truth_public = false it must have no seed")


@routes.get("/zoos", Permission.MANAGE_ZOOS, Scope.ORGANIZE)
def list_zoos(query: Paging) -> Zoos:
    """Every version of every zoo, by name, the newest version first"""
    with services().db.read() as session:
        rows = zoo_list(session)
    return Zoos.cut(rows, query, lambda row: Zoo.of(row.zoo, added_by=row.added_by, phases=_uses(row.phases)))


@routes.get("/zoos/<zoo:zoo_id>", Permission.MANAGE_ZOOS, Scope.ORGANIZE)
def show(zoo_id: int) -> ZooDetail:
    """One version of a zoo, with the report of its check"""
    found = the_zoo(zoo_id)
    return ZooDetail.of(
        found.zoo,
        added_by=found.added_by,
        phases=_uses(found.phases),
        report=found.report,
        versions=[version.id for version in found.versions],
        job=found.job,
    )


@routes.get("/zoos/<zoo:zoo_id>/pictures/<picture:picture>", Permission.MANAGE_ZOOS, Scope.ORGANIZE, download=JSON)
def picture(zoo_id: int, picture: str) -> Response:
    """A picture of a zoo's truth as a Vega-Lite specification: gaps, axes or accuracies"""
    return zoo_picture(zoo_id, picture)


@routes.get(
    "/zoos/<zoo:zoo_id>/public-part", Permission.MANAGE_ZOOS, Scope.ORGANIZE, download="application/zip", may_lack=True
)
def public_part(zoo_id: int) -> Response:
    """The part of a zoo that participants may see, as a zip"""
    return zoo_downloads.public_part(zoo_id)


@routes.post("/zoos/<zoo:zoo_id>/check", Permission.MANAGE_ZOOS, Scope.ORGANIZE, accepted=True)
def check(zoo_id: int) -> Job:
    """Check a zoo once more

    Where a job of it is going on already, that one is answered."""
    found = the_zoo(zoo_id)
    if found.job is not None and not found.job.state.is_final:
        return Job.of(found.job)
    return _begun(JobKind.RECHECK, {"zoo": found.zoo.label}, zoo_id)


@routes.get("/zoo-jobs", Permission.MANAGE_ZOOS, Scope.ORGANIZE)
def list_jobs() -> Jobs:
    """The newest jobs"""
    with services().db.read() as session:
        return Jobs(items=[Job.of(job) for job in recent_jobs(session)])


@routes.get("/zoo-jobs/<zoo_job:job_id>", Permission.MANAGE_ZOOS, Scope.ORGANIZE)
def show_job(job_id: int) -> Job:
    """How far a job is"""
    return _the_job(job_id)


@routes.post("/zoo-jobs/folder", Permission.MANAGE_ZOOS, Scope.ORGANIZE)
def add_folder(body: FromFolder) -> Created[Job]:
    """Add a zoo that lies in a folder of the server or in an object store"""
    try:
        address = allowed_address(body.address, services().settings.zoo_sources)
    except SourceError as error:
        raise faulty({"address": str(error)}) from None
    return _created(_begun(JobKind.FOLDER, {"address": address}))


@routes.post("/zoo-jobs/pgdl", Permission.MANAGE_ZOOS, Scope.ORGANIZE)
def add_pgdl(body: FromPgdl) -> Created[Job]:
    """Import a task of the PGDL competition"""
    if body.name and not is_zoo_name(body.name):
        raise faulty({"name": "A zoo's name has lower-case letters, digits, hyphens and underscores."})
    folders = [source for source in services().settings.zoo_sources if source.startswith("/")]
    addresses = {}
    for field in ("task", "reference"):
        try:
            address = getattr(body, field)
            addresses[field] = allowed_address(address, folders) if address or field == "task" else ""
        except SourceError as error:
            raise faulty({field: str(error)}) from None
    return _created(_begun(JobKind.PGDL, body.model_dump() | addresses | {"test_size": body.test_size or None}))


@routes.post("/zoo-jobs/recipe", Permission.MANAGE_ZOOS, Scope.ORGANIZE)
def add_recipe(body: FromRecipe) -> Created[Job]:
    """Train a zoo by a recipe"""
    if (body.name is None) == (body.toml is None):
        raise faulty({"name": "Give either the name of a recipe, or one of your own as toml."})
    try:
        if body.toml is not None:
            return _created(_begun(JobKind.RECIPE, {"name": own_recipe(body.toml).name, "toml": body.toml}))
        return _created(_begun(JobKind.RECIPE, {"name": named_recipe(body.name or "").name}))
    except ZooError as error:
        raise faulty({"toml" if body.toml is not None else "name": str(error)}) from None


@routes.get("/acts", Permission.MONITOR, Scope.ORGANIZE)
def list_acts(query: ActsOf) -> Acts:
    """Who did what to zoos and phases, the newest first"""
    with services().db.read() as session:
        found = acts(session, zoo_id=query.zoo_id, phase_id=query.phase_id, limit=query.limit)
    return Acts(items=[Act.of(one, user=one.user_name) for one in found])


@routes.get("/workers", Permission.MONITOR, Scope.ORGANIZE)
def list_workers() -> Workers:
    """The workers and what their sandboxes hold"""
    with services().db.read() as session:
        found = known_workers(session, sweep_s=services().settings.sweep_s)
    return Workers(items=[Worker.of(one) for one in found])


def begun_job(job_id: int) -> Created[Job]:
    """What a request that began a job is answered."""
    return _created(_the_job(job_id))


def _uses(uses: tuple[PhaseUse, ...]) -> list[Use]:
    return [Use(competition=use.competition_slug, phase=use.slug, title=use.title) for use in uses]


def _begun(kind: JobKind, arguments: dict[str, object], zoo_id: int | None = None) -> Job:
    job_id = enqueue(services().db, kind, arguments, the_account().id, zoo_id=zoo_id)
    send_zoo_hint(services().settings, job_id)
    return _the_job(job_id)


def _created(job: Job) -> Created[Job]:
    return Created(job, url_for("api_zoos.show_job", job_id=job.id))


def _the_job(job_id: int) -> Job:
    with services().db.read() as session:
        found = find_job(session, job_id)
    return Job.of(found) if found is not None else abort(404)
