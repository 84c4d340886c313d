"""Jobs on zoos by real child processes: what comes in is checked and kept, what is faulty is told, nothing is lost."""

import json
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from model_zoo.checks.report import Verdict
from model_zoo.manifest import KEY
from model_zoo.publish import publish
from model_zoo.recipes.keys import read_key
from submissions.people.accounts import create_organizer
from submissions.settings import Settings
from submissions.storage.database import Database
from submissions.storage.migrations import migrate
from submissions.storage.records import JobKind, JobState, ZooJobRecord, ZooRecord, ZooState
from submissions.zoos import jobs, uploads
from submissions.zoos.registry import ZooDetail, zoo_detail
from submissions.zoos.zoo_store import make_zoo_store
from tests.buckets import Bucket
from tests.factories import zip_of
from tests.model_zoo.written_keys import shows_key
from tests.services import wait_until
from worker.zoo_intake.job_supervisor import ZooJobs

SAMPLE = Path(__file__).parents[4] / "shared" / "data" / "pgdl_sample"
TINY_RECIPE = """
name = "few-digits"
title = "Few"
text = "Four networks."
licence = "CC0-1.0"
citation = ""
seed = 1
truth_public = true
family = "mlp"

[dataset]
name = "digits"
training_size = 100

[training]
momentum = 0.9
stop_loss = 0.01
max_epochs = 300

[fixed]
dropout = 0.0
batch_size = 25
init_scale = 1.0
weight_decay = 0.0
depth = 1

[axes]
width = [4, 32]
learning_rate = [0.05, 0.2]
"""


class Office:
    """A database, a worker's share of its jobs, and the organizer who gives them."""

    def __init__(self, settings: Settings) -> None:
        settings.make_home()
        self.settings = settings
        self.db = Database(settings.effective_database_url)
        migrate(self.db)
        self.olga = create_organizer(self.db, "olga", "correct horse battery")
        self.jobs = ZooJobs(settings, self.db, owner_prefix="host/1")

    def give(self, kind: JobKind, **arguments: object) -> int:
        return jobs.enqueue(self.db, kind, arguments, self.olga)

    def upload(self, content: bytes, filename: str = "zoo.zip") -> int:
        upload_id = uploads.begin_upload(self.db, self.settings, filename, len(content), self.olga)
        uploads.append(self.db, self.settings, upload_id, self.olga, 0, content)
        return uploads.finish_upload(self.db, upload_id, self.olga)

    def job(self, job_id: int) -> ZooJobRecord:
        with self.db.read() as session:
            found = jobs.find_job(session, job_id)
        assert found is not None
        return found

    def done(self, job_id: int) -> ZooDetail:
        """The zoo of a job that is carried out now."""
        assert self.jobs.work() == 1
        job = self.job(job_id)
        assert (job.state, job.message) == (JobState.DONE, None)
        return self.zoo(job.zoo_id)

    def failed(self, job_id: int) -> str:
        assert self.jobs.work() == 1
        job = self.job(job_id)
        assert (job.state, job.zoo_id) == (JobState.FAILED, None)
        return job.message or ""

    def zoo(self, zoo_id: int | None) -> ZooDetail:
        with self.db.read() as session:
            detail = zoo_detail(session, zoo_id or 0)
        assert detail is not None
        return detail

    def remains(self) -> list[str]:
        """What jobs and uploads have left in the home folder."""
        folders = [self.settings.home / name for name in ("uploads", "zoo_jobs")]
        return [path.name for folder in folders if folder.exists() for path in folder.iterdir()]


@pytest.fixture
def office(settings: Settings, tmp_path: Path, digits_cnn: Path) -> Iterator[Office]:
    sources = (str(tmp_path / "zoos"), str(digits_cnn.parent))
    values = {"zoo_sources": sources, "zoo_cache": tmp_path / "zoo-cache"}
    office = Office(Settings(**(settings.model_dump() | values)))
    yield office
    office.db.close()


def files_of(zoo: Path) -> dict[str, bytes]:
    return {str(path.relative_to(zoo)): path.read_bytes() for path in zoo.rglob("*") if path.is_file()}


def test_a_folder_is_checked_and_kept_with_its_report_and_who_added_it(office: Office, digits_cnn: Path) -> None:
    found = office.done(office.give(JobKind.FOLDER, address=str(digits_cnn)))
    assert (found.zoo.label, found.zoo.state, found.added_by) == ("digits-cnn@1", ZooState.READY, "olga")
    assert found.report is not None
    assert found.report.numbers.references
    store = make_zoo_store(office.settings)
    zoo = store.open(found.zoo.manifest_sha256)
    store.fetch_all(zoo)
    zoo.verify()
    assert office.remains() == []


@pytest.mark.thorough
def test_an_upload_with_errors_is_kept_as_refused_and_its_archive_thrown_away(office: Office, tiny_zoo: Path) -> None:
    job = office.upload(zip_of({f"tiny/{path}": content for path, content in files_of(tiny_zoo).items()}))
    found = office.done(job)
    assert (found.zoo.label, found.zoo.state, found.zoo.source) == ("tiny@1", ZooState.REFUSED, "upload of zoo.zip")
    assert office.remains() == []


