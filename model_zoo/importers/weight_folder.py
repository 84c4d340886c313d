"""Imports a folder of PyTorch weights with a table of hyperparameters and metrics."""

import pickle
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model_zoo.architectures import load_weights
from model_zoo.importers.accuracy import declared
from model_zoo.importers.assemble import Candidate, Source, Watch, write_zoo
from model_zoo.importers.examples import Examples, checked_examples
from model_zoo.importers.import_request import ImportReport, TorchRequest
from model_zoo.importers.plain_files import below, is_there, plain_file, plain_folder, read_json
from model_zoo.importers.table import Row, read_table
from model_zoo.loading import read_file
from model_zoo.manifest import COUNTER, ZooError
from model_zoo.safetensors_writer import Arrays

_PICKLES = (".pt", ".pth", ".bin")
_SAFETENSORS = ".safetensors"
_NPZ = ".npz"
_STATE_DICT_KEYS = ("state_dict", "model_state_dict")
# All that torch.load is known to raise for a file that is damaged or not made by torch.save.
_LOAD_ERRORS = (
    pickle.UnpicklingError,
    RuntimeError,
    EOFError,
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ImportError,
)


def import_torch(request: TorchRequest, watch: Watch) -> ImportReport:
    """Write the zoo `request.out` from a folder of weights.

    Parameters
    ----------
    request : TorchRequest
    watch : callable
        Called with networks done, networks in total, and a text that says what is being done.

    Returns
    -------
    ImportReport

    Raises
    ------
    ZooError
        If anything is wrong; the message names the file.
    """
    folder = plain_folder(request.folder.resolve())
    rows, truth = read_table(request.table)
    train = _examples(request.train or _data_file(folder, "train"))
    tests = request.test or _data_file(folder, "test")
    test = _examples(tests) if request.test or is_there(tests) else None
    candidates: list[Candidate] = []
    classes = 0
    for row in rows:
        watch(0, len(rows), f"looking at network {row.network}")
        candidate = _candidate(request, folder, row)
        own = _classes(candidate, train)
        if own != (classes or own):
            raise ZooError(f"{candidate.place}: {own} classes, but the networks before have {classes}")
        candidates.append(candidate)
        classes = own
    source = Source(
        name=folder.name,
        candidates=candidates,
        truth=truth,
        truth_place=request.table,
        classes=classes,
        train=lambda _: train,
        test=None if test is None else lambda _: test,
    )
    return write_zoo(source, request, watch)


def _candidate(request: TorchRequest, folder: Path, row: Row) -> Candidate:
    if row.architecture is not None:
        declaration = below(folder, row.architecture, request.table)
    elif request.architecture is not None:
        declaration = plain_file(request.architecture)
    else:
        raise ZooError(f"{request.table}: network {row.network} has no architecture; give one for all, or in its row")
    architecture = read_json(declaration)
    if not isinstance(architecture, dict):
        raise ZooError(f"{declaration}: must be an object with the keys family and layers")
    if architecture.get("family") == "custom":
        raise ZooError(
            f"{declaration}: an import computes accuracies again and so runs only declared layers; pack networks with "
            "their own architecture.py as a zoo folder yourself"
        )
    wanted = declared(architecture, str(declaration)).state_dict()
    weights = below(folder, row.network, request.table)
    initial = below(folder, row.initial, request.table) if row.initial and request.with_initial else None
    return Candidate(
        name=row.network,
        place=weights,
        architecture=architecture,
        weights=partial(_weights, weights, wanted),
        initial=partial(_weights, initial, wanted) if initial else None,
    )


def _classes(candidate: Candidate, train: Examples) -> int:
    """Find how many logits the network gives for the data, without computing any."""
    network = declared(candidate.architecture, str(candidate.place))
    try:
        outputs = network(torch.empty((1, *train.inputs.shape[1:]), device="meta"))
    except RuntimeError as error:
        raise ZooError(
            f"{candidate.place}: its architecture does not take the inputs {train.inputs.shape[1:]}: {error}"
        ) from None
    if outputs.ndim != 2 or outputs.shape[1] < 2:
        raise ZooError(f"{candidate.place}: its outputs have the shape {tuple(outputs.shape)}, not (n, classes)")
    return int(outputs.shape[1])


