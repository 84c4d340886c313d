"""Limits are kept outside: both clocks, memory, output, processes, scratch; and what a run cost is measured."""

import os

import pytest

from submissions.storage.states import Reason
from tests.worker.conftest import Evaluate
from tests.worker.sandbox.sandboxed import MIB, NORMAL, failure_of, function, make_sandbox, value_of
from worker.sandbox.limits import cgroups, cgroups_v1
from worker.sandbox.protocol import Code, Limits, NetworkFiles, Outcome, Sandbox, Value

pytestmark = pytest.mark.usefixtures("the_next_network_is_unaffected")

BURN = "def burn():\n    while True: pass\n"


@pytest.fixture
def groupless(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """A sandbox as on a machine without control groups."""
    monkeypatch.setattr(cgroups, "create", lambda *_: cgroups_v1.Group({}))
    return sandbox


def run(sandbox: Sandbox, network: NetworkFiles, source: str, limits: Limits) -> Outcome:
    sandbox.start(Code({"complexity.py": source.encode()}, "digest"), limits)
    return sandbox.evaluate(network, 1)


@pytest.mark.parametrize(
    "body",
    [
        "while True: pass",
        "time.sleep(1000)",
        "import signal\nfor n in (2, 15, 20): signal.signal(n, signal.SIG_IGN)\nwhile True: time.sleep(1)",
        "os.kill(os.getpid(), 19)",
        "if os.fork(): time.sleep(1000)\nwhile True: pass",
        "import threading\nthreading.Thread(target=lambda: time.sleep(1000)).start()\nwhile True: time.sleep(1)",
    ],
)
def test_the_clock_is_kept_outside(evaluate: Evaluate, body: str) -> None:
    failure = failure_of(evaluate(function(body), wall_s=0.5))
    assert failure.reason is Reason.TIME_LIMIT
    assert failure.detail == "longer than 0.5 s"


SPENDERS = [
    "burn()",
    "os.fork()\nburn()",
    "if os.fork(): time.sleep(1000)\nburn()",
    "import threading\nfor _ in range(2): threading.Thread(target=burn).start()\ntime.sleep(1000)",
    "if os.fork() == 0:\n    os.setsid()\n    if os.fork(): os._exit(0)\n    burn()\ntime.sleep(1000)",
    # One child after another, each well below the limit.
    "while True:\n    if os.fork() == 0:\n        sum(range(10**6))\n        os._exit(0)\n    os.wait()",
]


@pytest.mark.parametrize("body", SPENDERS)
def test_processor_time_counts_for_all_processes_together(evaluate: Evaluate, body: str) -> None:
    failure = failure_of(evaluate(BURN + function(body), cpu_s=0.5, wall_s=600))
    assert (failure.reason, failure.detail) == (Reason.TIME_LIMIT, "more processor time than 0.5 s")
    assert failure.cpu_s is not None
    assert failure.cpu_s >= 0.5


@pytest.mark.parametrize("body", SPENDERS)
def test_processor_time_is_counted_without_control_groups_too(
    groupless: Sandbox, network: NetworkFiles, body: str
) -> None:
    limits = Limits(cpu_s=0.5, wall_s=600, memory_bytes=2**34)
    failure = failure_of(run(groupless, network, BURN + function(body), limits))
    assert (failure.reason, failure.detail) == (Reason.TIME_LIMIT, "more processor time than 0.5 s")


def test_sleeping_costs_no_processor_time(evaluate: Evaluate) -> None:
    assert value_of(evaluate(function("time.sleep(0.7)\nreturn 1.0"), cpu_s=0.5)) == 1.0


@pytest.mark.parametrize("cpus", [1, 2])
def test_a_measure_has_its_own_processors_and_as_many_threads(evaluate: Evaluate, cpus: int) -> None:
    body = "return len(os.sched_getaffinity(0)) * 100 + torch.get_num_threads()"
    available = min(cpus, len(os.sched_getaffinity(0)))
    assert value_of(evaluate(function(body), cpus=cpus)) == available * 101


def test_a_measure_cannot_take_more_processors(evaluate: Evaluate) -> None:
    failure = failure_of(evaluate(function("os.sched_setaffinity(0, range(1024))")))
    assert failure.detail.startswith("PermissionError")


def test_slots_have_processors_of_their_own(network: NetworkFiles) -> None:
    own = sorted(os.sched_getaffinity(0))
    body = function("return sum(2**n for n in os.sched_getaffinity(0))")
    used = []
    for slot in range(2):
        sandbox = make_sandbox(slot=slot)
        used.append(value_of(run(sandbox, network, body, Limits())))
        sandbox.close()
    assert used == [2 ** own[slot % len(own)] for slot in range(2)]


@pytest.mark.parametrize(
    "body",
    [
        "hoard = []\nwhile True: hoard.append(torch.ones(2**20))",
        "hoard = []\nwhile True: hoard.append(bytearray(2**22))",
        "for n in range(64): open(f'/tmp/{n}', 'wb').write(bytes(2**22))\nraise MemoryError",
    ],
)
def test_memory_is_limited(evaluate: Evaluate, body: str) -> None:
    failure = failure_of(evaluate(function(body), memory_bytes=128 * MIB))
    assert failure.reason is Reason.MEMORY_LIMIT
    assert failure.detail.startswith(("more than 128 MiB", "MemoryError")), "from the kernel, or from Python"
    assert failure.peak_bytes is not None


@pytest.mark.parametrize("start", ["", "threading.Thread(target=lambda: os.fork() or hoard()).start()\n"])
def test_memory_is_watched_where_there_are_no_control_groups(
    groupless: Sandbox, network: NetworkFiles, start: str
) -> None:
    """Of the children of every thread."""
    limits = Limits(wall_s=30, memory_bytes=128 * MIB)
    assert value_of(run(groupless, network, NORMAL, limits)) == 20.0
    for grow in ("kept.append(bytearray(2**22))", "kept.append(torch.ones(2**20))", "kept.append(mapped())"):
        source = f"""
        import mmap, threading
        def mapped():
            pages = mmap.mmap(-1, 2**22)
            pages.write(bytes(2**22))
            return pages
        def hoard():
            kept = []
            while True: {grow}
        {start or "hoard()"}
        time.sleep(1000)
        """
        assert failure_of(run(groupless, network, function(source), limits)).reason is Reason.MEMORY_LIMIT


def test_what_a_measure_leaves_behind_is_not_counted_against_it(groupless: Sandbox, network: NetworkFiles) -> None:
    """The zygote's pages, which all processes share, are nobody's, to the very end of a run."""
    body = "for _ in range(8):\n    if os.fork() == 0: time.sleep(1000)\nreturn 1.0"
    for _ in range(5):
        outcome = run(groupless, network, function(body), Limits(memory_bytes=256 * MIB))
        assert value_of(outcome) == 1.0
        assert isinstance(outcome, Value)
        assert outcome.peak_bytes is not None
        assert outcome.peak_bytes < 128 * MIB


def test_more_output_than_the_limit_ends_the_run(evaluate: Evaluate) -> None:
    failure = failure_of(evaluate(function("while True: print('x' * 1000)"), log_bytes=100_000))
    assert (failure.reason, failure.detail) == (Reason.OUTPUT_FLOOD, "more than 100000 bytes of output")
    assert failure.log is not None
    assert failure.log.startswith("xxx")


@pytest.mark.parametrize("folder", ["/tmp", "/dev/shm"])
def test_scratch_is_limited(evaluate: Evaluate, folder: str) -> None:
    body = f"""
    with open("{folder}/first", "wb") as file: file.write(bytes(4 * 2**20))
    with open("/tmp/second", "wb") as file: file.write(bytes(8 * 2**20))
    return 1.0
    """
    assert value_of(evaluate(function(body), scratch_bytes=16 * MIB)) == 1.0
    failure = failure_of(evaluate(function(body), scratch_bytes=8 * MIB))
    assert failure.detail.startswith("OSError")
    assert "No space left" in str(failure.message)


def test_the_number_of_scratch_files_is_limited(evaluate: Evaluate) -> None:
    failure = failure_of(evaluate(function("for n in range(10**6): open(f'/tmp/{n}', 'w').close()")))
    assert failure.detail.startswith("OSError")
    assert "No space left" in str(failure.message)


def test_a_process_too_many_is_an_error_that_the_measure_sees(evaluate: Evaluate) -> None:
    failure = failure_of(
        evaluate(function("while os.fork(): pass\ntime.sleep(1000)"), processes=10, memory_bytes=2**34)
    )
    assert failure.reason is Reason.RAISED
    assert failure.detail.startswith("BlockingIOError")


@pytest.mark.parametrize(
    "start", ["os.fork() or time.sleep(1000)", "threading.Thread(target=time.sleep, args=(1,)).start()"]
)
@pytest.mark.parametrize("has_groups", [True, False])
def test_a_process_bomb_stays_within_its_limit(
    sandbox: Sandbox, network: NetworkFiles, monkeypatch: pytest.MonkeyPatch, start: str, has_groups: bool
) -> None:
    if not has_groups:
        if not sandbox.layers["dedicated_user"] and os.getuid() == 0:
            pytest.skip("the kernel limits no process of root by number")
        monkeypatch.setattr(cgroups, "hierarchy", lambda: None)
    body = f"""
    import threading
    started = 0
    try:
        while True:
            {start}
            started += 1
    except (OSError, RuntimeError):
        return started
    """
    # Without control groups, pages that processes share are counted for each: hence the memory.
    few, more = (Limits(wall_s=30, processes=count, memory_bytes=2**34) for count in (10, 30))
    assert 1 <= value_of(run(sandbox, network, function(body), few)) <= 10
    assert value_of(run(sandbox, network, function(body), more)) > 10


def test_processes_left_behind_end_with_the_run(evaluate: Evaluate) -> None:
    body = """
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(1000)
        os._exit(0)
    return 1.0
    """
    assert value_of(evaluate(function(body))) == 1.0


COSTLY = """
x = torch.ones(2**24)
end = time.process_time() + 0.2
while time.process_time() < end: pass
"""
COSTLY_S = 5.0  # in which even a very busy machine grants it 0.2 s of a processor


@pytest.mark.parametrize("last", ["return 1.0", "raise ValueError", "os._exit(3)", "time.sleep(1000)"])
def test_cost_is_measured_however_a_run_ends(evaluate: Evaluate, last: str) -> None:
    outcome = evaluate(function(COSTLY + last), wall_s=COSTLY_S)
    assert isinstance(outcome, Value) == last.startswith("return")
    assert outcome.wall_s is not None
    assert outcome.wall_s > 0.2
    assert outcome.cpu_s is not None
    assert outcome.cpu_s > 0.2
    assert outcome.peak_bytes is not None
    assert outcome.peak_bytes > 64 * MIB


def test_cost_is_measured_without_control_groups_too(groupless: Sandbox, network: NetworkFiles) -> None:
    for last in ("return 1.0", "time.sleep(1000)"):
        outcome = run(groupless, network, function(COSTLY + last), Limits(wall_s=COSTLY_S, memory_bytes=2**30))
        assert outcome.cpu_s is not None
        assert outcome.cpu_s > 0.2
        assert outcome.peak_bytes is not None
        assert outcome.peak_bytes > 64 * MIB
