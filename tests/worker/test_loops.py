"""Threads that go on whatever their step raises, and end when they are told to."""

import threading

from tests.services import wait_until
from worker.loops import Loop, Slots, stop_all

LONG_S = 3600.0


def test_a_loop_goes_on_after_an_error() -> None:
    steps: list[int] = []

    def step() -> None:
        steps.append(len(steps))
        raise RuntimeError("once more")

    loop = Loop("test", step, 0.01)
    loop.start()
    wait_until(lambda: len(steps) >= 3, "three steps")
    stop_all([loop], LONG_S)
    assert not [thread for thread in threading.enumerate() if thread.name == "test"]


def test_a_loop_that_is_woken_does_not_wait_for_its_period() -> None:
    steps: list[int] = []
    loop = Loop("test", lambda: steps.append(1), LONG_S)
    loop.start()
    wait_until(lambda: len(steps) == 1, "the first step")
    loop.wake()
    wait_until(lambda: len(steps) == 2, "the second step")
    stop_all([loop], LONG_S)


def test_each_call_wakes_one_slot_and_one_call_is_kept_while_all_are_busy() -> None:
    begun, may_end = threading.Semaphore(0), threading.Semaphore(0)

    def work() -> None:
        begun.release()
        may_end.acquire()

    slots = Slots(2, work)
    slots.start()
    for _ in range(2):
        slots.wake()
        assert begun.acquire(timeout=60)
    for _ in range(3):
        slots.wake()
    assert not begun.acquire(blocking=False)
    may_end.release()
    assert begun.acquire(timeout=60)  # one of the three
    may_end.release(2)
    stop_all([slots], LONG_S)
    assert not begun.acquire(blocking=False)
