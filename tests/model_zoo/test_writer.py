"""Writing zoos: whole or not at all, a network at a time, in files that the safetensors library reads."""

import json
import re
import stat
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors.numpy import load_file

from model_zoo import Axis, NetworkTruth, ZooError, ZooTruth, manifest, open_zoo
from model_zoo.manifest import (
    TARGETS,
    DatasetCard,
    NetworkFilesEntry,
    NetworkList,
    Part,
    RecipeMark,
    TrajectoryPoint,
    ZooManifest,
)
from model_zoo.recipes.keys import ZooKey
from model_zoo.safetensors_writer import write_tensors
from model_zoo.writer import ZooWriter, new_zoo, opaque_ids
from model_zoo.zoo import sha256_of
from scoring.truth import DERIVED_TARGETS
from tests.model_zoo.whole import CARD, DECLARED, METRICS, make_whole_zoo

TRUTH = NetworkTruth(hyperparameters={}, metrics=METRICS)
SPECIFICATION = Path(__file__).parents[2] / "docs" / "zoo-format.md"
FILE = re.compile(r"zoo\.json|(?:public|private)/[\w.]+")
KEYS: dict[str, list[type[Part]]] = {
    "zoo.json": [DatasetCard, RecipeMark],
    "public/networks.json": [NetworkList, NetworkFilesEntry, TrajectoryPoint],
    "private/truth.json": [ZooTruth, Axis, NetworkTruth],
    "private/key.json": [ZooKey],
}


def test_a_writer_that_fails_leaves_nothing(tmp_path: Path) -> None:
    nothing = NetworkTruth(hyperparameters={"width": 3}, metrics={})
    broken = {"0.weight": np.array([[np.inf]], dtype=np.float32)}
    message = r"network abc \(\{'width': 3\}\): 0\.weight is not finite"
    with pytest.raises(ZooError, match=message), new_zoo(tmp_path / "zoo") as writer:
        writer.network("abc", {"family": "sequential", "layers": []}, broken, None, nothing)
    assert list(tmp_path.iterdir()) == []


def test_a_writer_does_not_write_over_a_zoo(tiny_zoo: Path) -> None:
    before = sha256_of(tiny_zoo / "zoo.json")
    with pytest.raises(ZooError, match="exists already"), new_zoo(tiny_zoo):
        pytest.fail("the writer began")
    assert sha256_of(tiny_zoo / "zoo.json") == before


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ZooError, match="cannot make the folder"), new_zoo(tmp_path / "file" / "zoo"):
        pytest.fail("the writer began")


def test_opaque_ids_are_different_and_come_from_the_seed() -> None:
    ids = opaque_ids(500, 3)
    assert ids == opaque_ids(500, 3)
    assert len(set(ids)) == 500
    assert all(len(network_id) == 12 and int(network_id, 16) >= 0 for network_id in ids)
    assert set(ids).isdisjoint(opaque_ids(500, 4))
    assert ids != sorted(ids)


dtypes = st.sampled_from(["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64"])
shapes = st.lists(st.integers(0, 4), max_size=3)
names = st.text(min_size=1, max_size=6).filter(lambda name: name != "__metadata__")


