"""The unpacked form of an upload: what it declares, and its files one after the other.

The child that reads uploads writes it, and the bundle store keeps it beside the upload. Reading it back needs no parser
of archives or of Python, whatever the upload was. It is compressed as a whole, by us: a small archive may unpack to
fifty megabytes, and should not fill the disk with them.
"""

import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from submissions.zoos.tracks import Track

FORMAT = 1
_LEVEL = 1  # the fastest
_DIGEST_BYTES = 64


@dataclass(frozen=True, kw_only=True)
class Unpacked:
    """The content of a valid upload.

    Attributes
    ----------
    files : Mapping[str, bytes]
        Content by relative path; contains `complexity.py`, which a single `.py` becomes whatever its name was.
    track, needs : Track
        As `complexity.py` declares them.
    """

    files: Mapping[str, bytes]
    track: Track
    needs: tuple[str, ...]


def dump(unpacked: Unpacked) -> bytes:
    """Return the unpacked form: a sha256, and compressed a line of JSON and the contents of the files."""
    sizes = [(path, len(content)) for path, content in unpacked.files.items()]
    head = {"format": FORMAT, "track": unpacked.track, "needs": unpacked.needs, "files": sizes}
    body = zlib.compress(b"\n".join((json.dumps(head).encode(), b"".join(unpacked.files.values()))), _LEVEL)
    return b"\n".join((hashlib.sha256(body).hexdigest().encode(), body))


def load(content: bytes) -> Unpacked:
    """Read the unpacked form.

    Raises
    ------
    ValueError
        If it is damaged, or of another format.
    """
    digest, packed = content[:_DIGEST_BYTES], content[_DIGEST_BYTES + 1 :]
    if hashlib.sha256(packed).hexdigest().encode() != digest:
        raise ValueError("The unpacked form of an upload is damaged.")
    body = zlib.decompress(packed)
    head_bytes = body.partition(b"\n")[0]
    head = json.loads(head_bytes)
    if head["format"] != FORMAT:
        raise ValueError(f"The unpacked form of an upload has the unknown format {head['format']}.")
    files, position = {}, len(head_bytes) + 1
    for path, size in head["files"]:
        files[path] = body[position : position + size]
        position += size
    return Unpacked(files=files, track=head["track"], needs=tuple(head["needs"]))
