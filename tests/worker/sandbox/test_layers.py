"""Layers are tried, not assumed: each is told present where it holds and absent where it was taken away."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from server.commands.operate.doctor import layer_checks
from submissions.settings import Settings
from tests.worker.conftest import Evaluate
from tests.worker.sandbox.sandboxed import NORMAL, function, make_sandbox, value_of
from worker.harness import landlock
from worker.sandbox.backends import bubblewrap
from worker.sandbox.backends.docker import DockerZygote
from worker.sandbox.checks import Found
from worker.sandbox.layers.layer_check import probe
from worker.sandbox.layers.layer_table import TABLE, missing
from worker.sandbox.limits import cgroups
from worker.sandbox.pool import make_pool
from worker.sandbox.protocol import Code, Fences, Limits, NetworkFiles, Outcome, SandboxError
from worker.sandbox.zygote_sandbox import SANDBOX_ID, ZygoteSandbox

pytestmark = pytest.mark.usefixtures("the_next_network_is_unaffected")

ALWAYS = {"namespaces", "no_network", "read_only_files", "no_capabilities", "seccomp", "cpu_affinity"}
HAS_LANDLOCK = landlock.version() > 0


def test_what_this_machine_has_is_told_as_holding(sandbox: ZygoteSandbox) -> None:
    vector = probe(sandbox)
    held = {name for name, is_held in vector.items() if is_held}
    found = cgroups.hierarchy()
    controllers = found.controllers if found is not None else frozenset()
    assert set(vector) == {layer.name for layer in TABLE}
    assert held >= ALWAYS
    assert vector["landlock"] == HAS_LANDLOCK
    assert vector["cgroup_memory"] == ("memory" in controllers)
    assert vector["cgroup_processes"] == ("pids" in controllers)
    assert vector["resident_memory_watch"] != vector["cgroup_memory"]


def test_the_watch_takes_over_where_control_groups_are_missing(
    sandbox: ZygoteSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cgroups, "hierarchy", lambda: None)
    monkeypatch.setattr(DockerZygote, "hierarchy", None)
    vector = probe(sandbox)
    assert not vector["cgroup_memory"]
    assert not vector["cgroup_processes"]
    assert vector["resident_memory_watch"]


class _Lowered:
    """A sandbox in which some fences are down, whatever the probe asks for."""

    def __init__(self, sandbox: ZygoteSandbox, lowered: dict[str, bool]) -> None:
        self._sandbox = sandbox
        self._lowered = lowered

    @property
    def added_layers(self) -> Mapping[str, bool]:
        return self._sandbox.added_layers

    @property
    def outside_user(self) -> int | None:
        return self._sandbox.outside_user

    def try_out(self, measure: Code, limits: Limits, fences: Fences, network: NetworkFiles) -> Outcome:
        asked = {name: getattr(fences, name) for name in ("seccomp", "landlock", "kernel_limits", "control_groups")}
        return self._sandbox.try_out(measure, limits, Fences(**(asked | self._lowered)), network)


@pytest.mark.parametrize(
    ("lowered", "lost"),
    [
        ({"seccomp": False}, {"seccomp", "cpu_affinity"}),
        ({"landlock": False}, {"landlock"}),
        ({"control_groups": False}, {"cgroup_memory", "cgroup_processes"}),
        ({"kernel_limits": False}, set()),
    ],
)
def test_a_layer_that_is_down_is_told_as_missing(
    sandbox: ZygoteSandbox, lowered: dict[str, bool], lost: set[str]
) -> None:
    whole = probe(sandbox)
    vector = probe(_Lowered(sandbox, lowered))
    assert {name for name in vector if whole[name] and not vector[name]} == {name for name in lost if whole[name]}


@pytest.mark.parametrize(
    ("option", "inside", "is_frozen", "lost"),
    [
        ("--bind", "/etc", True, set()),
        ("--bind", "/etc", False, {"read_only_files"}),
        ("--ro-bind", "/etc/passwd", True, {"namespaces"}),
    ],
)
def test_a_hole_in_the_mounts_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, option: str, inside: str, is_frozen: bool, lost: set[str]
) -> None:
    """Something more in the sandbox's view: a folder that may be written, or a file of this machine.

    A network makes all that it sees read-only itself: such a folder is a hole only if it leaves that out.
    """
    whole = bubblewrap.command_line
    writable = tmp_path / "writable"
    writable.mkdir()
    for folder in (tmp_path, writable):
        folder.chmod(0o777)
    if not is_frozen:
        monkeypatch.setattr(bubblewrap, "_ROOM", _without_freezing(tmp_path / "room"))

    def leaking(**options: bool) -> list[str]:
        command = whole(**options)
        at = command.index("--proc")
        shown = inside if option == "--ro-bind" else str(writable)
        return [*command[:at], "--perms", "0755", "--dir", "/etc", option, shown, inside, *command[at:]]

    monkeypatch.setattr(bubblewrap, "command_line", leaking)
    sandbox = make_sandbox()
    try:
        vector = probe(sandbox)
    finally:
        sandbox.close()
    assert {name for name in ALWAYS if not vector[name]} == lost


def _without_freezing(room: Path) -> Path:
    """A copy of what a zygote gets of this repository, in which networks leave mounts as they are."""
    for part in ("worker/harness", "model_zoo/architectures", "submissions/baselines/gengap_measures"):
        shutil.copytree(bubblewrap._ROOM / part, room / part)
    lockdown = room / "worker" / "harness" / "lockdown.py"
    source = lockdown.read_text()
    assert source.count("for mount in writable:") == 1
    lockdown.write_text(source.replace("for mount in writable:", "for mount in ():"))
    return room


def test_a_pool_tries_its_layers_once_for_all_slots() -> None:
    pool = make_pool(Settings(sandbox="bubblewrap"), 2)
    try:
        vector = pool.layers()
        with pool.borrow() as one, pool.borrow() as other:
            assert one.layers is other.layers is vector
        assert missing(pool.layers(), ("no_network", "seccomp")) == ()
    finally:
        pool.close()


def test_trying_the_layers_keeps_the_measure_that_was_started(sandbox: ZygoteSandbox, network: NetworkFiles) -> None:
    sandbox.start(Code({"complexity.py": NORMAL.encode()}, "d"), Limits())
    probe(sandbox)
    assert value_of(sandbox.evaluate(network, 1)) == 20.0


def test_a_pool_whose_sandboxes_do_not_start_has_no_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    pool = make_pool(Settings(sandbox="bubblewrap"), 1)
    with pytest.raises(SandboxError, match="bubblewrap is not installed"):
        pool.layers()
    pool.close()


def test_what_is_missing_of_a_minimum_is_named_in_its_order() -> None:
    vector = {"seccomp": True, "landlock": False}
    assert missing(vector, ("landlock", "seccomp", "nonsuch")) == ("landlock", "nonsuch")
    assert missing(vector, ()) == ()


# What only Landlock refuses: the mounts of bubblewrap would allow it.
BEYOND_MOUNTS = [
    "os.listdir('/dev')",
    "os.listdir('/')",
    "open('/dev/full')",
    "socket.socket().bind(('0.0.0.0', 0))",
    "socket.socket().connect(('127.0.0.1', 9))",
    "os.mknod('/tmp/x', 0o600 | __import__('stat').S_IFCHR, 0)",
]


@pytest.mark.skipif(not HAS_LANDLOCK, reason="this kernel has no Landlock")
@pytest.mark.parametrize("attempt", BEYOND_MOUNTS)
def test_landlock_refuses_by_itself(sandbox: ZygoteSandbox, network: NetworkFiles, attempt: str) -> None:
    if "socket" in attempt and landlock.version() < 4:
        pytest.skip("this kernel's Landlock knows no ports")
    source = function(f"try: {attempt}\nexcept PermissionError: return 1.0\nexcept OSError: return 2.0\nreturn 3.0")
    code = Code({"complexity.py": source.encode()}, "d")
    refused, allowed = (
        value_of(sandbox.try_out(code, Limits(), Fences(seccomp=False, landlock=is_on), network))
        for is_on in (True, False)
    )
    assert refused == 1.0
    # A device needs rights that nobody has here, and a container's own filter knows no sockets but local ones.
    is_forbidden_anyway = "mknod" in attempt or ("socket" in attempt and sandbox.added_layers.get("container", False))
    assert allowed != 1.0 or is_forbidden_anyway, "the control: without Landlock it is not forbidden"


def test_scratch_folders_stay_usable_behind_landlock(evaluate: Evaluate) -> None:
    """Everything that a measure may do to files of its own."""
    body = """
    os.makedirs("/tmp/a/b")
    for folder in ("/tmp/a", "/dev/shm"):
        with open(f"{folder}/one", "w+") as file:
            file.write("text")
            file.truncate(2)
        os.rename(f"{folder}/one", f"{folder}/two")
        os.link(f"{folder}/two", f"{folder}/three")
        os.symlink("two", f"{folder}/four")
        os.truncate(f"{folder}/two", 1)
        os.remove(f"{folder}/three")
    os.rename("/tmp/a/two", "/tmp/a/b/two")
    with open("/dev/null", "w") as null, open("/dev/urandom", "rb") as source, open("/dev/zero", "rb") as zero:
        null.write("x")
        return len(source.read(4)) + len(zero.read(4)) + len(os.listdir("/dev/shm"))
    """
    assert value_of(evaluate(function(body))) == 10.0


def test_processes_belong_to_a_user_who_owns_nothing(sandbox: ZygoteSandbox, network: NetworkFiles) -> None:
    """As root; else they belong to whoever runs the worker."""
    vector = probe(sandbox)
    assert vector["dedicated_user"] == (os.getuid() == 0)
    if os.getuid() == 0:
        assert sandbox.outside_user is not None
        assert sandbox.outside_user >= SANDBOX_ID


def test_who_cannot_read_python_stays_who_he_is(monkeypatch: pytest.MonkeyPatch, network: NetworkFiles) -> None:
    """An environment that only root may read still works, and the vector says what that costs."""
    monkeypatch.setattr(bubblewrap, "_dedicated_user", lambda _number: 0)
    sandbox = make_sandbox()
    try:
        vector = probe(sandbox)
    finally:
        sandbox.close()
    assert not vector["dedicated_user"]
    assert {name for name in ALWAYS if not vector[name]} == set()


def test_the_doctor_tells_layers_that_workers_need_from_those_that_would_be_better() -> None:
    lines = layer_checks({"seccomp": True, "cgroup_memory": True}, ("seccomp", "namespaces", "nonsuch"))
    states = {line.name: line.state for line in lines}
    assert (states["seccomp"], states["namespaces"], states["landlock"]) == (Found.OK, Found.MISSING, Found.ABSENT)
    assert states["nonsuch"] is Found.MISSING
    remedies = {line.name: line.remedy for line in lines}
    assert remedies["resident_memory_watch"] == "Not needed with cgroup_memory."
    assert remedies["namespaces"].endswith("Workers take no work without it.")