def _weights(path: Path, wanted: Mapping[str, Tensor]) -> Arrays:
    """Read the arrays of a file under the declared names. Raises ZooError if they do not fit."""
    is_ordered = path.suffix.lower() != _SAFETENSORS
    found = _pickled(path) if is_ordered else read_file(path, load_weights)
    names = [name for name in wanted if not name.endswith(COUNTER)]
    given = [name for name in found if not name.endswith(COUNTER)]
    if set(given) != set(names):
        if not is_ordered or [found[name].shape for name in given] != [wanted[name].shape for name in names]:
            odd = min(set(given) ^ set(names))
            raise ZooError(
                f"{path}: the tensor {odd} is {'missing' if odd in wanted else 'not in the architecture'}; names must "
                "be those of the architecture, or in a state_dict the same shapes in the same order"
            )
        found = {name: found[own] for name, own in zip(names, given, strict=True)}
    arrays: dict[str, NDArray[Any]] = {}
    for name, tensor in wanted.items():
        if name.endswith(COUNTER):
            arrays[name] = np.array(0, np.int64)  # it would reveal the number of training steps
            continue
        value = found[name]
        if value.shape != tensor.shape or not value.is_floating_point():
            raise ZooError(
                f"{path}: {name} is {value.dtype} of shape {tuple(value.shape)}, but the architecture needs "
                f"float32 of {tuple(tensor.shape)}"
            )
        array = value.detach().to(torch.float32).contiguous().numpy()
        if not np.isfinite(array).all():
            raise ZooError(f"{path}: {name} has a number that is not finite; leave out or replace this network")
        arrays[name] = array
    return arrays


def _pickled(path: Path) -> Mapping[str, Tensor]:
    if path.suffix.lower() not in _PICKLES:
        raise ZooError(f"{path}: weights must be files {', '.join(_PICKLES)} or {_SAFETENSORS}")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except _LOAD_ERRORS as error:
        reason = str(error).strip().split("\n")[0]
        raise ZooError(f"{path}: no state_dict saved by torch.save ({reason}); only plain tensors are read") from None
    for key in _STATE_DICT_KEYS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in content.items()
    ):
        raise ZooError(f"{path}: not a state_dict; save one by torch.save(network.state_dict(), …)")
    return content


def _data_file(folder: Path, name: str) -> Path:
    """Return the folder's safetensors file of that name, or else its npz file."""
    preferred = folder / f"{name}{_SAFETENSORS}"
    other = folder / f"{name}{_NPZ}"
    return other if is_there(other) and not is_there(preferred) else preferred


def _examples(path: Path) -> Examples:
    plain_file(path)
    if path.suffix.lower() == _NPZ:
        try:
            with np.load(path, allow_pickle=False) as arrays:
                found = {name: arrays[name] for name in arrays.files}
        except (OSError, ValueError, EOFError, KeyError) as error:
            raise ZooError(f"{path}: not a file of arrays that can be read ({error})") from None
    else:
        found = {name: tensor.numpy() for name, tensor in read_file(path, load_weights).items()}
    if found.keys() != {"inputs", "labels"}:
        raise ZooError(f"{path}: must have the arrays inputs and labels, not {', '.join(sorted(found)) or 'none'}")
    inputs, labels = found["inputs"], found["labels"]
    if inputs.dtype.kind != "f" or labels.dtype.kind not in "iu" or inputs.ndim < 2:
        raise ZooError(
            f"{path}: inputs must be floating-point (n, channels, rows, columns) and labels integers (n,), not "
            f"{inputs.dtype} {inputs.shape} and {labels.dtype} {labels.shape}"
        )
    return checked_examples(inputs.astype(np.float32, copy=False), labels.astype(np.int64, copy=False), path)
