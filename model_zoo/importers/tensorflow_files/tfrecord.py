"""Reads the records of a TFRecord file and compares their checksums.

A record is: length (uint64), masked CRC32C of the length, the bytes, masked CRC32C of the bytes; all little-endian.
"""

import os
import struct
from collections.abc import Iterator
from pathlib import Path

import google_crc32c

from model_zoo.manifest import ZooError

_HEADER = struct.Struct("<QI")
_FOOTER = struct.Struct("<I")
_MASK_DELTA = 0xA282EAD8
_BUFFER_BYTES = 2**20


def masked_crc32c(content: bytes) -> int:
    """Compute the CRC32C of `content`, rotated and shifted as TFRecord files store it."""
    crc: int = google_crc32c.value(content)
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF


def records(path: Path) -> Iterator[bytes]:
    """Iterate over the records of a file. Raises ZooError naming the file and the record's number, from 0."""
    try:
        with path.open("rb", buffering=_BUFFER_BYTES) as file:
            left = os.fstat(file.fileno()).st_size
            number = 0
            while left:
                place = f"{path}: record {number}"
                if left < _HEADER.size + _FOOTER.size:
                    raise _truncated(place)
                header = file.read(_HEADER.size)
                length, crc = _HEADER.unpack(header)
                if masked_crc32c(header[:8]) != crc:
                    raise ZooError(f"{place}: its length does not match its checksum; fetch the file again")
                left -= _HEADER.size + _FOOTER.size + length
                if left < 0:
                    raise _truncated(place)
                content = file.read(length)
                (crc,) = _FOOTER.unpack(file.read(_FOOTER.size))
                if masked_crc32c(content) != crc:
                    raise ZooError(f"{place}: its bytes do not match their checksum; fetch the file again")
                yield content
                number += 1
    except OSError as error:
        raise ZooError(f"{path}: {error.strerror}") from None
    except struct.error:
        raise ZooError(f"{path}: became shorter while it was read; fetch the file again") from None


def _truncated(place: str) -> ZooError:
    return ZooError(f"{place}: the file ends inside it, so it is truncated; fetch the file again")
