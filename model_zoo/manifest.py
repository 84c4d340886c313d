"""The three JSON files of a zoo folder, format 1, as pydantic models: zoo.json, networks.json and truth.json."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from model_zoo.decimals import rounded_differences, rounded_number
from model_zoo.spelling import equal_names, equal_values, is_exact, is_written_as

FORMAT = 1
MANIFEST = "zoo.json"
NETWORKS = "public/networks.json"
TRAINING_DATA = "public/train.safetensors"
UNLABELLED = "public/unlabelled.safetensors"
ARCHITECTURE_CODE = "public/architecture.py"
TRUTH = "private/truth.json"
TEST_DATA = "private/test.safetensors"
KEY = "private/key.json"  # only where the truth is hidden
COUNTER = "num_batches_tracked"  # of batch norm: it would reveal the number of training steps, so a zoo has 0 there

# What may be predicted besides a metric itself: the first minus the second, a number or a metric's name.
TARGETS: Mapping[str, tuple[float | str, str]] = {
    "gap": ("train_acc", "test_acc"),
    "test_error": (1.0, "test_acc"),
    "loss_gap": ("test_loss", "train_loss"),
    "calibration_gap": ("test_calibration", "train_calibration"),
    "ood_gap": ("train_acc", "ood_acc"),
    "robust_gap": ("train_acc", "robust_acc"),
}

MOST_FURTHER_FILES = 64  # siblings and trajectory of one network: each is an open file of a measure's process

_SHOWN_ERRORS = 5
_UNSAFE = re.compile(r'[\\:*?"<>|\x00-\x1f]')


class ZooError(Exception):
    """A zoo cannot be read, written or trained. The message names the file and says what to do."""


def _inside_zoo(name: str) -> str:
    parts = name.split("/")
    if _UNSAFE.search(name) or len(parts) < 2 or any(part in ("", ".", "..") for part in parts):
        raise ValueError(f"{name!r} is not a path inside the zoo folder")
    if parts[0] not in ("public", "private"):
        raise ValueError(f"{name!r} is neither below public/ nor below private/")
    return str(PurePosixPath(name))


def _below_public(name: str) -> str:
    if not name.startswith("public/"):
        raise ValueError(f"{name!r} is not below public/")
    return name


def _held_by_float64(number: object) -> object:
    if not is_exact(number):
        raise ValueError("a whole number beyond 2^53 that float64 cannot hold; different ones would count as equal")
    return number


FileName = Annotated[str, AfterValidator(_inside_zoo)]
PublicFileName = Annotated[FileName, AfterValidator(_below_public)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,79}$")]
TargetName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,80}$")]
AxisValue = bool | int | FiniteFloat | str
MetricNumber = Annotated[FiniteFloat, BeforeValidator(_held_by_float64)]


class Part(BaseModel):
    """Base class of the models in this module: immutable, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FileDigest(Part):
    """Size and sha256 of a file."""

    sha256: Sha256
    bytes: int = Field(ge=0)


class DatasetCard(Part):
    """Where the data come from, and under which licence."""

    name: str
    source: str
    licence: str
    text: str = ""


class RecipeMark(Part):
    """The recipe and seed that a zoo was trained from; null for a zoo made elsewhere."""

    name: Name
    seed: int
    sha256: Sha256


class ZooCard(Part):
    """Description of a zoo: everything in zoo.json but the list of files."""

    name: Name
    title: str = Field(min_length=1, max_length=200)
    text: str = ""
    licence: str = ""
    citation: str = ""
    dataset: DatasetCard
    input_shape: list[Annotated[int, Field(ge=1)]] = Field(min_length=1, max_length=4)
    classes: int = Field(ge=2)
    targets: list[TargetName] = Field(default=["gap"], min_length=1)
    tracks: list[Literal["standard", "extended"]] = Field(default=["standard"], min_length=1)
    truth_public: bool
    recipe: RecipeMark | None = None


class ZooManifest(ZooCard):
    """The file zoo.json: the description of a zoo and the digest of every other file. It is written last."""

    format: Literal[1]
    files: dict[FileName, FileDigest]

    @model_validator(mode="after")
    def _has_the_needed_files(self) -> Self:
        for needed in (NETWORKS, TRAINING_DATA):
            if needed not in self.files:
                raise ValueError(f"files must list {needed}")
        return self


