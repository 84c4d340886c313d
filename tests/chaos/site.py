"""The installation under test: a database, a broker, a web server and workers, all of them real processes.

The home folder is a small file system in memory of its own where mounting is possible, so that it can be full or
read-only. Seconds are those of a production installation times `scale`: leases, sweeps, limits, how long faults last.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from model_zoo.store import ZooStore
from server.demo.processes import environment_with, free_port
from server.demo.visitor import Visitor
from submissions.intake.bundle_store import BundleStore
from submissions.people.tokens import Scope, create_token
from submissions.settings import Settings
from submissions.storage.database import Database
from submissions.storage.migrations import migrate
from tests.chaos.control_groups import own_groups
from tests.chaos.measures import norms
from tests.chaos.programs import SHIFT, Program, gengap, in_own_pid_namespace, with_shifted_clock
from tests.factories import Competition, make_competition_on, make_tiny_zoo
from tests.server.api.clients import UNLIMITED
from tests.services import SAFE_COMMITS, PostgresServer, RedisServer, wait_until

PREFIX = "gengap-chaos-"
HOME_BYTES = 64 * 2**20
SLOTS = 2
_PR_SET_CHILD_SUBREAPER = 36


@dataclass
class Site:
    """What faults are injected into. `excuses`: for each killed measure, the submissions that it may be of."""

    base: Path
    settings: Settings
    db: Database
    competition: Competition
    tokens: Mapping[str, str]
    norms: Mapping[str, float]
    fingerprint: float
    web: Program
    workers: list[Program]
    groups: tuple[Path, ...]
    postgres: PostgresServer | None
    redis: RedisServer | None
    has_own_volume: bool
    scale: float
    extras: list[Program] = field(default_factory=list)
    excuses: list[frozenset[int]] = field(default_factory=list)
    faults_of_stopping: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.settings.port}"

    @property
    def programs(self) -> Sequence[Program]:
        return [self.web, *self.workers, *self.extras]

    def keep_running(self) -> None:
        """Start again what has died and is not kept down by a fault."""
        for program in self.programs:
            program.keep_running()

    def open_submissions(self) -> frozenset[int] | None:
        """Those that have not ended; None while the database does not answer."""
        try:
            with self.db.read() as session:
                query = text("SELECT id FROM submissions WHERE state IN ('queued', 'running')")
                return frozenset(session.scalars(query))
        except SQLAlchemyError:
            return None

    def extra_worker(self, name: str) -> Program:
        """One more worker, in a pid namespace of its own; its host's name is that of the others."""
        extra = _worker(name, self.base, self.settings, self.groups)
        extra.command = in_own_pid_namespace(extra.command)
        self.extras.append(extra)
        return extra

    def set_clock(self, worker: Program, seconds: float) -> None:
        """What the worker's next start has as its clock; 0: the right one."""
        worker.command = with_shifted_clock("worker") if seconds else gengap("worker")
        worker.environment = {**worker.environment, SHIFT: str(seconds)}

    def stop(self, programs: Sequence[Program]) -> None:
        """End them in good order, all at the same time; note those that do not end."""
        for program in programs:
            program.ask_to_stop()
        self.faults_of_stopping += filter(None, [one.fault_of_stopping() for one in programs])

    def kill(self) -> None:
        """End every program at once."""
        for program in self.programs:
            program.kill()

    def reap_orphans(self) -> None:
        """Take the exit statuses of adopted children that have ended, as process 1 of a machine does."""
        own = {program.process.pid for program in self.programs if program.process is not None}
        own |= {one.process.pid for one in (self.postgres, self.redis) if one is not None and one.process is not None}
        for child in psutil.Process().children():
            if child.pid not in own and child.status() == psutil.STATUS_ZOMBIE:
                os.waitpid(child.pid, os.WNOHANG)

    def start(self, programs: Sequence[Program]) -> None:
        for program in programs:
            program.start()


