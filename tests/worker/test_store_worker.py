"""A worker whose zoos are on S3: scores a submission, and says which object is at fault when the store is."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from model_zoo import open_zoo
from submissions.intake.bundle_store import BundleStore
from submissions.settings import Settings
from submissions.storage.database import Database
from submissions.storage.migrations import migrate
from submissions.storage.states import State
from submissions.zoos.zoo_store import make_zoo_store
from tests.buckets import Bucket
from tests.factories import Competition, make_competition_on
from tests.model_zoo.store.stores import object_of
from tests.services import wait_until
from tests.worker.worker_processes import has_ended, worker


@pytest.fixture
def remote(settings: Settings, bucket: Bucket) -> Settings:
    """Zoos in a bucket, and a cache with room for a few of a tiny zoo's networks."""
    own = {"store_url": bucket.url, "store_endpoint": bucket.address, "zoo_cache_bytes": 12_000}
    return Settings(**(settings.model_dump() | own))


@pytest.fixture
def db(remote: Settings) -> Iterator[Database]:
    remote.make_home()
    db = Database(remote.effective_database_url)
    migrate(db)
    yield db
    db.close()


def competition_on(db: Database, settings: Settings, *zoo_folders: Path) -> Competition:
    store = BundleStore(settings.store_folder)
    return make_competition_on(make_zoo_store(settings), db, store, zoo_folders, smoke_networks=0)


@pytest.mark.thorough
def test_a_submission_is_scored_on_zoos_that_are_on_s3(
    remote: Settings, db: Database, bucket: Bucket, tiny_zoo: Path, other_zoo: Path
) -> None:
    competition = competition_on(db, remote, tiny_zoo, other_zoo)
    assert {f"zoos/{open_zoo(folder).manifest_sha256}.json" for folder in (tiny_zoo, other_zoo)} <= bucket.names()
    submission_id = competition.submit(competition.user())
    with worker(remote):
        wait_until(has_ended(competition, submission_id), "the submission")
    assert competition.submission(submission_id).state is State.SCORED
    assert [e.kendall_tau for e in competition.evaluations(submission_id)] == [1.0, 1.0]
    kept = [path for path in remote.zoo_cache.rglob("*.safetensors") if path.is_file()]
    assert kept
    assert sum(path.stat().st_size for path in kept) <= remote.zoo_cache_bytes + max(p.stat().st_size for p in kept)
    assert not (remote.store_folder / "zoos").exists()


@pytest.mark.thorough
def test_a_damaged_object_breaks_the_submission_and_is_named(
    remote: Settings, db: Database, bucket: Bucket, tiny_zoo: Path
) -> None:
    competition = competition_on(db, remote, tiny_zoo)
    training = object_of(open_zoo(tiny_zoo).manifest.files["public/train.safetensors"].sha256)
    bucket.write(training, b"?" * len(bucket.read(training)))
    submission_id = competition.submit(competition.user())
    with worker(remote) as child:
        wait_until(lambda: [bool(run.tries) for run in competition.runs()] == [True] * 8, "a try of every run")
        competition.let_faults_age()
        wait_until(has_ended(competition, submission_id), "the submission")
    submission = competition.submission(submission_id)
    assert (submission.state, submission.reason) == (State.BROKEN, None)
    assert submission.detail is not None
    assert training.rpartition("/")[2] in submission.detail
    assert "/" not in submission.detail
    assert f"{bucket.url}/{training}: damaged in the store" in child.log.read_text()
