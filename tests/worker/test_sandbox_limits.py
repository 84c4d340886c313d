"""Limits are kept outside: the clock, memory, output, processes; and what a run cost is measured."""

import pytest

from submissions.states import Reason
from tests.worker.conftest import Evaluate
from tests.worker.sandboxed import MIB, NORMAL, failure_of, function, value_of
from worker.sandbox import cgroups
from worker.sandbox.bubblewrap import BubblewrapLauncher
from worker.sandbox.protocol import Code, Limits, NetworkFiles, Value
from worker.sandbox.spawn import Spawner
from worker.sandbox.zygote_sandbox import ZygoteSandbox

pytestmark = pytest.mark.usefixtures("the_next_network_is_unaffected")


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


def test_memory_is_watched_where_there_are_no_control_groups(
    network: NetworkFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cgroups, "parent_of", lambda _controller: None)
    sandbox = ZygoteSandbox(BubblewrapLauncher(Spawner()))
    try:
        assert sandbox.layers["cgroup_memory"] is False
        limits = Limits(wall_s=30, memory_bytes=128 * MIB)
        sandbox.start(Code({"complexity.py": NORMAL.encode()}, "d"), limits)
        assert value_of(sandbox.evaluate(network, 1)) == 20.0
        for hoard in ("bytearray(2**22)", "torch.ones(2**20)"):
            source = function(f"hoard = []\nwhile True: hoard.append({hoard})").encode()
            sandbox.start(Code({"complexity.py": source}, "d"), limits)
            assert failure_of(sandbox.evaluate(network, 1)).reason is Reason.MEMORY_LIMIT
    finally:
        sandbox.close()


def test_more_output_than_the_limit_ends_the_run(evaluate: Evaluate) -> None:
    failure = failure_of(evaluate(function("while True: print('x' * 1000)"), log_bytes=100_000))
    assert failure.reason is Reason.OUTPUT_FLOOD


@pytest.mark.parametrize(
    "start", ["os.fork() or time.sleep(1000)", "threading.Thread(target=time.sleep, args=(1,)).start()"]
)
def test_a_process_bomb_stays_within_its_limit(evaluate: Evaluate, start: str) -> None:
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
    assert 1 <= value_of(evaluate(function(body), processes=10, memory_bytes=2**34)) <= 10
    assert value_of(evaluate(function(body), processes=30, memory_bytes=2**34)) > 10


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


def test_cost_is_measured(evaluate: Evaluate) -> None:
    outcome = evaluate(
        function(
            "x = torch.ones(2**24)\nend = time.process_time() + 0.2\nwhile time.process_time() < end: pass\nreturn 1.0"
        )
    )
    assert isinstance(outcome, Value)
    assert outcome.wall_s > 0.2
    assert outcome.cpu_s is not None
    assert outcome.cpu_s > 0.2
    assert outcome.peak_bytes is not None
    assert outcome.peak_bytes > 64 * MIB
