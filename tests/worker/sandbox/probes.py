"""What a probe is: one attack by a measure, how it must end, and which layers stop it.

The modules `test_matrix_*.py` are the sandbox's probe matrix. Each lists its probes and tests them on every
backend; `tests/docs/tables.py` reads the same lists and writes the matrix of docs/sandbox.md.
"""

import os
import re
import string
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import pytest

from submissions.storage.states import Reason
from tests.worker.sandbox.outside import Outside
from tests.worker.sandbox.sandboxed import failure_of, function, value_of
from worker.sandbox.protocol import Outcome

REFUSED = (
    "PermissionError|FileNotFoundError"  # the first where it exists but is fenced off, the second where it does not
)


class Layer(StrEnum):
    """The layers of protection, as docs/sandbox.md names and explains them."""

    FORK = "fresh fork"
    NAMESPACES = "namespaces"
    NO_NETWORK = "no network"
    READ_ONLY = "read-only files"
    SCRATCH = "private scratch"
    CAPABILITIES = "no capabilities"
    SECCOMP = "seccomp"
    LANDLOCK = "Landlock"
    GROUPS = "control groups"
    KERNEL_LIMITS = "kernel limits"
    PROCESSORS = "processors"
    CLOCK = "clock"
    COUNTERS = "counters"
    VERDICT = "verdict"
    EMPTY = "nothing to find"


class Control(StrEnum):
    """Where the same attempt succeeds, so that its end in the sandbox means something."""

    NONE = "none"
    OUTSIDE = "in a process without a sandbox"
    AS_ROOT = "in a process of root without a sandbox; tried where the tests run as root"
    ROOMIER = "in the sandbox, with roomier limits"


@dataclass(frozen=True)
class Probe:
    """One attack. `body` is the measure's; `$words` in it are filled from the `Prey`.

    ends: the reason that the participant sees, or the value where the attack must change nothing. says: what the
    failure's one line must match. A control must give a value, and not the one that the sandbox gives.
    """

    attack: str
    body: str
    ends: Reason | float
    says: str = ""
    stopped_by: tuple[Layer, ...] = ()
    control: Control = Control.NONE
    limits: Mapping[str, float] = field(default_factory=dict)
    roomier: Mapping[str, float] = field(default_factory=dict)

    @property
    def what_happens(self) -> str:
        """In a table's words."""
        if isinstance(self.ends, Reason):
            return f"an exception inside: `{self.ends}`" if self.ends is Reason.RAISED else f"`{self.ends}`"
        return "nothing; its own value counts"


@dataclass(frozen=True)
class Prey:
    """What is really there on this machine for a measure to reach: open doors, files with secrets, a process."""

    port: int
    abstract: str
    socket: str
    secret: str
    code: str
    zoo: str
    pid: int
    variable: str
    mark: str
    words_backwards: tuple[str, ...]

    def fill(self, body: str) -> str:
        return string.Template(body).substitute(self.__dict__)


def refused(attack: str, body: str, *layers: Layer, says: str = REFUSED, control: Control = Control.OUTSIDE) -> Probe:
    """An attempt that works outside, and raises inside."""
    return Probe(attack, then_one(body), Reason.RAISED, says, layers, control)


def lines(*parts: str) -> str:
    """Pieces of a body, each indented as it may be, one after another."""
    return "\n".join(textwrap.dedent(part).strip() for part in parts)


def then_one(body: str) -> str:
    """The body with the value 1.0 after it."""
    return lines(body, "return 1.0")


def each(*probes: Probe) -> pytest.MarkDecorator:
    """Run a test once for each of these probes, under its name."""
    return pytest.mark.parametrize("probe", [pytest.param(probe, id=probe.attack) for probe in probes])


@dataclass(frozen=True)
class Attempt:
    """A probe tried: where it should succeed first, then in the sandbox. The fixture `attempt` of the tests."""

    prey: Prey
    outside: Outside
    evaluate: Callable[..., Outcome]

    def __call__(self, probe: Probe) -> None:
        source = function(self.prey.fill(probe.body))
        if probe.control is Control.ROOMIER:
            self._must_succeed(probe, value_of(self.evaluate(source, **probe.roomier)))
        elif probe.control is Control.OUTSIDE or (probe.control is Control.AS_ROOT and os.geteuid() == 0):
            self._must_succeed(probe, self.outside.evaluate(source))
        outcome = self.evaluate(source, **probe.limits)
        if isinstance(probe.ends, Reason):
            failure = failure_of(outcome)
            assert failure.reason is probe.ends, failure
            assert re.search(probe.says, failure.detail), failure
        else:
            assert value_of(outcome) == probe.ends

    @staticmethod
    def _must_succeed(probe: Probe, answer: float | str) -> None:
        """The control: had the attempt no effect there either, its end in the sandbox would say nothing."""
        assert isinstance(answer, float), f"the control failed: {answer}"
        assert answer != probe.ends, "the control ended like the attempt in the sandbox"
