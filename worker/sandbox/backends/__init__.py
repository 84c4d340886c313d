"""The backends of the sandbox, one a module: each is found by the name of its module, which `GENGAP_SANDBOX` gives.

A module here whose name has no underscore is a backend and defines `BACKEND`; `docker_image` and the like are parts of
one. Names are known without importing any of them, so that every command can check its settings at once.
"""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from submissions.settings import Settings
from worker.sandbox.checks import Check
from worker.sandbox.protocol import SandboxError

if TYPE_CHECKING:
    from worker.sandbox.zygote_sandbox import Launcher


class UnknownBackendError(SandboxError):
    """No backend has the name that was asked for; the message lists those that there are."""


@dataclass(frozen=True)
class Backend:
    """What the pool and the doctor need of a backend.

    Attributes
    ----------
    launcher : callable
        Makes its launcher from the settings, of which it takes its own options, and whether its zygotes may start
        without SciPy and scikit-learn.
    probes : tuple of callable
        What `gengap doctor` looks at besides a real sandbox of this backend.
    remedy : str
        What to do where its sandbox does not work.
    """

    launcher: Callable[[Settings, bool], "Launcher"]
    probes: tuple[Callable[[], Check], ...]
    remedy: str


def backend_names() -> tuple[str, ...]:
    """Return the names of all backends in alphabetical order."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__) if "_" not in module.name))


def require_backend(name: str) -> None:
    """Check a backend's name without importing the backend.

    Raises
    ------
    UnknownBackendError
        If there is no backend of this name.
    """
    if name not in (known := backend_names()):
        raise UnknownBackendError(f"there is no sandbox backend {name!r}; known: {', '.join(known)}")


def find_backend(name: str) -> Backend:
    """Import and return a backend.

    Parameters
    ----------
    name : str
        As in `Settings.sandbox`.

    Returns
    -------
    Backend

    Raises
    ------
    UnknownBackendError
        If there is no backend of this name.
    SandboxError
        If the backend needs a package that is not installed, as in the server's image.
    """
    require_backend(name)
    try:
        backend = importlib.import_module(f"{__name__}.{name}").BACKEND
    except ModuleNotFoundError as error:
        where = "use a worker's image, or a checkout after `make setup`"
        raise SandboxError(f"the sandbox backend {name} needs {error.name}, which is not installed: {where}") from error
    assert isinstance(backend, Backend)
    return backend
