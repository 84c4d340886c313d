"""Reads PGDL's model_configs.json: hyperparameters and metrics of a task's networks."""

from collections.abc import Mapping
from operator import attrgetter
from pathlib import Path

from model_zoo.importers.hidden_truth import (
    HiddenTruth,
    find_value,
    finite_metrics,
    require_complete,
    require_different_names,
    written_values,
)
from model_zoo.importers.plain_files import is_there, plain_file, plain_name, read_json
from model_zoo.manifest import Axis, ZooError

FILE = "model_configs.json"
PREFIX = "model_"


def find_reference(task: Path, reference: Path | None) -> Path:
    """Find the task's model_configs.json.

    Parameters
    ----------
    task : Path
    reference : Path or None
        The file, its folder, or a folder with one folder per task; None: beside the models.

    Raises
    ------
    ZooError
        If it is not there.
    """
    if reference is None:
        places = [task / FILE]
    elif reference.is_dir():
        places = [reference / task.name / FILE, reference / FILE]
    else:
        return plain_file(reference)
    for place in places:
        if is_there(place):
            return plain_file(place)
    raise ZooError(f"{places[-1]}: no such file; say with --reference where the task's {FILE} is")


def read_reference(path: Path) -> HiddenTruth:
    """Read the truth in a model_configs.json, by network id without the prefix `model_`. Raises ZooError."""
    content = _object(read_json(path), f"{path}")
    axes: list[Axis] = []
    hyperparameters = {}
    metrics = {}
    for key, entry in content.items():
        name = plain_name(key, path).removeprefix(PREFIX)
        place = f"{path}: network {key}"
        if name in hyperparameters:
            raise ZooError(f"{place}: it is there with and without {PREFIX}")
        described = _object(entry, place)
        written = _object(described.get("hparams"), f"{place}: hparams")
        own = [_axis(axis, value, place) for axis, value in written.items()]
        axes = axes or own
        if sorted(own, key=attrgetter("name")) != sorted(axes, key=attrgetter("name")):
            raise ZooError(f"{place}: its hyperparameters or possible values are not those of the networks before")
        hyperparameters[name] = {
            axis.name: find_value(
                _object(written[axis.name], place).get("current_value"), axis.values, f"{place}: {axis.name}"
            )
            for axis in axes
        }
        metrics[name] = finite_metrics(_object(described.get("metrics"), f"{place}: metrics").items(), place)
    if not hyperparameters or not axes:
        raise ZooError(f"{path}: no network with hyperparameters here; this is not a task's {FILE}")
    require_different_names((axis.name for axis in axes), "the hyperparameters", path)
    truth = HiddenTruth(axes, hyperparameters, metrics)
    require_complete(truth, path)
    return truth


def _axis(name: str, written: object, place: str) -> Axis:
    possible = _object(written, f"{place}: {name}").get("possible_values")
    if not isinstance(possible, list) or not possible or not name:
        raise ZooError(f"{place}: {name}: possible_values must be a list of values, not {possible!r}")
    values = written_values(possible, f"{place}: {name}")
    if len(set(values)) < len(values):
        raise ZooError(f"{place}: {name}: possible_values has a value twice: {possible}")
    return Axis(name=name, values=values)


def _object(content: object, place: str) -> Mapping[str, object]:
    if not isinstance(content, dict):
        raise ZooError(f"{place} must be an object, not {content!r:.80}")
    return content
