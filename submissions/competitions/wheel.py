"""A wheel of the running Gengap, which participants install from the starting kit.

A wheel is a zip of the packages and a description (PyPA, "Binary distribution format"). It is made from the installed
files, so it is exactly the server's version, whether that came from a checkout or from a package. Everybody may
download it, so of the files that lie there it takes only Python modules and the data that belongs to the packages.
"""

import base64
import hashlib
import io
import zipfile
from collections.abc import Iterator
from functools import lru_cache
from importlib.metadata import distribution
from pathlib import Path

from model_zoo import ZooError
from model_zoo.recipes import read_recipe

DISTRIBUTION = "gengap"
_PACKAGES = ("gengap", "model_zoo", "scoring", "server", "submissions", "worker")
_DATA = {  # as package-data in pyproject.toml
    "server": ("templates/**/*.html", "static/**/*", "docs/**/*"),
    "submissions": ("storage/migrations/*.mako", "starting_kit/*.md", "starting_kit/*.ipynb"),
    "model_zoo": ("recipes/shipped/*.toml",),
}
_ROOT = Path(__file__).parents[2]  # where the packages lie side by side
_MOMENT = (1980, 1, 1, 0, 0, 0)  # the same content, the same bytes
_MODE = 0o100644 << 16


def wheel_name() -> str:
    """Return the wheel's file name."""
    return f"{DISTRIBUTION}-{distribution(DISTRIBUTION).version}-py3-none-any.whl"


@lru_cache(maxsize=1)
def wheel() -> bytes:
    """Return the wheel's bytes, which are the same at every call."""
    installed = distribution(DISTRIBUTION)
    described = f"{DISTRIBUTION}-{installed.version}.dist-info"
    files = dict(_package_files())
    files[f"{described}/METADATA"] = (installed.read_text("METADATA") or installed.read_text("PKG-INFO") or "").encode()
    files[f"{described}/entry_points.txt"] = (installed.read_text("entry_points.txt") or "").encode()
    files[f"{described}/WHEEL"] = (
        f"Wheel-Version: 1.0\nGenerator: {DISTRIBUTION}\nRoot-Is-Purelib: true\nTag: py3-none-any\n".encode()
    )
    record = f"{described}/RECORD"
    lines = [f"{name},sha256={_digest(content)},{len(content)}\n" for name, content in files.items()]
    files[record] = "".join([*lines, f"{record},,\n"]).encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name, _MOMENT)
            info.external_attr = _MODE
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return packed.getvalue()


def _package_files() -> Iterator[tuple[str, bytes]]:
    for package in _PACKAGES:
        folder = _ROOT / package
        patterns = ("**/*.py", *_DATA.get(package, ()))
        for path in sorted({path for pattern in patterns for path in folder.glob(pattern)}):
            name = path.relative_to(_ROOT)
            if path.is_file() and not any(part.startswith(".") for part in name.parts) and _is_public(path):
                yield name.as_posix(), path.read_bytes()


def _is_public(path: Path) -> bool:
    """Whether the file is no recipe with hidden truth."""
    try:
        return path.suffix != ".toml" or read_recipe(path).truth_public
    except ZooError:
        return False


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
