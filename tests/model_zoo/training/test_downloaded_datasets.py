"""Datasets from their distributors' files: read rightly, packed or extracted, and refused with the file's name."""

import gzip
import io
import pickle
import re
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import TypeAdapter
from scipy.io import savemat

from model_zoo.manifest import ZooError
from model_zoo.recipes import RecipeDataset
from model_zoo.training.datasets import Split, load_split
from model_zoo.training.randomness import Seeded
from tests.model_zoo.training import data_files
from tests.model_zoo.training.data_files import Opcodes, Written, lay, pack, python_two_pickle

Writer = Callable[[Path], Written]


def read(name: str, folder: Path | None, seed: int = 1, **options: Any) -> Split:
    dataset: RecipeDataset = TypeAdapter(RecipeDataset).validate_python({"name": name, **options})
    return load_split(dataset, Seeded(seed), folder)


def packed(make: Callable[[str], tuple[Written, dict[str, bytes]]], version: str, archive: str) -> Writer:
    def write(folder: Path) -> Written:
        written, files = make(version)
        pack(folder / archive, files)
        return written

    return write


def extracted(make: Callable[[str], tuple[Written, dict[str, bytes]]], version: str) -> Writer:
    def write(folder: Path) -> Written:
        written, files = make(version)
        lay(folder, files)
        return written

    return write


def laid(make: Callable[[], tuple[Written, dict[str, bytes]]]) -> Writer:
    def write(folder: Path) -> Written:
        written, files = make()
        lay(folder, files)
        return written

    return write


def cinic10_packed(folder: Path) -> Written:
    written, files = data_files.cinic10()
    pack(folder / "CINIC-10.tar.gz", {f"./{name}": content for name, content in files.items()})
    return written


def flowers_packed(folder: Path) -> Written:
    written, beside, inside = data_files.flowers()
    lay(folder, beside)
    pack(folder / "102flowers.tgz", inside)
    return written


def flowers_extracted(folder: Path) -> Written:
    written, beside, inside = data_files.flowers()
    lay(folder, beside | inside)
    return written


def pets_packed(folder: Path, has_trimap: bool = False) -> Written:
    written, images, lists = data_files.pets(has_trimap)
    pack(folder / "images.tar.gz", images)
    pack(folder / "annotations.tar.gz", lists)
    return written


def pets_extracted(folder: Path, has_trimap: bool = False) -> Written:
    written, images, lists = data_files.pets(has_trimap)
    lay(folder, images | lists)
    return written


WRITERS: dict[str, tuple[str, Writer]] = {
    "cifar-10 binary, packed": ("cifar-10", packed(data_files.cifar10, "binary", "cifar-10-binary.tar.gz")),
    "cifar-10 binary, extracted": ("cifar-10", extracted(data_files.cifar10, "binary")),
    "cifar-10 python, packed": ("cifar-10", packed(data_files.cifar10, "python", "cifar-10-python.tar.gz")),
    "cifar-10 python, extracted": ("cifar-10", extracted(data_files.cifar10, "python")),
    "cifar-100 binary, packed": ("cifar-100", packed(data_files.cifar100, "binary", "cifar-100-binary.tar.gz")),
    "cifar-100 binary, extracted": ("cifar-100", extracted(data_files.cifar100, "binary")),
    "cifar-100 python, packed": ("cifar-100", packed(data_files.cifar100, "python", "cifar-100-python.tar.gz")),
    "cifar-100 python, extracted": ("cifar-100", extracted(data_files.cifar100, "python")),
    "svhn": ("svhn", laid(data_files.svhn)),
    "fashion-mnist": ("fashion-mnist", laid(data_files.fashion_mnist)),
    "cinic-10, packed": ("cinic-10", cinic10_packed),
    "cinic-10, extracted": ("cinic-10", laid(data_files.cinic10)),
    "flowers, packed": ("oxford-flowers-102", flowers_packed),
    "flowers, extracted": ("oxford-flowers-102", flowers_extracted),
    "pets, packed": ("oxford-iiit-pet", pets_packed),
    "pets, extracted": ("oxford-iiit-pet", pets_extracted),
}
NAMES = sorted({name for name, _ in WRITERS.values()})


def examples(inputs: NDArray[np.float32], labels: Any) -> list[tuple[bytes, int]]:
    return sorted((image.tobytes(), int(label)) for image, label in zip(inputs, labels, strict=True))