class TrajectoryPoint(Part):
    """A network's weights after `epoch` epochs of training; a fraction is a time within an epoch."""

    epoch: FiniteFloat = Field(ge=0)
    weights: PublicFileName


class NetworkFilesEntry(Part):
    """One network in networks.json. Only the architecture may reveal a hyperparameter.

    Attributes
    ----------
    id : str
        Random identifier.
    architecture : dict
        Declaration, see docs/zoo-format.md.
    weights, initial : str
        Names of the files with the weights after and before training; `initial` may be None.
    siblings : list of str
        Weights of networks of the same architecture and hyperparameters from other seeds.
    trajectory : list of TrajectoryPoint
        The network's own weights during training, in order.
    """

    id: Identifier
    architecture: dict[str, object]
    weights: PublicFileName
    initial: PublicFileName | None = None
    siblings: list[PublicFileName] = []
    trajectory: list[TrajectoryPoint] = []

    @model_validator(mode="after")
    def _has_no_more_files_than_a_sandbox_takes(self) -> Self:
        if len(self.siblings) + len(self.trajectory) > MOST_FURTHER_FILES:
            raise ValueError(
                f"network {self.id} has more than {MOST_FURTHER_FILES} siblings and points of its trajectory together"
            )
        return self

    @model_validator(mode="after")
    def _trajectory_is_in_order(self) -> Self:
        epochs = [point.epoch for point in self.trajectory]
        if epochs != sorted(set(epochs)):
            raise ValueError(f"the trajectory of network {self.id} has the epochs {epochs}, which must rise")
        return self

    @model_serializer(mode="wrap")
    def _leave_out_an_empty_trajectory(self, serialize: SerializerFunctionWrapHandler) -> dict[str, object]:
        """Keep the bytes, and so the identity, of zoos that were made before there were trajectories."""
        content: dict[str, object] = serialize(self)
        return content if self.trajectory else {key: content[key] for key in content if key != "trajectory"}

    @property
    def files(self) -> list[str]:
        """The names of all of the network's weight files."""
        own = [self.weights, *([self.initial] if self.initial else [])]
        return [*own, *self.siblings, *(point.weights for point in self.trajectory)]


class NetworkList(Part):
    """The file public/networks.json."""

    format: Literal[1]
    networks: list[NetworkFilesEntry] = Field(min_length=1)

    @model_validator(mode="after")
    def _ids_are_unique(self) -> Self:
        seen: set[str] = set()
        for network in self.networks:
            if network.id in seen:
                raise ValueError(f"the network {network.id} is listed twice")
            seen.add(network.id)
        return self


class Axis(Part):
    """One hyperparameter of the grid, with its possible values in order."""

    name: str = Field(min_length=1)
    values: list[AxisValue] = Field(min_length=1)

    @model_validator(mode="after")
    def _values_are_unique(self) -> Self:
        if (equal := equal_values(self.values)) is not None:
            raise ValueError(
                f"the axis {self.name} has a value twice"
                if is_written_as(*equal)
                else f"the axis {self.name} has {equal[0]!r} and {equal[1]!r}, which are equal but written differently"
            )
        return self


def described(axes: Sequence[Axis], place: Sequence[AxisValue]) -> str:
    """Describe a combination of the axes' values, for messages."""
    return ", ".join(f"{axis.name}={value}" for axis, value in zip(axes, place, strict=True))


class NetworkTruth(Part):
    """The hidden part of one network: its hyperparameters, metrics, and its name in the zoo it was imported from."""

    hyperparameters: dict[str, AxisValue]
    metrics: dict[str, MetricNumber]
    source: str | None = None


