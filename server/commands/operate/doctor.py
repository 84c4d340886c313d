"""`gengap doctor`: tests what Gengap needs on this machine, and which layers of the sandbox work on it.

A probe never raises and never imports torch. It tests the real thing (starts a temporary sandbox, connects to the
broker) instead of looking at versions. To add a probe, write a function that returns a Check and add it to `examine`;
a probe of a sandbox backend belongs to the backend.
"""

import importlib.metadata
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

import click
import redis
from rich.console import Console
from rich.table import Table
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from model_zoo import ZooError
from model_zoo.store import ZooStoreError
from model_zoo.store.schemes import settings_of
from server.commands.common import settings_or_exit
from server.commands.errors import InputError
from submissions.settings import Settings
from submissions.storage import clock
from submissions.storage.database import Database
from submissions.storage.migrations import newer_schema
from submissions.zoos.registry import hidden_without_key
from submissions.zoos.zoo_store import make_zoo_store
from worker.mailer import PostError, SmtpPost
from worker.sandbox.backends import Backend, find_backend
from worker.sandbox.checks import Check, Found, apt_install
from worker.sandbox.layers.layer_table import TABLE, Layer
from worker.sandbox.layers.seccomp import participant_filter
from worker.sandbox.layers.selftest import SelfTest, try_sandbox
from worker.sandbox.limits import cgroups
from worker.sandbox.protocol import SandboxError

CONNECT_TIMEOUT_S = 5
FREE_BYTES = 2**30
SKEW_S = 1.0
OLDEST_PYTHON = (3, 11)
_NO_SUCH_PREFIX = "NOT_GENGAP_"  # of variables that nobody sets: where those that are set are wrong, the defaults


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def command(as_json: bool) -> None:
    """Report what works on this machine, what is missing and how to get it."""
    found = examine()
    healthy = all(check.state != Found.MISSING for check in found)
    checks, layers = ([check for check in found if check.is_layer is is_layer] for is_layer in (False, True))
    if as_json:
        answer = {"ok": healthy, "checks": [_plain(check) for check in checks], "layers": [_plain(c) for c in layers]}
        click.echo(json.dumps(answer, indent=2))
    else:
        _print(checks, layers, healthy)
    sys.exit(0 if healthy else 1)


def examine() -> list[Check]:
    """Run every probe; the results are in the order of the table, then a line for each layer of the sandbox."""
    checks, settings = [python(), torch()], None
    try:
        settings = settings_or_exit()
    except InputError as error:
        wrong = "; ".join(error.message.splitlines())
        checks.append(Check("settings", Found.MISSING, wrong, "Correct these environment variables."))
    usable = settings or Settings(_env_prefix=_NO_SUCH_PREFIX)
    layers: Mapping[str, bool] = {}
    try:
        backend = find_backend(usable.sandbox)
    except SandboxError as error:
        checks.append(Check("sandbox", Found.MISSING, f"{error}."))
    else:
        tried = try_sandbox(usable)
        layers = tried.layers
        checks += [*(probe() for probe in backend.probes), _sandbox(tried, backend)]
    checks += [system_call_filter(), control_groups()]
    if settings is not None:
        checks += [probe(settings) for probe in (home, disk, database, local_clock, broker, store, hidden_zoos, mail)]
    minimum = settings.sandbox_minimum if settings is not None else ()
    return [*checks, redis_server(), postgresql(), chromium(), *layer_checks(layers, minimum)]


def layer_checks(vector: Mapping[str, bool], minimum: Sequence[str]) -> list[Check]:
    """Return a line for each layer: active, not active, or missing if the setting `sandbox_minimum` requires it."""
    checks = [_layer(layer, vector, minimum) for layer in TABLE]
    unknown = sorted(set(minimum) - {layer.name for layer in TABLE})
    remedy = "Correct GENGAP_SANDBOX_MINIMUM."
    return [*checks, *(Check(name, Found.MISSING, "no layer of this name", remedy, True) for name in unknown)]


def _layer(layer: Layer, vector: Mapping[str, bool], minimum: Sequence[str]) -> Check:
    if vector.get(layer.name, False):
        return Check(layer.name, Found.OK, layer.stops, "", True)
    if layer.name in minimum:
        remedy = f"{layer.remedy} Workers take no work without it."
        return Check(layer.name, Found.MISSING, layer.stops, remedy, True)
    has_better = layer.name == "resident_memory_watch" and vector.get("cgroup_memory", False)
    remedy = "Not needed with cgroup_memory." if has_better else layer.remedy
    return Check(layer.name, Found.ABSENT, layer.stops, remedy, True)