@pytest.mark.thorough
def test_a_zoo_whose_files_are_not_what_it_says_is_refused_with_the_report_in_words(
    office: Office, tiny_zoo: Path
) -> None:
    files = files_of(tiny_zoo)
    name = next(name for name in files if name.endswith(".safetensors"))
    said = office.failed(office.upload(zip_of(files | {name: files[name][::-1]})))
    assert "The zoo is refused" in said
    assert name in said
    with office.db.read() as session:
        assert session.get(ZooRecord, 1) is None
    assert office.remains() == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"no archive", "neither a zip nor a tar"),
        (zip_of({"notes.txt": b""}), "holds no zoo.json"),
        pytest.param(zip_of({"zoo.json": b"{", "public/networks.json": b"{}"}), "zoo.json", marks=pytest.mark.thorough),
        pytest.param(zip_of({"zoo.json": b'{"format": 99}'}), "newer", marks=pytest.mark.thorough),
        (zip_of({"../zoo.json": b"{}"}), "may leave its folder"),
    ],
)
def test_an_upload_that_is_no_zoo_says_so_and_leaves_nothing(office: Office, content: bytes, said: str) -> None:
    assert said in office.failed(office.upload(content))
    assert office.remains() == []


def test_a_folder_that_leads_out_of_the_allowed_ones_is_refused(office: Office, tiny_zoo: Path, tmp_path: Path) -> None:
    (tmp_path / "zoos").mkdir()
    (tmp_path / "zoos" / "tiny").symlink_to(tiny_zoo)
    assert "leads out of" in office.failed(office.give(JobKind.FOLDER, address=str(tmp_path / "zoos" / "tiny")))


@pytest.mark.thorough
def test_a_zoo_in_s3_is_fetched_checked_and_kept(settings: Settings, bucket: Bucket, tiny_zoo: Path) -> None:
    for name, content in files_of(tiny_zoo).items():
        bucket.write(f"zoos/tiny/{name}", content)
    values = {"zoo_sources": (f"{bucket.url}/zoos",), "store_endpoint": bucket.address}
    office = Office(Settings(**(settings.model_dump() | values)))
    found = office.done(office.give(JobKind.FOLDER, address=f"{bucket.url}/zoos/tiny"))
    assert (found.zoo.label, found.zoo.source) == ("tiny@1", f"{bucket.url}/zoos/tiny")
    missing = office.failed(office.give(JobKind.FOLDER, address=f"{bucket.url}/zoos/none"))
    assert f"{bucket.url}/zoos/none/zoo.json" in missing
    assert office.remains() == []
    office.db.close()


@pytest.mark.thorough
def test_a_pgdl_task_is_imported_and_checked(settings: Settings) -> None:
    if not SAMPLE.is_dir():
        message = "the folder shared/data/pgdl_sample is not beside the repository"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    office = Office(Settings(**(settings.model_dump() | {"zoo_sources": (str(SAMPLE),)})))
    task = SAMPLE / "input_data" / "task1_sample"
    reference = str(SAMPLE / "reference_data")
    arguments = {"task": str(task), "reference": reference, "name": "sample", "title": "", "test_size": None}
    found = office.done(office.give(JobKind.PGDL, **arguments, truth_public=True))
    assert (found.zoo.name, found.zoo.truth_public, found.zoo.source) == ("sample", True, f"PGDL task {task}")
    assert found.report is not None
    assert office.remains() == []
    office.db.close()


def test_a_process_that_has_ended_its_job_is_left_to_remove_its_files(office: Office, tmp_path: Path) -> None:
    """It has no lease any more, which is no reason to kill it."""
    office.give(JobKind.FOLDER, address="/nowhere")
    job = jobs.claim(office.db, "host/1/a", office.settings.lease_s)
    assert job is not None
    with subprocess.Popen(["sh", "-c", f"sleep 2; touch {tmp_path}/removed"]) as process:
        assert jobs.fail(office.db, job.id, job.owner, "There is no zoo.")
        assert not office.jobs._watch(process, job)  # its first look at the lease comes after one second
        assert (tmp_path / "removed").exists()


@pytest.mark.thorough
def test_a_mended_zoo_comes_as_the_next_version_and_the_same_one_keeps_its_record(
    office: Office, digits_cnn: Path, tmp_path: Path
) -> None:
    mended = tmp_path / "zoos" / "mended"
    shutil.copytree(digits_cnn, mended)
    manifest = json.loads((mended / "zoo.json").read_text())
    (mended / "zoo.json").write_text(json.dumps(manifest | {"text": "Mended."}))
    labels = [office.done(office.give(JobKind.FOLDER, address=str(zoo))).zoo.label for zoo in (digits_cnn, mended)]
    assert labels == ["digits-cnn@1", "digits-cnn@2"]
    assert office.done(office.give(JobKind.FOLDER, address=str(mended))).zoo.label == "digits-cnn@2"


