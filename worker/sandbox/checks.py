"""What a probe of `gengap doctor` answers, and how probes try programs. Called by the doctor and by the backends."""

import subprocess
from dataclasses import dataclass
from enum import StrEnum

PROBE_TIMEOUT_S = 10.0


class Found(StrEnum):
    """What a probe found. Only MISSING keeps Gengap from working; ABSENT costs comfort or a layer."""

    OK = "ok"
    MISSING = "missing"
    ABSENT = "absent"


@dataclass(frozen=True)
class Check:
    """One line of the doctor's tables.

    Attributes
    ----------
    name, text : str
        What was looked at, and what was found.
    state : Found
    remedy : str
        How to get what is not there; empty where all is well.
    is_layer : bool
        Whether the line is about a layer of the sandbox.
    """

    name: str
    state: Found
    text: str
    remedy: str = ""
    is_layer: bool = False


def try_program(*arguments: str) -> tuple[bool, str]:
    """Run a program for at most `PROBE_TIMEOUT_S`.

    Returns
    -------
    tuple of (bool, str)
        Whether it ended with status 0, and the last line of its output or why there is none.
    """
    try:
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=PROBE_TIMEOUT_S, check=False)
    except FileNotFoundError:
        return False, f"{arguments[0]} is not installed"
    except (OSError, subprocess.TimeoutExpired) as error:
        return False, str(error).strip().partition("\n")[0]
    lines = (done.stdout.strip() or done.stderr.strip()).splitlines()
    return done.returncode == 0, lines[-1] if lines else f"exit status {done.returncode}"


def apt_install(package: str) -> str:
    """Return the command that installs a Debian package."""
    return f"apt-get install {package}"