@given(st.dictionaries(names, st.tuples(dtypes, shapes, st.booleans()), max_size=5))
def test_the_safetensors_library_reads_the_arrays_that_were_written(
    tmp_path_factory: pytest.TempPathFactory, drawn: dict[str, tuple[str, list[int], bool]]
) -> None:
    rng = np.random.default_rng(0)
    arrays: dict[str, NDArray[Any]] = {}
    for name, (dtype, shape, is_turned) in drawn.items():
        array = np.asarray(rng.integers(0, 2 if dtype == "bool" else 99, shape)).astype(dtype)
        arrays[name] = array.T if is_turned else array
    path = tmp_path_factory.getbasetemp() / "arrays.safetensors"
    digest = write_tensors(path, arrays)
    read = load_file(path)
    assert read.keys() == arrays.keys()
    for name, array in arrays.items():
        assert (read[name].dtype, read[name].shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(read[name], array)
    assert (digest.sha256, digest.bytes) == (sha256_of(path), path.stat().st_size)


@given(st.permutations(["bool", "int16", "float32", "int64", "float64"]))
def test_every_array_lies_at_its_own_alignment_whatever_the_order(
    tmp_path_factory: pytest.TempPathFactory, kinds: list[str]
) -> None:
    path = tmp_path_factory.getbasetemp() / "aligned.safetensors"
    write_tensors(path, {kind: np.ones(3, kind) for kind in kinds})
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    assert all((8 + length + entry["data_offsets"][0]) % np.dtype(kind).itemsize == 0 for kind, entry in header.items())


def test_numbers_from_a_machine_of_the_other_byte_order_are_turned(tmp_path: Path) -> None:
    array = np.arange(5, dtype=">f4")
    write_tensors(tmp_path / "file", {"a": array})
    assert load_file(tmp_path / "file")["a"].tolist() == [0, 1, 2, 3, 4]


def test_a_kind_of_number_that_no_zoo_holds_is_told(tmp_path: Path) -> None:
    with pytest.raises(ZooError, match="the tensor a has numbers of the kind complex64; convert them to float32"):
        write_tensors(tmp_path / "file", {"a": np.zeros(2, np.complex64)})


class DrawnWhenAsked(Mapping[str, NDArray[np.float32]]):
    """Arrays that are in nobody's memory until they are looked at."""

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self._shapes = shapes

    def __getitem__(self, name: str) -> NDArray[np.float32]:
        return np.ones(self._shapes[name], np.float32)

    def __iter__(self) -> Iterator[str]:
        return iter(self._shapes)

    def __len__(self) -> int:
        return len(self._shapes)


def test_no_more_than_one_network_is_ever_in_memory(tmp_path: Path) -> None:
    layer = {"type": "linear", "inputs": 1024, "outputs": 1024, "bias": False}
    architecture = {"family": "sequential", "layers": [layer] * 4}
    shapes = {f"{index}.weight": (1024, 1024) for index in range(4)}  # 16 MiB a network
    with new_zoo(tmp_path / "zoo") as writer:
        writer.training_data(np.ones((2, 1, 2, 2), np.float32), np.array([0, 1]))
        tracemalloc.start()
        for network_id in ("a", "b", "c"):
            writer.network(network_id, architecture, DrawnWhenAsked(shapes), None, TRUTH)
            writer.sibling(network_id, DrawnWhenAsked(shapes))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        writer.finish(CARD, [], test_size=4)
    assert sum(file.stat().st_size for file in (tmp_path / "zoo").rglob("*.safetensors")) > 6 * 2**24
    assert peak < 2**24


def test_all_files_look_alike_from_outside(tmp_path: Path) -> None:
    folder = make_whole_zoo(tmp_path / "whole")
    paths = [folder, *folder.rglob("*")]
    assert len({path.stat().st_mtime_ns for path in paths}) == 1
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths if path.is_file()} == {0o644}
    listed = json.loads((folder / "public" / "networks.json").read_text())["networks"]
    assert [entry["id"] for entry in listed] == sorted(entry["id"] for entry in listed)


WEIGHTS = {"1.weight": np.ones((2, 4), np.float32)}


def fail(folder: Path, message: str, write: Callable[[ZooWriter], object]) -> None:
    """Writing so must be told with `message`, and leave nothing behind."""
    with pytest.raises(ZooError, match=message), new_zoo(folder) as writer:
        write(writer)
    assert list(folder.parent.iterdir()) == []


def test_a_network_needs_an_id_of_its_own(tmp_path: Path) -> None:
    def write(writer: ZooWriter) -> None:
        writer.network("a", DECLARED, WEIGHTS, None, TRUTH)
        writer.network("a", DECLARED, WEIGHTS, None, TRUTH)

    fail(tmp_path / "zoo", "network a was written already", write)


def test_a_sibling_of_no_network_is_told(tmp_path: Path) -> None:
    def write(writer: ZooWriter) -> None:
        writer.network("a", DECLARED, WEIGHTS, None, TRUTH)
        writer.sibling("b", WEIGHTS)
        writer.finish(CARD, [], test_size=4)

    fail(tmp_path / "zoo", "network b has siblings, but is not in the zoo", write)


def test_a_trajectory_of_no_network_is_told(tmp_path: Path) -> None:
    def write(writer: ZooWriter) -> None:
        writer.network("a", DECLARED, WEIGHTS, None, TRUTH)
        writer.trajectory("b", 1, WEIGHTS)
        writer.finish(CARD, [], test_size=4)

    fail(tmp_path / "zoo", "network b has a trajectory, but is not in the zoo", write)


def test_a_trajectory_that_goes_back_is_told(tmp_path: Path) -> None:
    def write(writer: ZooWriter) -> None:
        writer.network("a", DECLARED, WEIGHTS, None, TRUTH)
        for epoch in (2, 1):
            writer.trajectory("a", epoch, WEIGHTS)
        writer.finish(CARD, [], test_size=4)

    fail(tmp_path / "zoo", r"the trajectory of network a has the epochs \[2\.0, 1\.0\], which must rise", write)


