"""The self-test tells a sandbox that holds from one with a hole."""

import pytest

from submissions.settings import Settings
from worker.sandbox import zygote_sandbox
from worker.sandbox.backends import bubblewrap
from worker.sandbox.layers import seccomp
from worker.sandbox.layers.selftest import try_sandbox
from worker.sandbox.protocol import Fences


def test_a_sandbox_that_holds_passes() -> None:
    result = try_sandbox(Settings(sandbox="bubblewrap"))
    assert result.works, result.text
    assert "reached nothing else" in result.text
    assert result.layers["no_network"]


def test_a_hole_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With /etc/passwd mounted by mistake, on a kernel without Landlock, the probe says what it could read."""
    whole = bubblewrap.command_line

    def leaking(**options: bool) -> list[str]:
        command = whole(**options)
        at = command.index("--proc")
        hole = ["--perms", "0755", "--dir", "/etc", "--ro-bind", "/etc/passwd", "/etc/passwd"]
        return [*command[:at], *hole, *command[at:]]

    monkeypatch.setattr(bubblewrap, "command_line", leaking)
    monkeypatch.setattr(zygote_sandbox, "Fences", lambda: Fences(landlock=False))
    result = try_sandbox(Settings(sandbox="bubblewrap"))
    assert not result.works
    assert "/etc/passwd" in result.text


def test_a_sandbox_that_does_not_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    result = try_sandbox(Settings(sandbox="bubblewrap"))
    assert not result.works
    assert "bubblewrap is not installed" in result.text


def test_the_filter_of_system_calls_is_made_for_this_machine() -> None:
    program = seccomp.participant_filter()
    assert program is not None
    assert len(program) % 8 == 0
