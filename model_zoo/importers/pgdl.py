"""Imports one task of the PGDL competition in the format in which its organizers published it.

What is quick to check (declarations, shapes, the grid) is checked for all networks before data and weights are read.
"""

from functools import partial
from pathlib import Path

from model_zoo.importers.accuracy import declared
from model_zoo.importers.assemble import Candidate, Source, Watch, write_zoo
from model_zoo.importers.examples import spool_shards
from model_zoo.importers.import_request import ImportReport, PgdlRequest
from model_zoo.importers.pgdl_reference import PREFIX, find_reference, read_reference
from model_zoo.importers.plain_files import is_there, plain_file, plain_folder, plain_name
from model_zoo.importers.tensorflow_files.keras import KerasNetwork, read_network
from model_zoo.manifest import ZooError

_CONFIG, _WEIGHTS, _INITIAL = "config.json", "weights.hdf5", "weights_init.hdf5"
_DATASET = "dataset_1"


def import_pgdl(request: PgdlRequest, watch: Watch) -> ImportReport:
    """Write the zoo `request.out` from a task's folder.

    Parameters
    ----------
    request : PgdlRequest
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
    task = plain_folder(request.task.resolve())
    place = find_reference(task, request.reference)
    truth = read_reference(place)
    folders = _network_folders(task)
    if odd := sorted(folders.keys() ^ truth.hyperparameters.keys()):
        if odd[0] in folders:
            raise ZooError(f"{folders[odd[0]]}: {place.name} says nothing of this network; add it or leave it out")
        raise ZooError(f"{place}: network {odd[0]} has no folder {PREFIX}{odd[0]} in {task}; fetch the task again")
    networks: list[KerasNetwork] = []
    candidates: list[Candidate] = []
    for name in truth.hyperparameters:
        watch(0, len(folders), f"looking at network {name}")
        network, candidate = _candidate(request, task.name, name, folders[name])
        networks.append(network)
        candidates.append(candidate)
    first = networks[0]
    for network, candidate in zip(networks, candidates, strict=True):
        if (network.input_shape, network.classes) != (first.input_shape, first.classes):
            raise ZooError(
                f"{candidate.place.parent / _CONFIG}: inputs of {network.input_shape} and {network.classes} classes, "
                f"but the networks before have {first.input_shape} and {first.classes}"
            )
    dataset = plain_folder(task / _DATASET)
    tests = dataset / "test"
    source = Source(
        name=task.name,
        candidates=candidates,
        truth=truth,
        truth_place=place,
        classes=first.classes,
        train=partial(spool_shards, plain_folder(dataset / "train"), first.input_shape),
        test=partial(spool_shards, plain_folder(tests), first.input_shape) if is_there(tests) else None,
    )
    return write_zoo(source, request, watch)


def _network_folders(task: Path) -> dict[str, Path]:
    found = {
        plain_name(path.name, task).removeprefix(PREFIX): path
        for path in sorted(task.iterdir())
        if path.name.startswith(PREFIX) and path.suffix != ".json"
    }
    if not found:
        raise ZooError(f"{task}: no folder {PREFIX}… here, so this is not a task of PGDL; give input_data/<task>")
    return {name: plain_folder(path) for name, path in found.items()}


def _candidate(request: PgdlRequest, task: str, name: str, folder: Path) -> tuple[KerasNetwork, Candidate]:
    config, weights = plain_file(folder / _CONFIG), plain_file(folder / _WEIGHTS)
    network = read_network(config, task, name, with_keras_layers=request.with_keras_layers)
    declared(network.architecture, f"{config}: task {task}, network {name}")
    network.check(weights)
    initial = folder / _INITIAL
    has_initial = request.with_initial and is_there(initial)
    if has_initial:
        network.check(plain_file(initial))
    return network, Candidate(
        name=name,
        place=weights,
        architecture=network.architecture,
        weights=partial(network.weights, weights),
        initial=partial(network.weights, initial) if has_initial else None,
    )
