"""Checks that an image contains this checkout's harness: an older one would run, but judge measures by older rules.

Called by `docker` for the first container that it makes of an image.
"""

import io
import tarfile
from pathlib import Path

from docker.errors import NotFound
from docker.models.containers import Container

_ROOM = Path(__file__).resolve().parents[3]
_INSIDE = "/opt/inside"  # as in the Dockerfile's target `sandbox`
_PARTS = {  # ours: its place inside
    "worker/harness": "worker/harness",
    "model_zoo/architectures": "model_zoo/architectures",
    "submissions/baselines/gengap_measures": "gengap_measures",
}


def holds_our_harness(container: Container) -> bool:
    """Compare the Python files of the harness inside a container with ours, byte by byte.

    Parameters
    ----------
    container : docker.models.containers.Container
        It need not be started.

    Returns
    -------
    bool
        Whether they are the same files with the same contents.
    """
    try:
        chunks, _ = container.get_archive(_INSIDE)
    except NotFound:
        return False
    theirs: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
        for member in archive:
            content = archive.extractfile(member)
            if content is not None and member.name.endswith(".py"):
                theirs[member.name.partition("/")[2]] = content.read()
    ours = {
        f"{place}/{file.relative_to(_ROOM / part)}": file.read_bytes()
        for part, place in _PARTS.items()
        for file in (_ROOM / part).rglob("*.py")
    }
    return theirs == ours
