"""The sandbox itself: interrupted, killed, given damaged files; whatever is our fault is told as ours."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from tests.services import wait_until
from tests.worker.sandbox.sandboxed import NORMAL, failure_of, function, make_sandbox, processes, value_of
from worker.sandbox.limits import cgroups, supervise
from worker.sandbox.protocol import Code, Limits, NetworkFiles, Sandbox, SandboxError

pytestmark = pytest.mark.usefixtures("the_next_network_is_unaffected")


def test_an_evaluation_can_be_interrupted(sandbox: Sandbox, network: NetworkFiles) -> None:
    sandbox.start(Code({"complexity.py": function("time.sleep(1000)").encode()}, "d"), Limits(wall_s=1000))
    raised: list[SandboxError] = []

    def evaluate_it() -> None:
        try:
            sandbox.evaluate(network, 1)
        except SandboxError as error:
            raised.append(error)

    def has_ended() -> bool:
        sandbox.interrupt()  # without effect before the evaluation has begun
        return not thread.is_alive()

    thread = threading.Thread(target=evaluate_it)
    thread.start()
    wait_until(has_ended, "the end of the evaluation")
    assert [str(error) for error in raised] == ["the evaluation was interrupted"]


def test_a_zygote_that_died_is_our_fault_and_the_next_start_mends_it(network: NetworkFiles) -> None:
    sandbox = make_sandbox()
    code = Code({"complexity.py": NORMAL.encode()}, "d")
    before = processes()
    try:
        sandbox.start(code, Limits())
        for pid in processes() - before:
            os.kill(pid, signal.SIGKILL)
        with pytest.raises(SandboxError):
            sandbox.evaluate(network, 1)
        sandbox.start(code, Limits())
        assert value_of(sandbox.evaluate(network, 1)) == 20.0
    finally:
        sandbox.close()


def test_a_damaged_weight_file_is_our_fault(sandbox: Sandbox, network: NetworkFiles, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    damaged.write_bytes(network.weights.read_bytes()[:100])
    sandbox.start(Code({"complexity.py": NORMAL.encode()}, "d"), Limits())
    files = NetworkFiles(network.architecture, damaged, None, network.training_data, network.classes)
    with pytest.raises(SandboxError, match="could not load"):
        sandbox.evaluate(files, 1)


def test_a_supervisor_killed_leaves_no_process(tiny_zoo: Path) -> None:
    """A process that holds a busy sandbox is killed with SIGKILL: everything below it goes."""
    script = f"""
from pathlib import Path
from model_zoo import open_zoo
from worker.zoo_evaluation import network_files
from tests.worker.sandbox.sandboxed import make_sandbox
from worker.sandbox.protocol import Code, Limits
zoo = open_zoo({str(tiny_zoo)!r})
sandbox = make_sandbox()
sandbox.start(Code({{"complexity.py": {function("time.sleep(1000)").encode()!r}}}, "d"), Limits(wall_s=1000))
print("started", flush=True)
sandbox.evaluate(network_files(zoo, zoo.networks[0].id), 1)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"started\n"
        supervisor = psutil.Process(process.pid)
        wait_until(lambda: len(supervisor.children(recursive=True)) >= 5, "the measure's process")
        below = supervisor.children(recursive=True)
        process.kill()
        process.wait()
        wait_until(lambda: not any(child.is_running() for child in below), "the end of all processes")
    cgroups.remove_stale()


def test_the_time_in_which_the_supervisor_was_frozen_is_not_the_measures(tiny_zoo: Path) -> None:
    script = f"""
from pathlib import Path
from model_zoo import open_zoo
from worker.zoo_evaluation import network_files
from tests.worker.sandbox.sandboxed import make_sandbox
from worker.sandbox.protocol import Code, Limits
zoo = open_zoo({str(tiny_zoo)!r})
sandbox = make_sandbox()
source = {function("print('begun', flush=True); time.sleep(3); return 1.0").encode()!r}
sandbox.start(Code({{"complexity.py": source}}, "d"), Limits(wall_s=6))
sandbox.evaluate(network_files(zoo, zoo.networks[0].id), 1)
print("warm", flush=True)
outcome = sandbox.evaluate(network_files(zoo, zoo.networks[0].id), 1)
print(outcome, outcome.wall_s < 6)
sandbox.close()
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "warm\n"
        supervisor = psutil.Process(process.pid)
        wait_until(lambda: len(supervisor.children(recursive=True)) >= 5, "the measure's process")
        time.sleep(0.5)
        process.send_signal(signal.SIGSTOP)
        time.sleep(8)
        process.send_signal(signal.SIGCONT)
        told, _ = process.communicate()
    assert told.startswith("Value(value=1.0")
    assert told.endswith("True\n")


def test_a_run_that_does_not_end_in_time_takes_its_zygote_with_it(
    monkeypatch: pytest.MonkeyPatch, network: NetworkFiles
) -> None:
    """With no time at all for its end. The author sees why it was stopped, and the next network gets a new zygote."""
    monkeypatch.setattr(supervise, "TEARDOWN_S", 0.0)
    before = processes()
    sandbox = make_sandbox()
    try:
        sandbox.start(Code({"complexity.py": function("time.sleep(1000)").encode()}, "digest"), Limits(wall_s=0.3))
        assert failure_of(sandbox.evaluate(network, 1)).reason == "time_limit"
        wait_until(lambda: processes() <= before, "the end of the zygote")
        assert failure_of(sandbox.evaluate(network, 2)).reason == "time_limit"
    finally:
        sandbox.close()
    wait_until(lambda: processes() <= before, "the end of the second zygote")
