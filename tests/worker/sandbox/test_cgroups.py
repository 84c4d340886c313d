"""Control groups of both versions: found where they may be used, with every limit, and removed again."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from submissions.storage.limits import Limits
from tests.services import wait_until
from tests.worker.sandbox.kernel_groups import KernelGroups
from worker.sandbox.limits import cgroups, cgroups_v1, cgroups_v2

MIB = 2**20
MOUNTS = Path("/proc/self/mountinfo").read_text()
OWN = Path("/proc/self/cgroup").read_text()


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KernelGroups:
    groups = KernelGroups(tmp_path / "cgroup")
    groups.install(monkeypatch)
    return groups


def test_a_delegated_group_is_divided_and_its_processes_move_into_a_leaf(
    kernel: KernelGroups, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As systemd makes it with Delegate=yes: mounted whole, our group given to us, one more process in it."""
    kernel.put(kernel.top, "cgroup.subtree_control", "cpu memory pids")
    slice_ = kernel.group("system.slice", shared="cpu memory pids")
    ours = kernel.group("system.slice/gengap.service", processes="10\n11\n")
    monkeypatch.setattr(os, "listxattr", lambda path: ["trusted.delegate"] if Path(path) == ours else [])
    found = cgroups_v2.find(kernel.mountinfo, "0::/system.slice/gengap.service\n")
    assert found == cgroups_v2.Hierarchy(ours, frozenset({"cpu", "memory", "pids"}))
    assert kernel.read(ours, "cgroup.procs") == ""
    assert kernel.read(ours / cgroups_v2.LEAF, "cgroup.procs").split() == ["10", "11"]
    assert kernel.read(slice_, "cgroup.procs") == ""


