"""Fixtures for every room: services, zoos, and a running site of real processes."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import pytest
from argon2 import PasswordHasher

from model_zoo.store import ZooStore
from server.commands.common import make_zoo
from server.demo.processes import Child, environment_with, free_port, running
from server.demo.visitor import Visitor
from submissions.intake.bundle_store import BundleStore
from submissions.people import passwords
from submissions.settings import Settings
from submissions.storage.database import Database
from tests import profiles, temporary_files
from tests.buckets import Bucket
from tests.databases import on_postgres, ready
from tests.factories import Competition, make_competition, make_tiny_zoo, zoo_store_beside
from tests.services import postgres_server, redis_server, s3_server, wait_until

profiles.register()  # `make test-all` asks for another by --hypothesis-profile
hypothesis.settings.load_profile("quick")

# Long tests first, so that all processes end at about the same time. Those that may wait for Docker's images come last.
# Minutes each: first of their room.
LONG = ("test_worker.py", "test_worker_submissions.py", "test_worker_faults.py", "test_zoo_jobs.py")
ORDER = ("demo", "browser", "docs", "server", "submissions", "baselines", "model_zoo", "scoring", "worker")


def pytest_configure(config: pytest.Config) -> None:
    """Temporary files lie in memory where there is room: thousands of small databases and zoos are made."""
    if not hasattr(config, "workerinput"):  # xdist's processes have it from the first one
        temporary_files.move_to_memory()


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        temporary_files.remove()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort by room; mark the cases that need Docker, and those that are thorough for all tests of a fixture."""
    for item in items:
        params = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
        if params.get("backend") == "docker":
            item.add_marker("docker")
        is_second_database = "postgresql" in (params.get("any_db"), params.get("empty_db"))
        if item.get_closest_marker("docker") or (is_second_database and not item.get_closest_marker("both_databases")):
            item.add_marker("thorough")
    items.sort(key=_place)


def _place(item: pytest.Item) -> tuple[int, bool]:
    room = min((ORDER.index(part) for part in item.path.parts if part in ORDER), default=99)
    return room, item.path.name not in LONG


_PRODUCTION_HASHER = passwords._HASHER


@pytest.fixture(scope="session", autouse=True)
def _no_settings_of_this_machine() -> Iterator[None]:
    """Tests never touch the home folder of whoever runs them; only trained zoos are shared through the cache."""
    cache = str(Settings().cache)
    kept = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("GENGAP_")}
    with tempfile.TemporaryDirectory(prefix="gengap-tests-") as home:
        own = {"GENGAP_HOME": home, "GENGAP_CACHE": cache, "GENGAP_ZOO_CACHE": f"{home}/zoo-cache"}
        os.environ |= own
        yield
    for name in own:
        del os.environ[name]
    os.environ |= kept


@pytest.fixture(scope="session", autouse=True)
def _cheap_passwords() -> Iterator[None]:
    """In this process alone argon2id runs at its least cost; a server's child hashes as ever."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        yield


@pytest.fixture
def production_hasher(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords are hashed as outside of tests."""
    monkeypatch.setattr(passwords, "_HASHER", _PRODUCTION_HASHER)


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    with redis_server() as url:
        yield url


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    with postgres_server() as url:
        yield url


@pytest.fixture(scope="session")
def s3_address() -> Iterator[str]:
    with s3_server() as address:
        yield address


@pytest.fixture
def bucket(s3_address: str, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """An empty bucket on a real S3 service, with credentials for it in the environment."""
    for name, value in {"ACCESS_KEY_ID": "key", "SECRET_ACCESS_KEY": "secret", "DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    return Bucket.make(s3_address)


@pytest.fixture(scope="session")
def tiny_zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """8 networks over three axes."""
    return make_tiny_zoo(tmp_path_factory.mktemp("zoos") / "tiny")


@pytest.fixture(scope="session")
def other_zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 networks over three axes, its truth hidden; none of them is in the tiny zoo."""
    folder = tmp_path_factory.mktemp("zoos") / "other"
    return make_tiny_zoo(folder, "other", copies=3, truth_public=False, seed=17)


@pytest.fixture(scope="session")
def digits_mlp() -> Path:
    """The demo's fully connected zoo, trained once per machine."""
    return make_zoo("digits-mlp", Settings())


@pytest.fixture(scope="session")
def digits_cnn() -> Path:
    """The demo's convolutional zoo, trained once per machine."""
    return make_zoo("digits-cnn", Settings())


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A home of its own, short leases, one slot per network in hand."""
    home = tmp_path / "home"
    return Settings(home=home, zoo_cache=home / "zoo-cache", lease_s=3, look_s=0.5, sweep_s=0.5, worker_slots=2)


@pytest.fixture
def store(tmp_path: Path) -> BundleStore:
    return BundleStore(tmp_path / "home" / "store")


@pytest.fixture
def zoos(store: BundleStore) -> ZooStore:
    """The zoo store beside the store of bundles, as in a home folder."""
    return zoo_store_beside(store)


@pytest.fixture(params=["sqlite", "postgresql"])
def any_db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty database at the newest schema, once on each of the two that Gengap runs on."""
    with _new_database(request, tmp_path, migrated=True) as db:
        yield db


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database without any table, once on each of the two."""
    with _new_database(request, tmp_path, migrated=False) as db:
        yield db


@contextmanager
def _new_database(request: pytest.FixtureRequest, folder: Path, *, migrated: bool) -> Iterator[Database]:
    """A database of the kind that the fixture's parameter names."""
    if request.param == "postgresql":
        with on_postgres(request.getfixturevalue("postgres_url"), migrated=migrated) as db:
            yield db
        return
    db = Database(f"sqlite:///{folder / 'gengap.sqlite'}")
    yield ready(db) if migrated else db
    db.close()


@pytest.fixture
def competition(any_db: Database, store: BundleStore, tiny_zoo: Path, other_zoo: Path) -> Competition:
    """A phase over two tiny zoos, 8 and 12 networks, without a smoke run before."""
    return make_competition(any_db, store, [tiny_zoo, other_zoo], smoke_networks=0)


@pytest.fixture
def smoked(any_db: Database, store: BundleStore, tiny_zoo: Path, other_zoo: Path) -> Competition:
    """The same phase with a smoke run on two networks of the tiny zoo, the public one."""
    return make_competition(any_db, store, [other_zoo, tiny_zoo])


@dataclass(frozen=True)
class RunningSite:
    """A web server and a worker as real processes, over a phase with two tiny zoos."""

    url: str
    settings: Settings
    competition: Competition
    children: dict[str, Child]


@pytest.fixture
def running_site(settings: Settings, tiny_zoo: Path, other_zoo: Path) -> Iterator[RunningSite]:
    port = free_port()
    settings = Settings(**(settings.model_dump() | {"port": port, "host": "127.0.0.1"}))
    settings.make_home()
    db = ready(Database(settings.effective_database_url))
    competition = make_competition(
        db, BundleStore(settings.store_folder), [tiny_zoo, other_zoo], wall_s=20.0, shows_logs=True
    )
    children = {
        name: Child(name, (name,), environment_with(settings.model_dump()), settings.home / f"{name}.log")
        for name in ("serve", "worker")
    }
    url = f"http://127.0.0.1:{port}"
    visitor = Visitor(url)
    try:
        with running(list(children.values())):
            wait_until(visitor.is_up, "the web server")
            yield RunningSite(url, settings, competition, children)
    finally:
        visitor.close()
        db.close()