class ZooTruth(Part):
    """The file private/truth.json: the grid and, by network id, hyperparameters and metrics."""

    format: Literal[1]
    axes: list[Axis]
    test_size: int = Field(ge=1)
    networks: dict[Identifier, NetworkTruth] = Field(min_length=1)

    @model_validator(mode="after")
    def _hyperparameters_are_on_the_axes(self) -> Self:
        values = {axis.name: axis.values for axis in self.axes}
        if (equal := equal_names(axis.name for axis in self.axes)) is not None:
            raise ValueError(f"two axes have the same name ({equal[0]!a} and {equal[1]!a})")
        for identifier, network in self.networks.items():
            if network.hyperparameters.keys() != values.keys():
                raise ValueError(
                    f"network {identifier} has the hyperparameters {sorted(network.hyperparameters)}, "
                    f"but the axes are {sorted(values)}"
                )
            for name, value in network.hyperparameters.items():
                if not any(is_written_as(value, possible) for possible in values[name]):
                    raise ValueError(f"network {identifier}: {name} = {value!r} is not on its axis {values[name]}")
            for metric in ("train_acc", "test_acc"):
                if metric not in network.metrics:
                    raise ValueError(f"network {identifier} has no metric {metric}")
        return self

    def target(self, name: str) -> dict[str, float]:
        """Compute the quantity to predict for every network, in decimals so that equal ones tie.

        Parameters
        ----------
        name : str
            One of TARGETS, such as "gap", or the name of a metric.

        Returns
        -------
        dict
            Network id to target value.

        Raises
        ------
        ZooError
            If a network lacks a metric that the target needs.
        """
        minuend, subtrahend = TARGETS.get(name, (name, None))
        first = {key: _metric(network, key, name, minuend) for key, network in self.networks.items()}
        if subtrahend is None:
            return {key: rounded_number(number) for key, number in first.items()}
        second = {key: _metric(network, key, name, subtrahend) for key, network in self.networks.items()}
        pairs = {key: (number, second[key]) for key, number in first.items()}
        return rounded_differences({key: (a - b, max(abs(a), abs(b))) for key, (a, b) in pairs.items()})

    def gaps(self) -> dict[str, float]:
        """Compute the generalization gap `train_acc - test_acc` by network id."""
        return self.target("gap")


def _metric(network: NetworkTruth, identifier: str, target: str, metric: float | str) -> float:
    if not isinstance(metric, str):
        return metric
    if metric not in network.metrics:
        raise ZooError(
            f"the target {target} needs the metric {metric}, which network {identifier} has not; it has "
            f"{', '.join(sorted(network.metrics))}. Record the metric for every network, or leave the target out"
        )
    return network.metrics[metric]


Parsed = TypeVar("Parsed", ZooManifest, NetworkList, ZooTruth)


def parse(kind: type[Parsed], content: bytes, path: Path) -> Parsed:
    """Parse the content of one of the JSON files of a zoo.

    Parameters
    ----------
    kind : type
        ZooManifest, NetworkList or ZooTruth.
    content : bytes
    path : Path
        The file it was read from, for messages.

    Raises
    ------
    ZooError
        If it is not JSON, of a newer format, or has wrong keys or values; the message names file and keys.
    """
    try:
        raw = json.loads(content)
    except (ValueError, RecursionError) as error:  # also an integer of thousands of digits, and deep nesting
        raise ZooError(f"{path}: not JSON ({error}); make or fetch the zoo again") from None
    number = raw.get("format") if isinstance(raw, dict) else None
    if not isinstance(number, int):
        raise ZooError(f"{path}: no format number, so this is not a file of a zoo")
    if number > FORMAT:
        raise ZooError(f"{path}: format {number} is newer than this Gengap reads ({FORMAT}); install a newer Gengap")
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        raise ZooError(f"{path}: {faults(error)}") from None


def faults(error: ValidationError) -> str:
    """Describe the first few errors that pydantic found, on one line, each with its key."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    shown = [
        ": ".join(filter(None, [".".join(str(step) for step in fault["loc"]), fault["msg"]]))
        for fault in found[:_SHOWN_ERRORS]
    ]
    if len(found) > _SHOWN_ERRORS:
        shown.append(f"and {len(found) - _SHOWN_ERRORS} more")
    return "; ".join(shown).replace("Value error, ", "")


def dump(part: ZooManifest | NetworkList | ZooTruth) -> bytes:
    """Serialize one of the JSON files of a zoo to bytes."""
    content = {"format": FORMAT} | part.model_dump(mode="json")
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()