def test_a_second_look_from_the_leaf_finds_the_same_place(
    kernel: KernelGroups, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker's child, or the worker started again, is in the leaf already."""
    kernel.put(kernel.top, "cgroup.subtree_control", "cpu memory pids")
    ours = kernel.group("gengap.service", processes="10\n")
    monkeypatch.setattr(os, "listxattr", lambda _path: ["user.delegate"])
    first = cgroups_v2.find(kernel.mountinfo, "0::/gengap.service\n")
    assert first is not None
    assert cgroups_v2.find(kernel.mountinfo, f"0::/gengap.service/{cgroups_v2.LEAF}\n") == first
    assert not (ours / cgroups_v2.LEAF / cgroups_v2.LEAF).exists()


def test_a_containers_root_is_ours(kernel: KernelGroups) -> None:
    """Its own view of the tree begins at its group, which looks like any other group to the kernel."""
    kernel.put(kernel.top, "cgroup.type", "domain")
    kernel.put(kernel.top, "cgroup.procs", "1\n7\n")
    found = cgroups_v2.find(kernel.mountinfo, "0::/\n")
    assert found == cgroups_v2.Hierarchy(kernel.top, frozenset({"cpu", "memory", "pids"}))
    assert kernel.read(kernel.top / cgroups_v2.LEAF, "cgroup.procs").split() == ["1", "7"]


def test_the_machines_root_keeps_its_processes(kernel: KernelGroups) -> None:
    kernel.put(kernel.top, "cgroup.procs", "1\n2\n")
    assert cgroups_v2.find(kernel.mountinfo, "0::/\n") is not None
    assert kernel.read(kernel.top, "cgroup.procs").split() == ["1", "2"]
    assert not (kernel.top / cgroups_v2.LEAF).exists()


def test_in_a_group_that_is_not_ours_groups_are_made_beside_it(
    kernel: KernelGroups, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A login session's processes are nobody's to move; the group above already shares out its controllers."""
    monkeypatch.setattr(os, "listxattr", lambda _path: [])
    kernel.put(kernel.top, "cgroup.subtree_control", "memory pids")
    above = kernel.group("user.slice", shared="memory pids")
    session = kernel.group("user.slice/session-1.scope", processes="10\n11\n")
    found = cgroups_v2.find(kernel.mountinfo, "0::/user.slice/session-1.scope\n")
    assert found == cgroups_v2.Hierarchy(above, frozenset({"memory", "pids"}))
    assert kernel.read(session, "cgroup.procs").split() == ["10", "11"]


def test_a_user_without_delegation_has_no_groups(kernel: KernelGroups) -> None:
    kernel.put(kernel.top, "cgroup.subtree_control", "cpu memory pids")
    session = kernel.group("session-1.scope", processes="10\n")
    kernel.readonly |= {kernel.top, session}
    assert cgroups_v2.find(kernel.mountinfo, "0::/session-1.scope\n") is None
    assert kernel.read(session, "cgroup.procs") == "10"


def test_a_hierarchy_with_neither_memory_nor_processes_is_left_alone(tmp_path: Path) -> None:
    """As on machines where version 1 has the controllers and version 2 is mounted beside it."""
    kernel = KernelGroups(tmp_path / "cgroup", "cpu")
    assert cgroups_v2.find(kernel.mountinfo, "0::/\n") is None
    assert cgroups_v2.find("", OWN) is None


def test_a_mount_that_shows_a_part_of_the_tree_is_understood(kernel: KernelGroups) -> None:
    """A container without a view of its own: paths begin above what is mounted."""
    mountinfo = kernel.mountinfo.replace(" / ", " /docker/abc ", 1)
    kernel.put(kernel.top, "cgroup.type", "domain")
    found = cgroups_v2.find(mountinfo, "0::/docker/abc\n")
    assert found is not None
    assert found.parent == kernel.top


def test_a_group_of_version_2_has_every_limit_and_account(kernel: KernelGroups) -> None:
    place = cgroups_v2.find(kernel.mountinfo, "0::/\n")
    assert place is not None
    group = place.create("gengap-1-x", Limits(memory_bytes=64 * MIB, processes=10, cpus=2))
    folder = kernel.top / "gengap-1-x"
    limits = ("memory.max", "memory.swap.max", "memory.oom.group", "pids.max", "cpu.max")
    assert [kernel.read(folder, name) for name in limits] == [str(64 * MIB), "0", "1", "10", "200000 100000"]
    assert group.limits_memory
    group.add(123)
    assert kernel.read(folder, "cgroup.procs") == "123"
    assert (group.out_of_memory(), group.peak_bytes(), group.cpu_s()) == (False, 0, 0.0)
    kernel.put(folder, "memory.events", "low 0\noom 1\noom_kill 0\n")
    assert not group.out_of_memory(), "an allocation failed, and nobody was killed"
    kernel.put(folder, "memory.events", "low 0\noom 1\noom_kill 2\noom_group_kill 1\n")
    kernel.put(folder, "memory.peak", "4096\n")
    kernel.put(folder, "cpu.stat", "usage_usec 2500000\nuser_usec 1\n")
    assert (group.out_of_memory(), group.peak_bytes(), group.cpu_s()) == (True, 4096, 2.5)
    with pytest.raises(OSError, match="busy"):
        group.remove()
    group.kill()
    group.remove()
    assert not folder.exists()


def test_a_group_has_room_for_init_the_measure_and_every_process_granted_to_it(kernel: KernelGroups) -> None:
    place = cgroups_v2.find(kernel.mountinfo, "0::/\n")
    assert place is not None
    cgroups.create(place, Limits(memory_bytes=64 * MIB, processes=10, cpus=3))
    (folder,) = kernel.top.glob(f"{cgroups.PREFIX}-{os.getpid()}-*")
    limits = ("memory.max", "pids.max", "cpu.max")
    assert [kernel.read(folder, name) for name in limits] == [str(64 * MIB), "12", "300000 100000"]


def test_a_kernel_without_the_newer_files_is_borne(kernel: KernelGroups) -> None:
    """No swap accounting, older than 5.14 (kill) and 5.19 (peak)."""
    group = cgroups_v2.Group(kernel.group("old"), frozenset({"memory", "pids"}))
    for name in ("cgroup.kill", "memory.peak"):
        (group.folder / name).unlink(missing_ok=True)
    group.kill()
    assert group.peak_bytes() is None


@pytest.fixture
def spinner() -> Iterator[subprocess.Popen[bytes]]:
    """A process that waits for a line, then starts another and keeps both busy."""
    code = "import os, sys\nsys.stdin.readline()\nos.fork()\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def test_real_groups_of_version_2_count_and_kill(spinner: subprocess.Popen[bytes]) -> None:
    """Without controllers, which may all be version 1's: what every group of version 2 can do."""
    mounted = re.search(r"^\S+ \S+ \S+ \S+ (\S+) .* - cgroup2 ", MOUNTS, re.MULTILINE)
    if mounted is None or not os.access(mounted[1], os.W_OK):
        pytest.skip("no hierarchy of version 2 may be written here")
    group = cgroups_v2.Hierarchy(Path(mounted[1]), frozenset()).create(
        f"gengap-{os.getpid()}-test", Limits(memory_bytes=MIB, processes=1)
    )
    assert isinstance(group, cgroups_v2.Group)
    group.add(spinner.pid)
    assert spinner.stdin is not None
    spinner.stdin.write(b"go\n")
    spinner.stdin.flush()
    wait_until(lambda: (group.cpu_s() or 0) > 0.1, "some processor time")
    assert len((group.folder / "cgroup.procs").read_text().split()) == 2
    assert (group.limits_memory, group.out_of_memory(), group.peak_bytes()) == (False, False, None)
    group.kill()
    assert spinner.wait() == -9
    wait_until(lambda: not (group.folder / "cgroup.procs").read_text(), "the end of both processes")
    group.remove()


def test_real_groups_of_version_1_limit_and_count(spinner: subprocess.Popen[bytes]) -> None:
    place = cgroups_v1.find(MOUNTS, OWN)
    if place is None:
        pytest.skip("no hierarchy of version 1 may be written here")
    group = place.create(f"gengap-{os.getpid()}-test", Limits(memory_bytes=64 * MIB, processes=1))
    if "memory" in place.controllers:  # with swap, where the kernel counts that
        limits = [
            file
            for pattern in ("limit", "memsw.limit")
            for file in group.places["memory"].glob(f"memory.{pattern}_in_bytes")
        ]
        assert {int(limit.read_text()) for limit in limits} == {64 * MIB}
    group.add(spinner.pid)
    assert spinner.stdin is not None
    spinner.stdin.write(b"go\n")
    spinner.stdin.flush()
    if "pids" in place.controllers:
        assert spinner.wait() == 1, "fork fails: one process was the limit"
    if "cpuacct" in place.controllers:
        assert (group.cpu_s() or 0) > 0
    if "memory" in place.controllers:
        assert (group.peak_bytes() or 0) > 0
        assert not group.out_of_memory()
    spinner.kill()
    spinner.wait()
    group.remove()
    assert not any((folder / f"gengap-{os.getpid()}-test").exists() for folder in place.folders)


def test_a_group_of_version_1_has_the_limits_that_were_asked_for(tmp_path: Path) -> None:
    for controller in ("memory", "pids", "cpu"):
        (tmp_path / controller).mkdir()
    place = cgroups_v1.Hierarchy({controller: tmp_path / controller for controller in ("memory", "pids", "cpu")})
    group = place.create("group", Limits(memory_bytes=64 * MIB, processes=10, cpus=3))
    written = {path.name: path.read_text() for folder in group.places.values() for path in folder.iterdir()}
    assert written == {
        "memory.limit_in_bytes": str(64 * MIB),
        "pids.max": "10",
        "cpu.cfs_period_us": "100000",
        "cpu.cfs_quota_us": "300000",
    }


HYBRID = """\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw
33 31 0:31 / {0}/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 /outer {0}/memory rw,relatime - cgroup cgroup rw,memory
"""


def test_version_1_is_found_where_controllers_share_a_folder(tmp_path: Path) -> None:
    """Our own group where it may be written, else the top; a controller that is not mounted is left out."""
    (tmp_path / "cpu,cpuacct").mkdir()
    (tmp_path / "memory" / "inner").mkdir(parents=True)
    own = "4:memory:/outer/inner\n3:cpu,cpuacct:/elsewhere\n"
    found = cgroups_v1.find(HYBRID.format(tmp_path), own)
    assert found is not None
    together = tmp_path / "cpu,cpuacct"
    assert found.parents == {"memory": tmp_path / "memory" / "inner", "cpu": together, "cpuacct": together}
    assert cgroups_v1.find("", own) is None


def test_nothing_to_make_groups_in_is_no_error() -> None:
    group = cgroups.create(None, Limits())
    group.add(os.getpid())
    group.kill()
    group.remove()
    assert (group.limits_memory, group.out_of_memory(), group.peak_bytes(), group.cpu_s()) == (False, False, None, None)


def test_an_empty_group_is_removed_once_it_is_old_whoever_made_it_and_one_with_processes_never() -> None:
    """A worker in another pid namespace has an id that belongs to somebody else here."""
    place = cgroups.hierarchy()
    if place is None:
        pytest.skip("no control group may be made here")
    limits = Limits(memory_bytes=64 * MIB, processes=4)
    empty, busy = (place.create(f"gengap-{os.getpid()}-{name}", limits) for name in ("empty", "busy"))
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        busy.add(child.pid)
        cgroups.remove_stale()
        assert all((parent / f"gengap-{os.getpid()}-empty").exists() for parent in place.folders)
        cgroups.remove_stale(age_s=-1.0)
        assert not any((parent / f"gengap-{os.getpid()}-empty").exists() for parent in place.folders)
        assert all((parent / f"gengap-{os.getpid()}-busy").exists() for parent in place.folders)
        child.communicate(b"\n")
    busy.remove()
    with pytest.raises(FileNotFoundError):
        empty.remove()


def test_groups_of_the_dead_are_removed_and_those_of_the_living_are_not() -> None:
    place = cgroups.hierarchy()
    if place is None:
        pytest.skip("no control group may be made here")
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        dead.wait()
    left = place.create(f"gengap-{dead.pid}-left", Limits(memory_bytes=64 * MIB, processes=1))
    kept = place.create(f"gengap-{os.getpid()}-kept", Limits(memory_bytes=64 * MIB, processes=1))
    cgroups.remove_stale()
    names = {folder.name for parent in place.folders for folder in parent.glob("gengap-*")}
    assert f"gengap-{dead.pid}-left" not in names
    assert all((parent / f"gengap-{os.getpid()}-kept").exists() for parent in place.folders)
    kept.remove()
    with pytest.raises(FileNotFoundError):
        left.remove()