def scaled(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    return pixels.astype(np.float32) / np.float32(255)


@pytest.mark.parametrize("case", WRITERS)
def test_a_dataset_is_read_as_it_was_written(case: str, tmp_path: Path) -> None:
    name, write = WRITERS[case]
    written = write(tmp_path / name)
    split = read(name, tmp_path)
    assert examples(split.train_inputs, split.train_labels) == examples(scaled(written.train), written.train_labels)
    assert examples(split.test_inputs, split.test_labels) == examples(scaled(written.test), written.test_labels)
    assert split.train_inputs.dtype == np.float32
    assert split.train_labels.dtype == np.int64
    dataset: Any = TypeAdapter(RecipeDataset).validate_python({"name": name})
    assert split.input_shape == dataset.input_shape
    assert split.classes == dataset.classes == len(set(split.train_labels.tolist()))
    assert split.card.name == name


def test_a_part_of_a_dataset_is_taken_by_class_and_from_the_seed(tmp_path: Path) -> None:
    WRITERS["cifar-10 binary, packed"][1](tmp_path / "cifar-10")
    part = read("cifar-10", tmp_path, training_size=20, test_size=10)
    assert np.bincount(part.train_labels).tolist() == [2] * 10
    assert np.bincount(part.test_labels).tolist() == [1] * 10
    again, other = (read("cifar-10", tmp_path, seed, training_size=20) for seed in (1, 2))
    assert np.array_equal(part.train_inputs, again.train_inputs)
    assert not np.array_equal(part.train_inputs, other.train_inputs)
    whole = read("cifar-10", tmp_path)
    assert set(examples(part.train_inputs, part.train_labels)) < set(examples(whole.train_inputs, whole.train_labels))


def test_more_than_a_dataset_has_is_told(tmp_path: Path) -> None:
    WRITERS["cifar-10 binary, packed"][1](tmp_path / "cifar-10")
    with pytest.raises(ZooError, match="training_size 51: must be all of the 50 examples, or from 10 to 40 of them"):
        read("cifar-10", tmp_path, training_size=51)


@pytest.mark.parametrize("name", NAMES)
def test_without_files_the_error_says_what_to_download_from_which_page_and_where_to_put_it(
    name: str, tmp_path: Path
) -> None:
    with pytest.raises(ZooError) as nowhere:
        read(name, None)
    with pytest.raises(ZooError) as empty:
        read(name, tmp_path)
    assert str(tmp_path / name) in str(empty.value)
    for message in (str(nowhere.value), str(empty.value)):
        assert re.search(r"\.(tar\.gz|tgz|mat|gz)", message)
        assert "from the page '" in message
    assert "--data" in str(nowhere.value)


@pytest.mark.parametrize("case", [case for case in WRITERS if "packed" in case])
@pytest.mark.parametrize("kept", [0.4, 0.97])
def test_a_truncated_archive_is_told_by_its_name(case: str, kept: float, tmp_path: Path) -> None:
    name, write = WRITERS[case]
    write(tmp_path / name)
    archive = sorted((tmp_path / name).glob("*.*gz"))[-1]
    content = archive.read_bytes()
    archive.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(ZooError, match=re.escape(str(archive))):
        read(name, tmp_path)


EXTRACTED = {
    "cifar-10 binary, extracted": "cifar-10-batches-bin/data_batch_3.bin",
    "cifar-10 python, extracted": "cifar-10-batches-py/data_batch_3",
    "cifar-100 binary, extracted": "cifar-100-binary/test.bin",
    "cifar-100 python, extracted": "cifar-100-python/train",
    "svhn": "test_32x32.mat",
    "fashion-mnist": "train-images-idx3-ubyte.gz",
    "cinic-10, extracted": "test/frog/cifar10-test-00012.png",
    "flowers, extracted": "setid.mat",
    "pets, extracted": "images/breed_7_test_7.jpg",
}


@pytest.mark.parametrize("case", EXTRACTED)
@pytest.mark.parametrize("damage", ["truncated", "empty", "something else"])
def test_a_damaged_file_is_told_by_its_name(case: str, damage: str, tmp_path: Path) -> None:
    name, write = WRITERS[case]
    write(tmp_path / name)
    damaged = tmp_path / name / EXTRACTED[case]
    content = damaged.read_bytes()
    damaged.write_bytes({"truncated": content[:-57], "empty": b"", "something else": b"<!DOCTYPE html>" * 99}[damage])
    with pytest.raises(ZooError, match=f"{re.escape(str(damaged))}: not the file as distributed .* download it again"):
        read(name, tmp_path)


@pytest.mark.parametrize("case", EXTRACTED)
def test_a_missing_file_is_told(case: str, tmp_path: Path) -> None:
    name, write = WRITERS[case]
    write(tmp_path / name)
    if case == "cinic-10, extracted":
        for path in (tmp_path / name / "test").rglob("*.png"):
            path.unlink()
    else:
        (tmp_path / name / EXTRACTED[case]).unlink()
    with pytest.raises(ZooError, match=r"is not there; download .* from the page '"):
        read(name, tmp_path)


def test_a_pickle_that_names_anything_but_an_array_is_refused_and_not_executed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    WRITERS["cifar-10 python, extracted"][1](tmp_path / "cifar-10")
    monkeypatch.chdir(tmp_path)
    batch = tmp_path / "cifar-10" / "cifar-10-batches-py" / "data_batch_1"
    command = Opcodes(b"cos\nsystem\n(U\x0atouch eviltR")
    pickle.loads(python_two_pickle(command))
    assert (tmp_path / "evil").exists(), "the pickle does its work where it is let"
    (tmp_path / "evil").unlink()
    for content in (command, {b"data": command, b"labels": []}):
        batch.write_bytes(python_two_pickle(content))
        with pytest.raises(ZooError, match=r"data_batch_1: .*it names os\.system"):
            read("cifar-10", tmp_path)
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize(
    ("batch", "fault"),
    [
        ([1, 2], "no array under data"),
        ({b"data": np.zeros((10, 3072)), b"labels": [0] * 10}, r"data is float64 of shape \(10, 3072\)"),
        ({b"data": np.zeros((10, 3071), np.uint8), b"labels": [0] * 10}, r"data is uint8 of shape \(10, 3071\)"),
        ({b"data": np.zeros((10, 3072), np.uint8)}, "no list of labels under labels"),
        ({b"data": np.zeros((10, 3072), np.uint8), b"labels": [0] * 9}, "10 images and 9 labels"),
        ({b"data": np.zeros((10, 3072), np.uint8), b"labels": [0, 10] * 5}, "labels from 0 to 10, not from 0 to 9"),
    ],
)
def test_a_pickle_of_something_else_is_told(batch: object, fault: str, tmp_path: Path) -> None:
    WRITERS["cifar-10 python, extracted"][1](tmp_path / "cifar-10")
    (tmp_path / "cifar-10" / "cifar-10-batches-py" / "data_batch_2").write_bytes(python_two_pickle(batch))
    with pytest.raises(ZooError, match=f"data_batch_2: not the file as distributed .{fault}"):
        read("cifar-10", tmp_path)


def test_links_and_paths_that_leave_an_archive_are_passed_over(tmp_path: Path) -> None:
    """Nothing is extracted, so all that an odd member can do is to be missing."""
    (tmp_path / "outside.bin").write_bytes(bytes(10 * 3073))
    _, files = data_files.cifar10("binary")
    wanted = "cifar-10-batches-bin/data_batch_5.bin"
    content = files.pop(wanted)
    pack(tmp_path / "cifar-10" / "cifar-10-binary.tar", files)
    archive = tmp_path / "cifar-10" / "cifar-10-binary.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for name, kind, target in (
            (wanted, tarfile.SYMTYPE, str(tmp_path / "outside.bin")),
            (wanted, tarfile.LNKTYPE, str(tmp_path / "outside.bin")),
            (wanted, tarfile.FIFOTYPE, ""),
        ):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, target
            tar.addfile(entry)
        for name, inside in [(f"../{wanted}", content), (f"/{wanted}", content), *files.items()]:
            entry = tarfile.TarInfo(name)
            entry.size = len(inside)
            tar.addfile(entry, io.BytesIO(inside))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ZooError, match="data_batch_5 of cifar-10 is not there"):
        read("cifar-10", tmp_path)
    assert sorted(tmp_path.rglob("*")) == before


