"""The kinds of zoo stores, one module each, named for the scheme of its URLs: `s3.py` serves `s3://bucket/prefix`.

To add a store, add a module here. It has a function `connect` and a text `SETTINGS` (see `Scheme`), and is imported
when a URL of its scheme is used for the first time. A URL without a scheme is a folder, as with `file://`.
"""

import importlib
import pkgutil
import re
from typing import Protocol, cast

from model_zoo.store.objects import Objects, ZooStoreError

_FOLDER = "file"
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


class Scheme(Protocol):
    """Interface of the modules in this folder."""

    SETTINGS: str
    """What to correct where such a store does not work, for messages: settings and environment variables."""

    def connect(self, url: str, endpoint: str) -> Objects:
        """Return the objects at a URL; nothing is opened or made yet.

        Parameters
        ----------
        url : str
            The whole URL.
        endpoint : str
            Address of the service, empty for the usual one. Anything else comes from environment variables.
        """


def known_schemes() -> list[str]:
    """List the schemes for which there is a module, in alphabetical order."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def scheme_of(url: str) -> str:
    """Return the scheme of a store's URL, `file` for a plain path.

    Raises
    ------
    ZooStoreError
        If there is no store for the scheme; the message lists the known ones.
    """
    found = _URL.match(url)
    scheme = found[1].lower() if found else _FOLDER
    if scheme not in (known := known_schemes()):
        raise ZooStoreError(
            f"{url}: there is no zoo store for {scheme}://; give a folder, or a URL that begins with "
            f"{' or '.join(f'{name}://' for name in known)}"
        )
    return scheme


def connect(url: str, endpoint: str) -> Objects:
    """Return the objects at a URL, see `Scheme.connect`. Raises ZooStoreError for an unknown scheme."""
    return _module(url).connect(url, endpoint)


def settings_of(url: str) -> str:
    """Say what to correct where the store at `url` does not work. Raises ZooStoreError for an unknown scheme."""
    return _module(url).SETTINGS


def _module(url: str) -> Scheme:
    return cast(Scheme, importlib.import_module(f"{__name__}.{scheme_of(url)}"))
