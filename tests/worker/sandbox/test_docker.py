"""What is particular to the docker backend: containers and their ends, the one kept ready, an engine's errors.

What every backend must do is in the other files of this folder.
"""

import io
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.docker_engine import containers_of_this_process, docker_options, engine, our_containers, require_image
from tests.services import wait_until
from tests.worker.sandbox.sandboxed import NORMAL, failure_of, function, value_of
from worker.sandbox.backends.docker import DockerLauncher, DockerOptions, DockerZygote
from worker.sandbox.backends.docker_cleanup import LABELS, OWNER_LABEL, Owner
from worker.sandbox.layers.seccomp import container_profile
from worker.sandbox.protocol import Code, Limits, NetworkFiles, SandboxError
from worker.sandbox.zygote_sandbox import SANDBOX_ID, ZygoteSandbox

pytestmark = pytest.mark.docker

MIB = 2**20
SLEEPER = function("time.sleep(1000)")


@pytest.fixture
def launcher() -> Iterator[DockerLauncher]:
    """A launcher of its own; when the test ends, nothing of it may be left."""
    made = DockerLauncher(docker_options())
    before = containers_of_this_process()
    yield made
    made.close()
    wait_until(lambda: containers_of_this_process() <= before, "the end of the test's containers")


@pytest.fixture
def ours(launcher: DockerLauncher) -> Callable[[], set[str]]:
    """The containers of this test, not those of other tests' sandboxes that live on."""
    before = containers_of_this_process()
    return lambda: containers_of_this_process() - before


@pytest.fixture
def sandbox(launcher: DockerLauncher) -> Iterator[ZygoteSandbox]:
    made = ZygoteSandbox(launcher)
    yield made
    made.close()


def code(source: str, digest: str = "digest") -> Code:
    return Code({"complexity.py": source.encode()}, digest)


def test_a_measure_has_a_container_of_its_own_and_the_next_one_is_ready(
    sandbox: ZygoteSandbox, network: NetworkFiles, ours: Callable[[], set[str]]
) -> None:
    sandbox.start(code(NORMAL, "first"), Limits())
    assert value_of(sandbox.evaluate(network, 1)) == 20.0
    wait_until(lambda: len(ours()) == 2, "a container in use and a spare one")
    first = ours()
    sandbox.start(code(NORMAL, "first"), Limits())
    assert ours() == first
    sandbox.start(code(NORMAL, "second"), Limits())
    assert value_of(sandbox.evaluate(network, 1)) == 20.0
    wait_until(lambda: len(ours() - first) == 1 and len(ours()) == 2, "the used container's end and a new spare one")
    assert len(ours() & first) == 1


def test_a_spare_container_that_died_is_replaced(
    sandbox: ZygoteSandbox, network: NetworkFiles, ours: Callable[[], set[str]]
) -> None:
    sandbox.start(code(NORMAL, "first"), Limits())
    assert value_of(sandbox.evaluate(network, 1)) == 20.0
    wait_until(lambda: len(ours()) == 2, "a container in use and a spare one")
    for container in ours():
        engine().api.remove_container(container, force=True)
    with pytest.raises(SandboxError):
        sandbox.evaluate(network, 1)
    sandbox.start(code(NORMAL, "second"), Limits())
    assert value_of(sandbox.evaluate(network, 1)) == 20.0


def test_an_image_with_another_harness_is_refused() -> None:
    """It would run, and judge measures by older rules."""
    image = DockerOptions().image
    container = engine().containers.create(image, command="true", labels={"gengap": "test"})
    try:
        older = io.BytesIO()
        with tarfile.open(fileobj=older, mode="w") as archive:
            archive.addfile(tarfile.TarInfo("participant.py"))
        container.put_archive("/opt/inside/worker/harness", older.getvalue())
        container.commit("gengap-sandbox-of-another-version")
    finally:
        container.remove()
    options = replace(docker_options(), image="gengap-sandbox-of-another-version")
    other = ZygoteSandbox(launcher := DockerLauncher(options))
    try:
        with pytest.raises(SandboxError, match="built from another version of Gengap; rebuild it in this checkout"):
            other.start(code(NORMAL), Limits())
    finally:
        other.close()
        launcher.close()
        engine().images.remove("gengap-sandbox-of-another-version")