@pytest.mark.thorough
def test_a_check_is_repeated_on_what_the_store_has(office: Office, tiny_zoo: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_zoo, tmp_path / "zoos" / "tiny")
    first = office.done(office.give(JobKind.FOLDER, address=str(tmp_path / "zoos" / "tiny")))
    again = office.done(jobs.enqueue(office.db, JobKind.RECHECK, {}, office.olga, zoo_id=first.zoo.id))
    assert again.zoo.id == first.zoo.id
    assert again.report is not None
    assert first.report is not None
    assert [item.name for item in again.report.items] == [item.name for item in first.report.items]


@pytest.mark.thorough
def test_a_pasted_recipe_is_trained_checked_and_kept(office: Office) -> None:
    found = office.done(office.give(JobKind.RECIPE, name="few-digits", toml=TINY_RECIPE))
    assert (found.zoo.name, found.zoo.networks, found.zoo.source) == ("few-digits", 4, "recipe few-digits")
    assert office.remains() == []


@pytest.mark.thorough
def test_the_key_of_a_hidden_recipe_is_nowhere_but_in_the_private_part(
    office: Office, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither in the job, the log, the database, which all pages are made of, nor in anything that is published."""
    hidden = TINY_RECIPE.replace("seed = 1\ntruth_public = true", "truth_public = false")
    found = office.done(office.give(JobKind.RECIPE, name="few-digits", toml=hidden))
    assert not found.zoo.truth_public
    assert found.report is not None
    assert {item.name: item.verdict for item in found.report.items}["key"] is Verdict.OK
    store = make_zoo_store(office.settings)
    zoo = store.open(found.zoo.manifest_sha256)
    store.fetch_all(zoo)
    key = read_key(zoo.folder / KEY)
    digest = zoo.manifest.files[KEY].sha256
    showing = {path for path in tmp_path.rglob("*") if path.is_file() and shows_key(path.read_bytes(), key)}
    assert showing == {zoo.folder / KEY, office.settings.home / "store" / "zoos" / "files" / digest[:2] / digest}
    assert not any(path.stat().st_mode & 0o022 for path in showing)
    assert not shows_key("".join(capfd.readouterr()).encode(), key)
    assert not shows_key(publish(zoo, office.settings.home / "public.zip").read_bytes(), key)
    assert office.remains() == []


@pytest.mark.thorough
def test_a_hidden_recipe_with_a_seed_is_refused(office: Office) -> None:
    old = TINY_RECIPE.replace("truth_public = true", "truth_public = false")
    said = office.failed(office.give(JobKind.RECIPE, name="few-digits", toml=old))
    assert "must have no seed" in said
    assert office.remains() == []


def test_a_job_whose_process_dies_is_tried_again_and_given_up_after_the_third_time(office: Office) -> None:
    job = office.give(JobKind.RECIPE, name="few-digits", toml=TINY_RECIPE)
    worker = threading.Thread(target=office.jobs.work)
    worker.start()
    killed: set[int] = set()
    for _ in range(jobs.MAX_TRIES):
        wait_until(lambda: bool(_running("worker.zoo_intake.job_process") - killed), "the job's process")
        for pid in _running("worker.zoo_intake.job_process") - killed:
            os.kill(pid, signal.SIGKILL)
            killed.add(pid)
    worker.join()
    assert len(killed) == office.job(job).tries == jobs.MAX_TRIES
    assert office.job(job).state is JobState.FAILED
    assert "ended in the middle" in (office.job(job).message or "")


def test_a_worker_that_stops_ends_the_jobs_processes_and_gives_it_back(office: Office) -> None:
    slow = TINY_RECIPE.replace("max_epochs = 300", "max_epochs = 10000000").replace(
        "stop_loss = 0.01", "stop_loss = 1e-9"
    )
    job = office.give(JobKind.RECIPE, name="few-digits", toml=slow)
    worker = threading.Thread(target=office.jobs.work)
    worker.start()
    wait_until(lambda: office.job(job).text.startswith("training"), "the training")
    assert _running("model_zoo.training")
    office.jobs.stop()
    worker.join()
    wait_until(lambda: not _running("model_zoo.training"), "the end of all that the job has started")
    assert (office.job(job).state, office.job(job).tries) == (JobState.QUEUED, 0)


@pytest.mark.thorough
def test_one_job_at_a_time_and_only_while_its_lease_holds(office: Office) -> None:
    job = office.give(JobKind.RECIPE, name="few-digits", toml=TINY_RECIPE)
    worker = threading.Thread(target=office.jobs.work)
    worker.start()
    wait_until(lambda: office.job(job).state is JobState.RUNNING, "the job")
    assert office.jobs.work() == 0
    worker.join()
    assert office.job(job).state is JobState.DONE


def _running(module: str) -> set[int]:
    """The processes below this one that run a module."""
    found = set()
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if module in child.cmdline():
                found.add(child.pid)
    return found
