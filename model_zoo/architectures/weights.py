"""Maps a safetensors file from a file descriptor into memory without copying; a sandbox has descriptors, not paths."""

import json
import math
import mmap
import os
from dataclasses import dataclass

import torch
from torch import Tensor

_HEADER_LIMIT_BYTES = 8 * 2**20
_LENGTH_BYTES = 8
_DTYPES = {
    "BOOL": torch.bool,
    "U8": torch.uint8,
    "I8": torch.int8,
    "I16": torch.int16,
    "I32": torch.int32,
    "I64": torch.int64,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F32": torch.float32,
    "F64": torch.float64,
}


class WeightsError(ValueError):
    """A weight or data file is damaged, or does not fit the architecture."""


@dataclass(frozen=True)
class _Slot:
    """Where a tensor is in the file: its dtype, its shape, and first and last byte."""

    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]
    start: int
    end: int


def load_weights(fd: int) -> dict[str, Tensor]:
    """Map the tensors of a safetensors file privately into memory, without copying.

    Changes in place stay in this process.

    Parameters
    ----------
    fd : int
        Open file descriptor; it may be closed afterwards.

    Returns
    -------
    dict of str to torch.Tensor

    Raises
    ------
    WeightsError
        If the file is damaged.
    """
    size = os.fstat(fd).st_size
    if size < _LENGTH_BYTES:
        raise WeightsError(f"{size} bytes are too few for a safetensors file")
    # Private and writable: a measure may perturb weights in place without harm to the next one's.
    view = mmap.mmap(fd, 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
    return {slot.name: _tensor(view, slot) for slot in _slots(view, size)}


def _tensor(view: mmap.mmap, slot: _Slot) -> Tensor:
    count = math.prod(slot.shape)
    if count == 0:  # frombuffer refuses an empty tensor
        return torch.empty(slot.shape, dtype=slot.dtype)
    return torch.frombuffer(view, dtype=slot.dtype, count=count, offset=slot.start).view(slot.shape)


def _slots(view: mmap.mmap, size: int) -> list[_Slot]:
    length = int.from_bytes(view[:_LENGTH_BYTES], "little")
    data_start = _LENGTH_BYTES + length
    if length > _HEADER_LIMIT_BYTES or data_start > size:
        raise WeightsError(f"the header claims {length} bytes of a file of {size}; the file is damaged")
    try:
        header = json.loads(view[_LENGTH_BYTES:data_start])
    except (ValueError, RecursionError):
        raise WeightsError("the header is not JSON; the file is damaged") from None
    if not isinstance(header, dict):
        raise WeightsError("the header is not an object; the file is damaged")
    entries = ((name, entry) for name, entry in header.items() if name != "__metadata__")
    slots = sorted((_slot(name, entry, data_start) for name, entry in entries), key=lambda slot: slot.start)
    reached = data_start
    for slot in slots:
        if slot.start != reached or slot.end > size:
            raise WeightsError(
                f"tensor {slot.name!r}: its bytes {slot.start} to {slot.end} overlap others, leave a hole "
                f"or leave the file of {size}; the file is damaged or truncated"
            )
        reached = slot.end
    if reached != size:
        raise WeightsError(f"{size - reached} bytes after the last tensor; the file is damaged")
    return slots


def _slot(name: str, entry: object, data_start: int) -> _Slot:
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise WeightsError(f"tensor {name!r}: its header needs dtype, shape and data_offsets")
    dtype = _DTYPES.get(entry["dtype"]) if isinstance(entry["dtype"], str) else None
    if dtype is None:
        raise WeightsError(f"tensor {name!r}: unknown dtype {entry['dtype']!r}")
    shape, offsets = entry["shape"], entry["data_offsets"]
    if not _are_sizes(shape) or not _are_sizes(offsets) or len(offsets) != 2:
        raise WeightsError(f"tensor {name!r}: shape {shape!r} and data_offsets {offsets!r} must be sizes")
    start, end = data_start + offsets[0], data_start + offsets[1]
    if end - start != math.prod(shape) * dtype.itemsize:
        raise WeightsError(f"tensor {name!r}: {end - start} bytes do not hold {entry['dtype']} of shape {shape}")
    return _Slot(name, dtype, tuple(shape), start, end)


def _are_sizes(values: object) -> bool:
    return isinstance(values, list) and all(type(value) is int and value >= 0 for value in values)