def test_a_container_makes_room_for_the_phase_s_limits(sandbox: ZygoteSandbox, network: NetworkFiles) -> None:
    """The engine's own limit is above a network's, which its control group holds, and follows it."""
    fill = "block = bytearray(3 * 2**30)\nreturn float(len(block))"
    sandbox.start(code(function(fill)), Limits(memory_bytes=1024 * MIB))
    assert failure_of(sandbox.evaluate(network, 1)).reason == "memory_limit"
    sandbox.start(code(function(fill)), Limits(memory_bytes=4096 * MIB))
    assert value_of(sandbox.evaluate(network, 1)) == 3 * 2**30


def test_the_groups_of_networks_are_within_the_container_s(
    sandbox: ZygoteSandbox, network: NetworkFiles, ours: Callable[[], set[str]]
) -> None:
    """So that what the engine limits stays limited, and what it counts is counted."""
    sandbox.start(code(NORMAL), Limits())
    assert value_of(sandbox.evaluate(network, 1)) == 20.0
    zygote = sandbox._zygote
    assert isinstance(zygote, DockerZygote)
    assert zygote.hierarchy is not None
    containers = ours()
    assert zygote.hierarchy.folders
    assert all(any(name in str(folder) for name in containers) for folder in zygote.hierarchy.folders)


def test_what_the_engine_says_of_a_container(sandbox: ZygoteSandbox) -> None:
    """Everything that it may not do, as the engine understood it."""
    sandbox.start(code(NORMAL), Limits(memory_bytes=1024 * MIB, cpus=1))
    for container in containers_of_this_process(only_running=True):
        told = engine().api.inspect_container(container)
        host, config = told["HostConfig"], told["Config"]
        user, group = map(int, config["User"].split(":"))
        assert user == group >= SANDBOX_ID
        assert host["NetworkMode"] == "none"
        assert host["ReadonlyRootfs"] is True
        assert host["CapDrop"] == ["ALL"]
        assert "no-new-privileges" in host["SecurityOpt"]
        assert f"seccomp={container_profile()}" in host["SecurityOpt"]
        assert host["IpcMode"] == "none"
        assert host["Init"] is True
        assert host["AutoRemove"] is True
        assert host["PidsLimit"] > 0
        assert host["Memory"] == host["MemorySwap"] > 0
        assert host["CpuQuota"] > 0
        assert host["LogConfig"]["Type"] == "none"
        assert not host["Privileged"]
        assert not host["Devices"]
        assert [mount["RW"] for mount in told["Mounts"]] == [False]


def test_a_traced_first_process_cannot_stay_behind() -> None:
    """A process that is stopped under a tracer, as process 1, outlives a container's forced removal on some engines.

    Our profile refuses the call, and our containers' process 1 is not a stranger's.
    """
    options = docker_options()
    trace = "import ctypes; print(ctypes.CDLL(None, use_errno=True).ptrace(0, 0, 0, 0))"
    settings = {"entrypoint": ["/opt/gengap/bin/python"], "command": ["-c", trace], "network_mode": "none"}
    settings |= {"user": "61184:61184"}
    said = [
        engine().containers.run(
            options.image, security_opt=["no-new-privileges", f"seccomp={profile}"], remove=True, **settings
        )
        for profile in (container_profile(), "unconfined")
    ]
    assert said == [b"-1\n", b"0\n"]