@contextmanager
def running_site(*, workers: int, participants: int, is_sqlite: bool, scale: float) -> Iterator[Site]:
    """An installation with a competition and accounts; whatever happens, nothing of it runs after the block."""
    with ExitStack() as stack:
        stack.callback(end_all_below)
        _adopt_orphans(True)
        stack.callback(_adopt_orphans, False)
        base = Path(tempfile.mkdtemp(prefix=PREFIX))
        stack.callback(shutil.rmtree, base, ignore_errors=True)
        groups = stack.enter_context(own_groups())
        stack.callback(end_all_below)  # before the groups, the folder and the mount go
        has_own_volume = stack.enter_context(_volume(base / "home"))
        postgres, redis = (None, None) if is_sqlite else _services(stack)
        settings = _settings(base, postgres, redis, scale)
        db = Database(settings.effective_database_url)
        stack.callback(db.close)
        migrate(db)
        competition, found, fingerprint = _competition(base, settings, db, scale)
        programs = [_worker(f"worker-{number}", base, settings, groups) for number in range(workers)]
        web = Program("web", gengap("serve"), _environment(base, settings), base / "web.log", groups)
        site = Site(
            base=base,
            settings=settings,
            db=db,
            competition=competition,
            tokens={f"person{number}": _token(competition, f"person{number}") for number in range(participants)},
            norms=found,
            fingerprint=fingerprint,
            web=web,
            workers=programs,
            groups=groups,
            postgres=postgres,
            redis=redis,
            has_own_volume=has_own_volume,
            scale=scale,
        )
        stack.callback(site.kill)
        site.start(site.programs)
        visitor = Visitor(site.url)
        stack.callback(visitor.close)
        wait_until(visitor.is_up, "the web server")
        yield site


def _services(stack: ExitStack) -> tuple[PostgresServer, RedisServer]:
    folders = [Path(tempfile.mkdtemp(prefix=f"gengap-{name}-")) for name in ("postgres", "redis")]
    for folder in folders:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
    postgres, redis = PostgresServer(folders[0], SAFE_COMMITS), RedisServer(folders[1])
    stack.callback(postgres.end, signal.SIGINT)
    stack.callback(redis.end, signal.SIGKILL)
    postgres.start()
    redis.start()
    return postgres, redis


def _settings(base: Path, postgres: PostgresServer | None, redis: RedisServer | None, scale: float) -> Settings:
    settings = Settings(
        home=base / "home",
        cache=base / "cache",
        zoo_cache=base / "zoo-cache",
        database_url="" if postgres is None else postgres.url,
        broker_url="filesystem://" if redis is None else redis.url,
        port=free_port(),
        worker_slots=SLOTS,
        lease_s=30 * scale,
        sweep_s=5 * scale,
        **UNLIMITED,
    )
    settings.make_home()
    return settings


def _competition(
    base: Path, settings: Settings, db: Database, scale: float
) -> tuple[Competition, Mapping[str, float], float]:
    """A competition over two zoos, the norm of each network, and that of one that no smoke run sees."""
    public = make_tiny_zoo(base / "public", "public", copies=1)
    secret = make_tiny_zoo(base / "secret", "secret", copies=2, truth_public=False)
    competition = make_competition_on(
        ZooStore(settings.effective_store_url, base / "zoo-cache", 2**30),
        db,
        BundleStore(settings.store_folder),
        [public, secret],
        wall_s=60 * scale,
        memory_bytes=512 * 2**20,
        smoke_networks=2,
        daily_quota=100_000,
        daily_smoke_failures=100_000,
    )
    of_secret = norms(secret)
    return competition, {**norms(public), **of_secret}, max(of_secret.values())


def _worker(name: str, base: Path, settings: Settings, groups: tuple[Path, ...]) -> Program:
    """A worker with a zoo cache of its own, as on a machine of its own."""
    environment = _environment(base, settings) | {"GENGAP_ZOO_CACHE": str(base / "caches" / name)}
    return Program(name, gengap("worker"), environment, base / f"{name}.log", groups)


def _environment(base: Path, settings: Settings) -> dict[str, str]:
    temporary = base / "temporary"
    temporary.mkdir(exist_ok=True)
    return environment_with(settings.model_dump()) | {"TMPDIR": str(temporary)}


def _token(competition: Competition, name: str) -> str:
    user_id = competition.user(name)
    return create_token(competition.db, user_id, "chaos", [Scope.READ, Scope.SUBMIT])[1]


@contextmanager
def _volume(folder: Path) -> Iterator[bool]:
    """A small file system of its own at this place; yields whether it could be mounted."""
    folder.mkdir(mode=0o700)
    options = ["-t", "tmpfs", "-o", f"size={HOME_BYTES},mode=0700", "gengap-chaos", str(folder)]
    try:
        is_mounted = subprocess.run(["mount", *options], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        is_mounted = False
    try:
        yield is_mounted
    finally:
        if is_mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _adopt_orphans(yes: bool) -> None:
    """Whether processes below this one whose parent ends become its children, so that it can find and end them."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, int(yes))


def end_all_below() -> None:
    """End every process below this one."""
    for _ in range(3):  # what a frozen one starts when it goes on
        below = psutil.Process().children(recursive=True)
        for process in below:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(below, timeout=10)
