"""How zoos and the jobs on them read on the organizers' pages: template filters, each a pure function."""

from flask import Flask

from server.presentation.formats import size
from submissions.storage.records import JobKind, JobState, ZooJobRecord, ZooState

ZOO_STATE_WORDS = {
    ZooState.ARRIVING: "arriving",
    ZooState.CHECKING: "being checked",
    ZooState.READY: "ready",
    ZooState.REFUSED: "refused",
    ZooState.FAILED: "not checked",
}
JOB_STATE_WORDS = {
    JobState.QUEUED: "Waiting",
    JobState.RUNNING: "Working",
    JobState.DONE: "Done",
    JobState.FAILED: "Failed",
}
_JOB_TITLES = {
    JobKind.UPLOAD: ("Upload of", "filename"),
    JobKind.FOLDER: ("Zoo from", "address"),
    JobKind.PGDL: ("Import of", "task"),
    JobKind.RECIPE: ("Training of", "name"),
    JobKind.RECHECK: ("Check of", "zoo"),
}
_BYTES_FROM = 10**6  # a total beyond this is no count of networks


def init_app(app: Flask) -> None:
    for name, function in (
        ("zoo_state_word", ZOO_STATE_WORDS.__getitem__),
        ("job_word", job_word),
        ("job_title", job_title),
        ("job_sentence", job_sentence),
        ("job_count", job_count),
    ):
        app.jinja_env.filters[name] = function


def job_word(job: ZooJobRecord) -> str:
    return JOB_STATE_WORDS[job.state]


def job_title(job: ZooJobRecord) -> str:
    """What a job is about: Upload of digits.zip."""
    begin, argument = _JOB_TITLES[job.kind]
    return f"{begin} {job.arguments.get(argument, 'a zoo')}"


def job_sentence(job: ZooJobRecord) -> str:
    """Where a job stands."""
    if job.state is JobState.QUEUED:
        return "It waits for a worker that is free for zoos." if job.tries == 0 else "It waits to be taken up again."
    if job.state is JobState.RUNNING:
        return f"{job.text[:1].upper()}{job.text[1:]} …" if job.text else "It begins …"
    if job.state is JobState.FAILED:
        return "No zoo was added." if job.kind is not JobKind.RECHECK else "The check came to no end."
    return "The zoo is here, with the report of its check."


def job_count(job: ZooJobRecord) -> str:
    """How far a job is: 12 of 96, or in bytes where it counts those."""
    if job.total <= 0:
        return ""
    shown = size if job.total >= _BYTES_FROM else str
    return f"{shown(job.done)} of {shown(job.total)}"
