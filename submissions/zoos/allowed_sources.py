"""The folders and S3 addresses that organizers may name on the server: only those below `Settings.zoo_sources`.

Pages check an address as it is typed; the worker's job checks the folder again, with links resolved.
"""

import posixpath
from collections.abc import Sequence
from pathlib import Path

S3 = "s3://"


class SourceError(Exception):
    """The address is not allowed, or does not exist; the text is for the organizer who typed it."""


def allowed_address(address: str, sources: Sequence[str]) -> str:
    """Return the address in its normal form.

    Parameters
    ----------
    sources : Sequence[str]
        folders and s3:// addresses of the setting.

    Raises
    ------
    SourceError
        If the address is not in one of `sources` or below.
    """
    if not sources:
        raise SourceError("This server does not allow any folder: its setting GENGAP_ZOO_SOURCES is empty.")
    if "\0" in address or ".." in address.split("/"):
        raise SourceError("An address must not contain `..`.")
    if not address.startswith((S3, "/")):
        raise SourceError(f"Give an absolute folder of the server, or an address that begins with {S3}.")
    plain = _plain(address)
    if not any(_is_below(plain, _plain(source)) for source in sources):
        raise SourceError(f"{address} is not below any folder that this server allows: {', '.join(sources)}.")
    return plain


def allowed_path(address: str, sources: Sequence[str]) -> Path:
    """Return the file or folder at the address, with links resolved.

    Parameters
    ----------
    sources : Sequence[str]
        folders and s3:// addresses of the setting.

    Raises
    ------
    SourceError
        If it does not exist, or is not in one of `sources` or below.
    """
    path = Path(allowed_address(address, sources))
    try:
        real = path.resolve(strict=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: links that lead in a circle
        raise SourceError(f"There is no {address} on the machine of the worker.") from error
    folders = [Path(source).resolve() for source in sources if not source.startswith(S3)]
    if not any(real.is_relative_to(folder) for folder in folders):
        raise SourceError(f"{address} leads out of the folders that this server allows.")
    return real


def _plain(address: str) -> str:
    if address.startswith(S3):
        return S3 + posixpath.normpath(address.removeprefix(S3)).strip("/")
    return posixpath.normpath("/" + address.lstrip("/"))


def _is_below(address: str, source: str) -> bool:
    return address == source or address.startswith(source.rstrip("/") + "/")