def python() -> Check:
    version = platform.python_version()
    if sys.version_info >= OLDEST_PYTHON:
        return Check("python", Found.OK, version)
    return Check("python", Found.MISSING, version, "Install Python 3.11 or newer and run make setup.")


def torch() -> Check:
    try:
        return Check("torch", Found.OK, importlib.metadata.version("torch"))
    except importlib.metadata.PackageNotFoundError:
        return Check("torch", Found.MISSING, "not installed", "Run make setup.")


def _sandbox(tried: SelfTest, backend: Backend) -> Check:
    """What a real sandbox of the backend that is set did with a probe measure."""
    if tried.works:
        return Check("sandbox", Found.OK, tried.text)
    return Check("sandbox", Found.MISSING, tried.text, backend.remedy)


def system_call_filter() -> Check:
    if participant_filter() is not None:
        return Check("system call filter", Found.OK, "libseccomp")
    words = "no libseccomp.so.2; measures run without a filter of system calls"
    return Check("system call filter", Found.ABSENT, words, apt_install("libseccomp2"))


def control_groups() -> Check:
    """Check where control groups can be created; the layers check whether their limits work."""
    found = cgroups.hierarchy()
    if found is not None and "memory" in found.controllers:
        folders = ", ".join(str(folder) for folder in found.folders)
        return Check("control groups", Found.OK, f"{', '.join(sorted(found.controllers))} in {folders}")
    return Check(
        "control groups",
        Found.ABSENT,
        "no memory controller is usable; workers monitor resident memory instead",
        "Run the worker as root, or as a systemd service with Delegate=yes.",
    )


def home(settings: Settings) -> Check:
    return _writable("home", settings.home, "GENGAP_HOME")


def store(settings: Settings) -> Check:
    """Check that the zoo store can write and read a small object. A folder that does not exist is not created."""
    url = settings.effective_store_url
    try:
        return Check("store", Found.OK, f"{url}, {make_zoo_store(settings).probe()}")
    except ZooStoreError as error:
        return Check("store", Found.MISSING, _first_line(str(error)), f"Correct {settings_of(url)}.")


def disk(settings: Settings) -> Check:
    free_bytes = shutil.disk_usage(_existing(settings.home)).free
    words = f"{free_bytes / 2**30:.1f} GiB free"
    if free_bytes >= FREE_BYTES:
        return Check("disk", Found.OK, words)
    remedy = f"Free {FREE_BYTES // 2**30} GiB, or set GENGAP_HOME to a folder on a larger disk."
    return Check("disk", Found.MISSING, words, remedy)


def database(settings: Settings) -> Check:
    """Check that the database answers. An SQLite file that does not exist is not created."""
    shown = make_url(settings.effective_database_url).render_as_string(hide_password=True)
    if (url := _existing_database(settings)) is None:
        return Check("database", Found.OK, f"{shown}, created at first start")
    try:
        with closing(Database(url)) as opened, opened.read() as session:
            newer = newer_schema(session.connection())
    except (SQLAlchemyError, ImportError) as error:
        remedy = "Start the database, or correct GENGAP_DATABASE_URL."
        return Check("database", Found.MISSING, f"{shown}: {_first_line(str(error))}", remedy)
    if newer is not None:
        return Check("database", Found.MISSING, shown, newer)
    return Check("database", Found.OK, shown)


def local_clock(settings: Settings) -> Check:
    """Compare this machine's clock with the database's, which is the one that counts."""
    if (url := _existing_database(settings)) is None:
        return Check("clock", Found.OK, "the database will go by this machine's")
    try:
        with closing(Database(url)) as opened, opened.engine.connect() as connection:
            ahead_s = clock.skew_s(connection)
    except (SQLAlchemyError, ImportError) as error:
        words = f"not compared with the database's: {_first_line(str(error))}"
        return Check("clock", Found.ABSENT, words, "Correct the database, and run it again.")
    words = f"{abs(ahead_s):.3f} s {'ahead of' if ahead_s > 0 else 'behind'} the database's"
    if abs(ahead_s) < SKEW_S:
        return Check("clock", Found.OK, words)
    remedy = "Set this machine's clock by NTP. Gengap goes by the database's, but logs and file times do not."
    return Check("clock", Found.ABSENT, words, remedy)


def hidden_zoos(settings: Settings) -> Check:
    """Find zoos of phases whose truth is hidden but that have no key, so that a measure may guess what is random."""
    keyless: list[str] = []
    try:
        if (url := _existing_database(settings)) is not None:
            with closing(Database(url)) as db:
                keyless = hidden_without_key(db, make_zoo_store(settings))
    except (SQLAlchemyError, ImportError, ZooError) as error:
        words = f"cannot be looked at: {_first_line(str(error))}"
        return Check("hidden zoos", Found.ABSENT, words, "Correct the database and the store, and run it again.")
    if keyless:
        words = f"without a secret key, so measures may guess their truth: {', '.join(keyless)}"
        remedy = "Make each anew and replace it in its phases; see docs/zoo-check.md, item key."
        return Check("hidden zoos", Found.ABSENT, words, remedy)
    return Check("hidden zoos", Found.OK, "every one that a phase uses has a secret key")