def test_a_worker_that_is_killed_leaves_nothing(network: NetworkFiles) -> None:
    """Killed while a measure runs, a container stands ready and nobody is there to clean up."""
    options = docker_options()
    script = f"""
from pathlib import Path
from worker.sandbox.backends.docker import DockerLauncher, DockerOptions
from worker.sandbox.backends.docker_cleanup import Owner
from worker.sandbox.protocol import Code, Limits, NetworkFiles
from worker.sandbox.zygote_sandbox import SANDBOX_ID, ZygoteSandbox
launcher = DockerLauncher(DockerOptions({options.image!r}, socket={options.socket!r}))
sandbox = ZygoteSandbox(launcher)
sandbox.start(Code({{"complexity.py": {SLEEPER.encode()!r}}}, "d"), Limits(wall_s=1000))
launcher.prepare()
print(Owner.this_process(), flush=True)
sandbox.evaluate(NetworkFiles({dict(network.architecture)!r}, Path({str(network.weights)!r}), None,
                              Path({str(network.training_data)!r}), {network.classes}), 1)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        owner = process.stdout.readline().decode().strip()

        def containers() -> list[str]:
            return [name for name, its_owner in our_containers().items() if its_owner == owner]

        def meetings() -> list[Path]:
            return list(Path(tempfile.gettempdir()).glob(f"gengap-meeting-{process.pid}-*"))

        def are_both_there() -> bool:
            return len(containers()) == 2 and not meetings()

        try:
            wait_until(lambda: are_both_there() and is_measuring(process.pid), "a measure and a spare container")
        finally:  # or nobody would ever end it
            process.kill()
            process.wait()
    wait_until(lambda: not containers(), "the end of both containers")
    wait_until(lambda: not groups(process.pid), "the end of their control groups")
    assert not meetings()


def test_what_a_dead_worker_left_is_removed_by_the_next_and_nobody_else_s() -> None:
    """A container that never started, which no engine removes by itself, and the folder where it was awaited."""
    image = docker_options().image
    us = Owner.this_process()
    dead = Owner(us.boot, us.namespace, us.pid, str(int(us.start) + 1))
    elsewhere = Owner(us.boot, us.namespace + "0", us.pid, us.start)
    made = {
        owner: engine().containers.create(image, ["true"], labels=LABELS | {OWNER_LABEL: owner})
        for owner in (str(us), str(dead), str(elsewhere), "no owner of ours")
    }
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    folder = Path(tempfile.mkdtemp(prefix=f"gengap-meeting-{int(ended.stdout)}-"))
    launcher = DockerLauncher(docker_options())
    try:
        launcher.launch().stop()
        left = our_containers()
        assert {owner: made[owner].id in left for owner in made} == {
            str(us): True,
            str(dead): False,
            str(elsewhere): True,
            "no owner of ours": True,
        }
        assert not folder.exists()
    finally:
        launcher.close()
        for container in made.values():
            if container.id in our_containers():
                container.remove(force=True)


@pytest.mark.parametrize("socket", ["/nowhere/docker.sock", "unix:///nowhere/docker.sock"])
def test_without_an_engine_it_says_what_to_do(socket: str) -> None:
    launcher = DockerLauncher(DockerOptions(socket=socket))
    with pytest.raises(SandboxError, match=r"no Docker engine answers at .*/nowhere/docker.sock.*GENGAP_DOCKER_SOCKET"):
        launcher.launch()
    launcher.close()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"image": "gengap-nosuch"}, r"no image gengap-nosuch; .*`docker build --target sandbox -t gengap-nosuch \."),
        ({"image": "gengap-server"}, r"another version of Gengap; .* with `docker build --target sandbox"),
        ({"runtime": "gengap-nosuch"}, r"refused a sandbox: .*gengap-nosuch"),
    ],
)
def test_what_the_engine_refuses_is_told_and_leaves_no_container(wrong: dict[str, str], said: str) -> None:
    options = docker_options()
    require_image("gengap-server")
    before = containers_of_this_process()
    launcher = DockerLauncher(replace(options, **wrong))
    with pytest.raises(SandboxError, match=said):
        launcher.launch()
    launcher.close()
    wait_until(lambda: containers_of_this_process() <= before, "the end of what was made in vain")


def test_a_zygote_s_last_words_are_kept(launcher: DockerLauncher, ours: Callable[[], set[str]]) -> None:
    """Though the container and its log are gone by then."""
    zygote = launcher.launch()
    zygote.control.send(b"n")  # a message without the descriptors that must come with it
    wait_until(lambda: not zygote.is_alive, "the zygote's end")
    assert "ValueError" in zygote.stop()
    wait_until(lambda: len(ours()) <= 1, "the end of its container")


def test_a_measure_that_stops_itself_is_ended_from_outside(sandbox: ZygoteSandbox, network: NetworkFiles) -> None:
    """The supervisor kills by the process number on this machine, whatever goes on in the container."""
    sandbox.start(code(function("import signal\nos.kill(os.getpid(), signal.SIGSTOP)")), Limits(wall_s=0.5))
    assert failure_of(sandbox.evaluate(network, 1)).reason == "time_limit"


def groups(pid: int) -> list[Path]:
    """The control groups that this process has made, whatever container they are in."""
    found = ((Path(folder), names) for folder, names, _ in os.walk("/sys/fs/cgroup"))
    return [folder / name for folder, names in found for name in names if name.startswith(f"gengap-{pid}-")]


def is_measuring(pid: int) -> bool:
    """Whether a network's processes, init and participant, are in one of them."""
    return any(len((group / "cgroup.procs").read_text().split()) >= 2 for group in groups(pid))
