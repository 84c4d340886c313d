"""What each layer of protection is for, and which are missing: plain data for workers and pages.

`layer_check` finds out which hold. The doctor's table, the health endpoint and the organizers' page show them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Layer:
    """A layer of protection.

    Attributes
    ----------
    name : str
        Its key in the results of `layer_check.probe`, and in ``GENGAP_SANDBOX_MINIMUM``.
    stops : str
        What it prevents.
    remedy : str
        How to get it where it is missing.
    """

    name: str
    stops: str
    remedy: str


_USER_NAMESPACES = "Allow unprivileged user namespaces, as the check `sandbox` says."
_CONTROL_GROUPS = "Run the worker as root, or as a systemd service with Delegate=yes."
TABLE = (
    Layer("namespaces", "seeing or signalling other processes, and the host's files", _USER_NAMESPACES),
    Layer("no_network", "reaching this machine's or any other's network", _USER_NAMESPACES),
    Layer("read_only_files", "changing the interpreter, the harness or the weights", _USER_NAMESPACES),
    Layer("no_capabilities", "mounting, tracing, regaining rights", _USER_NAMESPACES),
    Layer("seccomp", "calls to the kernel that no measure needs", "apt-get install libseccomp2"),
    Layer("landlock", "files and ports, once more and apart from mounts", "Linux 5.13 or newer with Landlock enabled."),
    Layer("cgroup_memory", "memory beyond the limit, counted by the kernel", _CONTROL_GROUPS),
    Layer("cgroup_processes", "processes and threads beyond the limit", _CONTROL_GROUPS),
    Layer("resident_memory_watch", "the same memory, looked at fifty times a second", "Needed without cgroup_memory."),
    Layer("cpu_affinity", "slowing down the networks of other slots", "apt-get install libseccomp2"),
    Layer("dedicated_user", "owning anything on this machine after an escape", "Run the worker as root."),
    Layer("container", "the same as namespaces, once more", "Set GENGAP_SANDBOX=docker."),
)


def missing(vector: Mapping[str, bool], minimum: Sequence[str]) -> tuple[str, ...]:
    """Return the required layers that did not hold, or that do not exist.

    Parameters
    ----------
    vector : mapping of str to bool
        Which layers held.
    minimum : sequence of str
        Names of the required layers.

    Returns
    -------
    tuple of str
        In the order of `minimum`.
    """
    return tuple(name for name in minimum if not vector.get(name, False))
