"""Reads tf.train.Example and TensorProto messages from protobuf's wire format, without TensorFlow.

Only the few fields that a labelled image needs are supported; their numbers are part of the format and cannot change.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MOST_ELEMENTS = 2**28

# Example.features, Features.feature (a map), Feature.bytes_list, BytesList.value: all have number 1.
_ONLY = 1
_MAP_KEY, _MAP_VALUE = 1, 2
_DTYPE, _SHAPE, _CONTENT = 1, 2, 4
_DIMENSION, _UNKNOWN_RANK, _SIZE = 2, 3, 1


class WireError(ValueError):
    """Bytes that are not the expected message."""


# Of a tensor: its dtype in numpy, and the field of single values that is used where there is no content.
_KINDS: Mapping[int, tuple[np.dtype[Any], int]] = {
    1: (np.dtype("<f4"), 5),
    3: (np.dtype("<i4"), 7),
    9: (np.dtype("<i8"), 10),
}


def example_features(message: bytes) -> Mapping[str, bytes]:
    """Parse a tf.train.Example: its bytes features that have exactly one value. Raises WireError."""
    found: dict[str, bytes] = {}
    for features in _messages(memoryview(message), _ONLY):
        for entry in _messages(features, _ONLY):
            keys = list(_messages(entry, _MAP_KEY))
            values = [
                value
                for feature in _messages(entry, _MAP_VALUE)
                for listed in _messages(feature, _ONLY)
                for value in _messages(listed, _ONLY)
            ]
            if len(keys) == len(values) == 1:
                found[_text(keys[0])] = bytes(values[0])
    return found


def parse_tensor(message: bytes) -> NDArray[Any]:
    """Parse a TensorProto of float32, int32 or int64.

    Its numbers are in `tensor_content`, or one by one in `float_val`, `int_val` or `int64_val`, where the last one
    stands for all that are missing.

    Raises
    ------
    WireError
        If it is not such a message.
    """
    number, content = 1, memoryview(b"")
    shape: tuple[int, ...] = ()
    values: dict[int, list[memoryview | int]] = {}
    for field, value in _fields(memoryview(message)):
        if field == _DTYPE and isinstance(value, int):
            number = value
        elif field == _SHAPE and isinstance(value, memoryview):
            shape = _shape(value)
        elif field == _CONTENT and isinstance(value, memoryview):
            content = value
        else:
            values.setdefault(field, []).append(value)
    if number not in _KINDS:
        raise WireError(f"a tensor of kind {number}; known are float32 (1), int32 (3) and int64 (9)")
    dtype, single_field = _KINDS[number]
    count = math.prod(shape)
    if count > _MOST_ELEMENTS:
        raise WireError(f"a tensor of shape {shape}, more than {_MOST_ELEMENTS} numbers")
    if len(content):
        if len(content) != count * dtype.itemsize:
            raise WireError(f"{len(content)} bytes do not hold {dtype.name} of shape {shape}")
        return np.frombuffer(content, dtype).reshape(shape)
    single = _single_values(values.get(single_field, []), dtype)
    if len(single) > count:
        raise WireError(f"{len(single)} numbers for a tensor of shape {shape}")
    array = np.full(count, single[-1] if len(single) else 0, dtype)
    array[: len(single)] = single
    return array.reshape(shape)


def _single_values(values: list[memoryview | int], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Collect the values of a field of numbers, which may be packed, single, or both."""
    if dtype.kind == "f":
        try:
            parts = [np.frombuffer(value, dtype) for value in values if isinstance(value, memoryview)]
        except ValueError:
            raise WireError("float_val does not hold whole numbers of 4 bytes") from None
        if len(parts) < len(values):
            raise WireError("float_val is not of float32")
        return np.concatenate([np.empty(0, dtype), *parts])
    whole: list[int] = []
    for value in values:
        if isinstance(value, int):
            whole.append(value)
            continue
        position = 0
        while position < len(value):
            item, position = _varint(value, position)
            whole.append(item)
    try:
        return np.array([_signed(item) for item in whole], dtype)
    except OverflowError:
        raise WireError(f"a number does not fit {dtype.name}") from None


def _shape(message: memoryview) -> tuple[int, ...]:
    sizes: list[int] = []
    for field, value in _fields(message):
        if field == _UNKNOWN_RANK and value:
            raise WireError("a tensor of unknown rank")
        if field == _DIMENSION and isinstance(value, memoryview):
            size = next((size for name, size in _fields(value) if name == _SIZE and isinstance(size, int)), 0)
            if _signed(size) < 0:
                raise WireError("a tensor with an unknown dimension")
            sizes.append(size)
    return tuple(sizes)


def _messages(message: memoryview, field: int) -> Iterator[memoryview]:
    for number, value in _fields(message):
        if number == field and isinstance(value, memoryview):
            yield value


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """Iterate over (number, value) of each field: an integer for a varint, bytes for anything else."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            item, position = _varint(message, position)
            yield number, item
            continue
        if kind == _BYTES:
            length, position = _varint(message, position)
        elif kind in (_FIXED32, _FIXED64):
            length = 4 if kind == _FIXED32 else 8
        else:
            raise WireError(f"a field of the unknown wire type {kind}")
        if length > len(message) - position:
            raise WireError("a field that is longer than its message")
        yield number, message[position : position + length]
        position += length


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    result = 0
    for shift in range(0, 70, 7):
        if position >= len(message):
            raise WireError("a number that is longer than its message")
        byte = message[position]
        position += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result & (2**64 - 1), position
    raise WireError("a number of more than 64 bits")


def _signed(number: int) -> int:
    """Decode a negative number, which is written as 64-bit two's complement, even an int32."""
    return number - 2**64 if number >= 2**63 else number


def _text(content: memoryview) -> str:
    try:
        return str(content, "utf-8")
    except UnicodeDecodeError:
        raise WireError("a feature's name that is not UTF-8") from None