def test_a_sibling_that_is_not_finite_is_told(tmp_path: Path) -> None:
    broken = {"1.weight": np.full((2, 4), np.nan, np.float32)}
    message = r"sibling 0 of network a: 1\.weight is not finite"
    fail(tmp_path / "zoo", message, lambda writer: writer.sibling("a", broken))


def test_a_target_without_its_metric_is_told_before_the_zoo_is_there(tmp_path: Path) -> None:
    def write(writer: ZooWriter) -> None:
        writer.training_data(np.ones((2, 1, 2, 2), np.float32), np.array([0, 1]))
        writer.network("a", DECLARED, WEIGHTS, None, TRUTH)
        writer.finish(CARD.model_copy(update={"targets": ["robust_gap"]}), [], test_size=4)

    fail(tmp_path / "zoo", "the target robust_gap needs the metric robust_acc, which network a has not", write)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device here that is always full")
def test_a_full_disk_is_told_and_nothing_is_left(tmp_path: Path) -> None:
    def write(writer: ZooWriter) -> None:
        (unfinished,) = tmp_path.iterdir()
        (unfinished / "public").mkdir()
        (unfinished / "public" / "train.safetensors").symlink_to("/dev/full")
        writer.training_data(np.ones((2, 1, 2, 2), np.float32), np.array([0, 1]))

    fail(tmp_path / "zoo", "zoo: cannot write the zoo: No space left on device; nothing was left behind", write)


METRICS_OF_ALL = METRICS | {"train_calibration": 0.125, "test_calibration": 0.5, "robust_acc": 0.0}


@pytest.mark.parametrize(
    ("target", "value"),
    [
        ("gap", 0.25),
        ("test_error", 0.25),
        ("loss_gap", 0.75),
        ("calibration_gap", 0.375),
        ("ood_gap", 0.5),
        ("robust_gap", 1.0),
        ("sharpness", 3.0),
        ("train_acc", 1.0),
    ],
)
def test_a_target_is_a_difference_of_metrics_or_a_metric(tmp_path: Path, target: str, value: float) -> None:
    truth = NetworkTruth(hyperparameters={"k": 1}, metrics=METRICS_OF_ALL)
    with new_zoo(tmp_path / "zoo") as writer:
        writer.training_data(np.ones((2, 1, 2, 2), np.float32), np.array([0, 1]))
        writer.network("a", DECLARED, {"1.weight": np.ones((2, 4), np.float32)}, None, truth)
        writer.finish(CARD.model_copy(update={"targets": [target]}), [Axis(name="k", values=[1])], test_size=4)
    assert open_zoo(tmp_path / "zoo").truth().target(target) == {"a": value}


def test_an_unknown_target_is_told_with_what_there_is(tmp_path: Path) -> None:
    truth = open_zoo(make_whole_zoo(tmp_path / "whole")).truth()
    with pytest.raises(ZooError, match=r"needs the metric flatness, .*it has ood_acc, sharpness, test_acc"):
        truth.target("flatness")


def test_the_specification_lists_the_targets() -> None:
    text = SPECIFICATION.read_text()
    table = text.partition("<!-- targets:")[2].partition("<!-- end -->")[0]
    listed = dict(re.findall(r"\| `(\w+)` \| (.+) \|", table))
    assert listed == {
        name: f"{1 if minuend == 1 else f'`{minuend}`'} − `{subtrahend}`"
        for name, (minuend, subtrahend) in TARGETS.items()
    }


def test_targets_mean_to_zoos_what_they_mean_to_scores() -> None:
    """Two rooms that do not know each other define them."""
    derived = {
        name: (float(minuend), {subtrahend: -1.0})
        if not isinstance(minuend, str)
        else (0.0, {minuend: 1.0, subtrahend: -1.0})
        for name, (minuend, subtrahend) in TARGETS.items()
    }
    assert derived == dict(DERIVED_TARGETS)


def test_the_specification_names_every_key_and_file() -> None:
    first, *rest = re.split(r"^## (.+)\n", SPECIFICATION.read_text(), flags=re.MULTILINE)
    sections = dict(zip(rest[::2], rest[1::2], strict=True))
    rows = re.findall(r"^\| (`.+?`) \|", sections["zoo.json"], re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", " ".join(rows))) == ZooManifest.model_fields.keys()
    for section, kinds in KEYS.items():
        quoted = set(re.findall(r"[`\"](\w+)[`\"]", sections[section]))
        assert {key for kind in kinds for key in kind.model_fields} <= quoted
    files = {value for name, value in vars(manifest).items() if name.isupper() and FILE.fullmatch(str(value))}
    assert len(files) == 8
    assert files <= set(re.findall(rf"^    ({FILE.pattern}) ", first, re.MULTILINE))
