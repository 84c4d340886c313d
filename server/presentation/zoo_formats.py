"""Template filters that format zoos and their jobs for the organizers' pages; each is a pure function."""

from flask import Flask

from server.presentation.formats import size
from submissions.storage.site_records import JobKind, JobState, ZooJobRecord, ZooState

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
_BYTES_FROM = 10**6  # a larger total is in bytes, not in networks


def init_app(app: Flask) -> None:
    for function in (job_word, job_title, job_sentence, job_count):
        app.add_template_filter(function)
    app.add_template_filter(ZOO_STATE_WORDS.__getitem__, "zoo_state_word")


def job_word(job: ZooJobRecord) -> str:
    return JOB_STATE_WORDS[job.state]


def job_title(job: ZooJobRecord) -> str:
    """Return the title of a job, like: Upload of digits.zip."""
    begin, argument = _JOB_TITLES[job.kind]
    return f"{begin} {job.arguments.get(argument, 'a zoo')}"


def job_sentence(job: ZooJobRecord) -> str:
    """Return a sentence on the state of a job."""
    if job.state is JobState.QUEUED:
        return "Waiting for a worker that can take zoo jobs." if job.tries == 0 else "Waiting for the next attempt."
    if job.state is JobState.RUNNING:
        return f"{job.text[:1].upper()}{job.text[1:]} …" if job.text else "Starting …"
    if job.state is JobState.FAILED:
        return "No zoo was added." if job.kind is not JobKind.RECHECK else "The check did not finish."
    return "The zoo has been added, with the report of its check."


def job_count(job: ZooJobRecord) -> str:
    """Return the progress of a job: 12 of 96, or in bytes if the job counts bytes."""
    if job.total <= 0:
        return ""
    shown = size if job.total >= _BYTES_FROM else str
    return f"{shown(job.done)} of {shown(job.total)}"