def test_an_idx_file_of_another_shape_is_told(tmp_path: Path) -> None:
    WRITERS["fashion-mnist"][1](tmp_path / "fashion-mnist")
    images = tmp_path / "fashion-mnist" / "t10k-images-idx3-ubyte.gz"
    content = gzip.decompress(images.read_bytes())
    images.write_bytes(gzip.compress(content[:8] + (14).to_bytes(4, "big") + (56).to_bytes(4, "big") + content[16:]))
    with pytest.raises(ZooError, match=rf"{images}: .*images of shape \(14, 56\)"):
        read("fashion-mnist", tmp_path)


def test_idx_files_may_have_been_unpacked(tmp_path: Path) -> None:
    written = WRITERS["fashion-mnist"][1](tmp_path / "fashion-mnist")
    for path in (tmp_path / "fashion-mnist").glob("*.gz"):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    assert len(read("fashion-mnist", tmp_path).test_labels) == len(written.test_labels)


@pytest.mark.parametrize(
    ("arrays", "fault"),
    [
        ({"X": np.zeros((32, 32, 3, 20), np.uint8)}, "no array of numbers called y"),
        ({"X": np.zeros((32, 32, 3, 20)), "y": np.ones((20, 1))}, "X is float64 of shape"),
        ({"X": np.zeros((3, 32, 32, 20), np.uint8), "y": np.ones((20, 1))}, r"X is uint8 of shape \(3, 32, 32, 20\)"),
        ({"X": np.zeros((32, 32, 3, 20), np.uint8), "y": np.full((20, 1), 11)}, "labels from 11 to 11"),
        ({"X": np.zeros((32, 32, 3, 20), np.uint8), "y": np.ones((19, 1))}, "20 images and 19 labels"),
        ({"X": np.array(["a"]), "y": np.ones((19, 1))}, "no array of numbers called X"),
    ],
)
def test_a_matlab_file_of_something_else_is_told(arrays: dict[str, Any], fault: str, tmp_path: Path) -> None:
    WRITERS["svhn"][1](tmp_path / "svhn")
    path = tmp_path / "svhn" / "train_32x32.mat"
    savemat(path, arrays)
    with pytest.raises(ZooError, match=f"{path}: not the file as distributed .{fault}"):
        read("svhn", tmp_path)


