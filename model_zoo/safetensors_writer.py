"""Writes arrays as a safetensors file piece by piece and computes its digest on the way, without torch.

The safetensors library would first copy all arrays in memory.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_zoo.manifest import FileDigest, ZooError

Arrays = Mapping[str, NDArray[Any]]

_CHUNK_BYTES = 2**20
_ALIGNMENT = 8
_KINDS = {
    "bool": "BOOL",
    "uint8": "U8",
    "int8": "I8",
    "int16": "I16",
    "int32": "I32",
    "int64": "I64",
    "float16": "F16",
    "float32": "F32",
    "float64": "F64",
}


def write_tensors(path: Path, arrays: Arrays) -> FileDigest:
    """Write arrays to a new safetensors file.

    Parameters
    ----------
    path : Path
    arrays : mapping of str to ndarray
        Tensor name to array; read one at a time.

    Returns
    -------
    FileDigest
        Size and sha256 of the file.

    Raises
    ------
    ZooError
        If an array has a dtype that the format does not have.
    """
    return write_pieces(path, _pieces(arrays))


def write_pieces(path: Path, pieces: Iterator[bytes | memoryview]) -> FileDigest:
    """Write pieces of bytes one after another to a file, and return its size and sha256."""
    digest, size = hashlib.sha256(), 0
    with path.open("wb") as file:
        for piece in pieces:
            file.write(piece)
            digest.update(piece)
            size += len(piece)
    return FileDigest(sha256=digest.hexdigest(), bytes=size)


def _pieces(arrays: Arrays) -> Iterator[bytes | memoryview]:
    sizes = {name: array.itemsize for name, array in arrays.items()}
    names = sorted(sizes, key=lambda name: (-sizes[name], name))  # the widest first: each lies at its own alignment
    header: dict[str, object] = {}
    end = 0
    for name in names:
        array = arrays[name]
        begin, end = end, end + array.nbytes
        header[name] = {"dtype": _kind(name, array), "shape": list(array.shape), "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    yield len(text).to_bytes(8, "little")
    yield text
    for name in names:
        array = arrays[name]
        if array.size:
            flat = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
            whole = flat.reshape(-1).view(np.uint8).data
            for start in range(0, len(whole), _CHUNK_BYTES):
                yield whole[start : start + _CHUNK_BYTES]


def _kind(name: str, array: NDArray[Any]) -> str:
    kind = _KINDS.get(array.dtype.name)
    if kind is None:
        raise ZooError(f"the tensor {name} has numbers of the kind {array.dtype}; convert them to float32")
    return kind
