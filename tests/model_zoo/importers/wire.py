"""TFRecords, tf.train.Example and TensorProto written for tests, with a bit-by-bit CRC32C."""

import struct
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Storage = Literal["content", "packed", "single"]

_CASTAGNOLI = 0x82F63B78
_FIELDS = {"float32": (1, 5), "int32": (3, 7), "int64": (9, 10)}  # DataType, and its field of single values


def crc32c(content: bytes) -> int:
    """The definition: polynomial division, a bit at a time."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (_CASTAGNOLI if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def record(content: bytes) -> bytes:
    length = struct.pack("<Q", len(content))
    return length + _masked(length) + content + _masked(content)


def records(contents: Iterable[bytes]) -> bytes:
    return b"".join(map(record, contents))


def _masked(content: bytes) -> bytes:
    crc = crc32c(content)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32)


def varint(number: int) -> bytes:
    number %= 2**64  # two's complement of a negative one
    content = bytearray()
    while number >= 0x80:
        content.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*content, number])


def message(field: int, content: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(content)) + content


def integer(field: int, number: int) -> bytes:
    return varint(field << 3) + varint(number)


def tensor(array: NDArray[Any], storage: Storage = "content", kept: int | None = None) -> bytes:
    """A TensorProto. kept: how many single values are written, where the last stands for the rest."""
    kind, field = _FIELDS[array.dtype.name]
    shape = b"".join(message(2, integer(1, size)) for size in array.shape)
    begin = integer(1, kind) + message(2, shape)
    flat = array.reshape(-1)[:kept]
    if storage == "content":
        return begin + message(4, array.astype(array.dtype.newbyteorder("<")).tobytes())
    if storage == "packed":
        values = [struct.pack("<f", n) if array.dtype.kind == "f" else varint(int(n)) for n in flat]
        return begin + message(field, b"".join(values))
    if array.dtype.kind == "f":
        return begin + b"".join(varint(field << 3 | 5) + struct.pack("<f", n) for n in flat)
    return begin + b"".join(integer(field, int(n)) for n in flat)


def example(features: dict[str, bytes]) -> bytes:
    entries = (
        message(1, message(1, name.encode()) + message(2, message(1, message(1, value))))
        for name, value in features.items()
    )
    return message(1, b"".join(entries))


def shard(inputs: NDArray[np.float32], labels: Sequence[int], storage: Storage = "content") -> bytes:
    """inputs: (n, H, W, C)."""
    return records(
        example({"inputs": tensor(picture, storage), "output": tensor(np.array(label, np.int32), storage)})
        for picture, label in zip(inputs, labels, strict=True)
    )