def test_a_picture_of_another_size_is_told(tmp_path: Path) -> None:
    WRITERS["cinic-10, extracted"][1](tmp_path / "cinic-10")
    path = tmp_path / "cinic-10" / "train" / "airplane" / "cifar10-train-00000.png"
    path.write_bytes(data_files.picture(data_files.pixels(1, (3, 31, 32))[0], "PNG"))
    with pytest.raises(ZooError, match=f"{path}: .*32×31 pixels, not 32×32"):
        read("cinic-10", tmp_path)


def test_a_flower_without_a_label_is_told(tmp_path: Path) -> None:
    flowers_extracted(tmp_path / "oxford-flowers-102")
    path = tmp_path / "oxford-flowers-102" / "setid.mat"
    savemat(path, {"trnid": [[1, 9999]], "tstid": [[2]]})
    with pytest.raises(ZooError, match=f"{path}: .*image 9999 has no label in imagelabels.mat"):
        read("oxford-flowers-102", tmp_path)


def test_a_list_of_pets_that_is_no_list_is_told(tmp_path: Path) -> None:
    pets_extracted(tmp_path / "oxford-iiit-pet")
    path = tmp_path / "oxford-iiit-pet" / "annotations" / "test.txt"
    path.write_text("Abyssinian_1 first 1 1\n")
    with pytest.raises(ZooError, match=f"{path}: .*the line 'Abyssinian_1 first 1 1'"):
        read("oxford-iiit-pet", tmp_path)


@pytest.mark.parametrize("write", [pets_packed, pets_extracted])
def test_pets_may_have_their_trimaps_as_a_fourth_channel(write: Callable[..., Written], tmp_path: Path) -> None:
    written = write(tmp_path / "oxford-iiit-pet", has_trimap=True)
    split = read("oxford-iiit-pet", tmp_path, trimap=True)
    assert split.input_shape == [4, 32, 32]
    assert examples(split.train_inputs, split.train_labels) == examples(scaled(written.train), written.train_labels)
    assert examples(split.test_inputs, split.test_labels) == examples(scaled(written.test), written.test_labels)
    assert "the fourth channel from the trimap" in split.card.text


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (data_files.trimap(np.full((60, 45), 4, np.uint8)), "other values than 1, 2 and 3"),
        (data_files.picture(np.ones((3, 60, 45), np.uint8), "PNG"), "other values than 1, 2 and 3"),
        (b"no picture", "cannot identify image file"),
        (None, r"annotations/trimaps/breed_7_test_7\.png is not there; download images\.tar\.gz"),
    ],
)
def test_a_trimap_of_something_else_or_none_is_told(content: bytes | None, fault: str, tmp_path: Path) -> None:
    pets_extracted(tmp_path / "oxford-iiit-pet")
    path = tmp_path / "oxford-iiit-pet" / "annotations" / "trimaps" / "breed_7_test_7.png"
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(ZooError, match=f"{re.escape(str(path if content else path.parents[2]))}: .*{fault}"):
        read("oxford-iiit-pet", tmp_path, trimap=True)