def _existing_database(settings: Settings) -> str | None:
    """Return the address of the database, with a time limit for connecting; None for an SQLite file not made yet."""
    url = make_url(settings.effective_database_url)
    if url.get_backend_name() != "sqlite":
        url = url.update_query_dict({"connect_timeout": str(CONNECT_TIMEOUT_S)})
    elif url.database and not Path(url.database).exists():
        return None
    return url.render_as_string(hide_password=False)


def broker(settings: Settings) -> Check:
    if not settings.broker_url.startswith(("redis://", "rediss://")):
        return Check("broker", Found.OK, f"{settings.broker_url} (files in the home folder)")
    shown = make_url(settings.broker_url).render_as_string(hide_password=True)
    try:
        with redis.Redis.from_url(settings.broker_url, socket_connect_timeout=CONNECT_TIMEOUT_S) as client:
            client.ping()
    except (redis.RedisError, ValueError) as error:
        remedy = "Start Redis, or correct GENGAP_BROKER_URL."
        return Check("broker", Found.MISSING, f"{shown}: {_first_line(str(error))}", remedy)
    return Check("broker", Found.OK, shown)


def mail(settings: Settings) -> Check:
    """Check that the mail server accepts the login. Nothing is sent."""
    if not settings.smtp_host:
        return Check("mail", Found.OK, "printed to the workers' log (GENGAP_SMTP_HOST is empty)")
    shown = f"{settings.smtp_host}:{settings.smtp_port} ({settings.smtp_security})"
    post = SmtpPost(settings)
    try:
        post.open()
    except PostError as error:
        remedy = "Correct GENGAP_SMTP_HOST, _PORT, _SECURITY, _USER and _PASSWORD."
        return Check("mail", Found.MISSING, f"{shown}: {_first_line(str(error))}", remedy)
    finally:
        post.close()
    return Check("mail", Found.OK, shown)


def redis_server() -> Check:
    return _program("redis-server", "redis-server", "for the tests, and as a production broker")


def postgresql() -> Check:
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    found = shutil.which("postgres") or (str(programs[-1]) if programs else None)
    if found is not None:
        return Check("postgresql", Found.OK, found)
    words = "not installed (for the tests, and as a production database)"
    return Check("postgresql", Found.ABSENT, words, apt_install("postgresql"))


def chromium() -> Check:
    return _program("chromium", "chromium", "only for the browser tests")


def _program(program: str, package: str, purpose: str) -> Check:
    if (path := shutil.which(program)) is not None:
        return Check(program, Found.OK, path)
    return Check(program, Found.ABSENT, f"not installed ({purpose})", apt_install(package))


def _writable(name: str, folder: Path, setting: str) -> Check:
    """Check that files can be created in the folder, or where it will be created."""
    existing = _existing(folder)
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        remedy = f"Make {existing} writable for this user, or set {setting}."
        return Check(name, Found.MISSING, f"{folder}: {error.strerror}", remedy)
    return Check(name, Found.OK, f"{folder}{'' if existing == folder else ', created at first start'}")


def _existing(folder: Path) -> Path:
    """Return the path itself, or its nearest parent that exists for this user."""
    while not os.access(folder, os.F_OK):
        folder = folder.parent
    return folder


def _first_line(message: str) -> str:
    return message.strip().partition("\n")[0]


def _plain(check: Check) -> dict[str, str]:
    return {"name": check.name, "state": check.state, "text": check.text, "remedy": check.remedy}


def _print(checks: list[Check], layers: list[Check], healthy: bool) -> None:
    looks = {Found.OK: "green", Found.MISSING: "bold red", Found.ABSENT: "yellow"}
    table = Table("check", "state", "found", "how to get it")
    for check in checks:
        table.add_row(check.name, f"[{looks[check.state]}]{check.state}[/]", check.text, check.remedy)
    console = Console()
    console.print(table)
    words = {Found.OK: "active", Found.MISSING: "missing", Found.ABSENT: "not active"}
    table = Table("layer", "tested now", "what it stops", "how to get it", title="The sandbox's layers")
    for check in layers:
        table.add_row(check.name, f"[{looks[check.state]}]{words[check.state]}[/]", check.text, check.remedy)
    console.print(table)
    console.print("Everything needed works." if healthy else "Something needed is missing; see the tables.")
