"""Writes tiny datasets in the files of their distributors, byte for byte in their formats."""

import gzip
import io
import struct
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.io import savemat

from model_zoo.training.datasets.pictures import CINIC_CLASSES

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Written:
    """What a dataset should be read as: uint8 pixels (n, C, H, W) and labels, by part."""

    train: Pixels
    train_labels: list[int]
    test: Pixels
    test_labels: list[int]


def pixels(count: int, shape: Sequence[int], seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(256, size=(count, *shape), dtype=np.uint8)


def labels(count: int, classes: int) -> list[int]:
    """Every class at least twice, so that a part can be taken by class."""
    assert count >= 2 * classes
    return [place % classes for place in range(count)]


@dataclass(frozen=True)
class Opcodes:
    """A part of a pickle as it stands in the file."""

    content: bytes


def python_two_pickle(value: object) -> bytes:
    """A pickle of protocol 2 as Python 2 writes it, with byte strings as themselves: what CIFAR's distributor used.

    Python 3 writes byte strings as a call of a function, which the distributor's files do not have.
    """
    return b"\x80\x02" + _opcodes(value) + b"."


def _opcodes(value: object) -> bytes:
    match value:
        case Opcodes(content):
            return content
        case dict():
            return b"}(" + b"".join(_opcodes(part) for item in value.items() for part in item) + b"u"
        case list():
            return b"](" + b"".join(map(_opcodes, value)) + b"e"
        case tuple():
            return b"(" + b"".join(map(_opcodes, value)) + b"t"
        case int():
            return b"J" + struct.pack("<i", value)
        case bytes():
            return b"T" + struct.pack("<i", len(value)) + value
        case None:
            return b"N"
        case np.ndarray():
            made = (
                b"cnumpy.core.multiarray\n_reconstruct\n" + _opcodes((Opcodes(b"cnumpy\nndarray\n"), (0,), b"b")) + b"R"
            )
            kind = b"cnumpy\ndtype\n" + _opcodes((value.dtype.str[1:].encode(), 0, 1)) + b"R"
            order = value.dtype.str[:1].encode()
            state = (1, value.shape, Opcodes(kind + _opcodes((3, order, None, None, None, -1, -1, 0)) + b"b"), 0)
            return made + _opcodes((*state, value.tobytes())) + b"b"
        case _:
            raise TypeError(type(value))


def matlab(arrays: Mapping[str, object]) -> bytes:
    """A MATLAB file, version 5, compressed as the distributors' are."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "arrays.mat"
        savemat(path, dict(arrays), do_compression=True)
        return path.read_bytes()


def pack(archive: Path, files: Mapping[str, bytes]) -> None:
    """A gzipped tar of the folders and files, as `tar czf` makes it."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive, "w:gz") as tar:
        for folder in sorted({str(Path(name).parent) for name in files} - {"."}):
            entry = tarfile.TarInfo(folder)
            entry.type = tarfile.DIRTYPE
            tar.addfile(entry)
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))


def lay(folder: Path, files: Mapping[str, bytes]) -> None:
    """The same, extracted."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def cifar10(version: str) -> tuple[Written, dict[str, bytes]]:
    """version: "binary" or "python"."""
    train, test = pixels(50, (3, 32, 32)), pixels(20, (3, 32, 32), 1)
    written = Written(train, labels(50, 10), test, labels(20, 10))
    files: dict[str, bytes] = {}
    for batch in range(5):
        rows = slice(10 * batch, 10 * batch + 10)
        files |= _cifar10_file(version, f"data_batch_{batch + 1}", train[rows], written.train_labels[rows])
    files |= _cifar10_file(version, "test_batch", test, written.test_labels)
    meta = f"cifar-10-batches-{'bin' if version == 'binary' else 'py'}/batches.meta"
    return written, {**files, meta: b"airplane\n", "cifar-10-batches-py/readme.html": b""}


def _cifar10_file(version: str, name: str, images: Pixels, own: list[int]) -> dict[str, bytes]:
    if version == "binary":
        records = [bytes([label]) + image.tobytes() for label, image in zip(own, images, strict=True)]
        return {f"cifar-10-batches-bin/{name}.bin": b"".join(records)}
    batch = {
        b"batch_label": name.encode(),
        b"labels": own,
        b"data": images.reshape(len(images), -1),
        b"filenames": [b"a.png"] * len(own),
    }
    return {f"cifar-10-batches-py/{name}": python_two_pickle(batch)}


def cifar100(version: str) -> tuple[Written, dict[str, bytes]]:
    train, test = pixels(200, (3, 32, 32)), pixels(200, (3, 32, 32), 1)
    written = Written(train, labels(200, 100), test, labels(200, 100))
    files: dict[str, bytes] = {}
    for name, images, fine in (("train", train, written.train_labels), ("test", test, written.test_labels)):
        coarse = [label % 20 for label in fine]
        if version == "binary":
            records = [bytes(pair) + image.tobytes() for *pair, image in zip(coarse, fine, images, strict=True)]
            files[f"cifar-100-binary/{name}.bin"] = b"".join(records)
        else:
            batch = {b"fine_labels": fine, b"coarse_labels": coarse, b"data": images.reshape(len(images), -1)}
            files[f"cifar-100-python/{name}"] = python_two_pickle(batch)
    return written, files


def svhn() -> tuple[Written, dict[str, bytes]]:
    train, test = pixels(30, (3, 32, 32)), pixels(20, (3, 32, 32), 1)
    written = Written(train, labels(30, 10), test, labels(20, 10))
    files = {}
    for name, images, own in (("train", train, written.train_labels), ("test", test, written.test_labels)):
        tens = np.array([[label or 10] for label in own], dtype=np.uint8)
        files[f"{name}_32x32.mat"] = matlab({"X": images.transpose(2, 3, 1, 0), "y": tens})
    return written, files


def fashion_mnist() -> tuple[Written, dict[str, bytes]]:
    train, test = pixels(30, (1, 28, 28)), pixels(20, (1, 28, 28), 1)
    written = Written(train, labels(30, 10), test, labels(20, 10))
    files = {}
    for name, images, own in (("train", train, written.train_labels), ("t10k", test, written.test_labels)):
        head = struct.pack(">4I", 0x803, len(images), 28, 28)
        files[f"{name}-images-idx3-ubyte.gz"] = gzip.compress(head + images.tobytes())
        files[f"{name}-labels-idx1-ubyte.gz"] = gzip.compress(struct.pack(">2I", 0x801, len(own)) + bytes(own))
    return written, files


def picture(image: Pixels, kind: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image.transpose(1, 2, 0)).save(file, kind)
    return file.getvalue()


def cinic10() -> tuple[Written, dict[str, bytes]]:
    parts: dict[str, tuple[Pixels, list[int]]] = {}
    files: dict[str, bytes] = {}
    for seed, which in enumerate(("train", "valid", "test")):
        images = pixels(20, (3, 32, 32), seed)
        own = sorted(labels(20, 10))
        for place, (image, label) in enumerate(zip(images, own, strict=True)):
            files[f"{which}/{CINIC_CLASSES[label]}/cifar10-{which}-{place:05}.png"] = picture(image, "PNG")
        parts[which] = images, own
    return Written(*parts["train"], *parts["test"]), {**files, "README.md": b"", "synsets_to_cifar-10-classes.txt": b""}


def _scaled(content: bytes) -> Pixels:
    with Image.open(io.BytesIO(content)) as image:
        small = image.convert("RGB").resize((32, 32), Image.Resampling.BILINEAR)
    return np.asarray(small).transpose(2, 0, 1)


def flowers() -> tuple[Written, dict[str, bytes], dict[str, bytes]]:
    """What is read, the files beside the archive, and those in it."""
    own = [1 + place % 102 for place in range(3 * 102)]
    jpegs = [picture(pixels(1, (3, 40, 50), seed)[0], "JPEG") for seed in range(len(own))]
    # Each third has every flower once.
    train, valid, test = np.random.default_rng(5).permuted(np.arange(1, len(own) + 1).reshape(3, 102), axis=1)
    small = [_scaled(content) for content in jpegs]
    read = (np.stack([small[n - 1] for n in train]), [own[n - 1] - 1 for n in train])
    tested = (np.stack([small[n - 1] for n in test]), [own[n - 1] - 1 for n in test])
    beside = {
        "imagelabels.mat": matlab({"labels": np.array([own], dtype=np.uint8)}),
        "setid.mat": matlab({"trnid": [train], "valid": [valid], "tstid": [test]}),
    }
    return Written(*read, *tested), beside, {f"jpg/image_{n:05}.jpg": jpegs[n - 1] for n in range(1, len(own) + 1)}


def trimap(values: Pixels) -> bytes:
    """A file of the distributor's: 1 on the animal, 2 behind it, 3 where it is neither."""
    file = io.BytesIO()
    Image.fromarray(values).save(file, "PNG")
    return file.getvalue()


def _scaled_trimap(content: bytes) -> Pixels:
    """(1, 32, 32): white, black and grey."""
    with Image.open(io.BytesIO(content)) as image:
        grey = image.point([{1: 255, 3: 128}.get(value, 0) for value in range(256)])
        return np.asarray(grey.resize((32, 32), Image.Resampling.BILINEAR))[np.newaxis]


def pets(has_trimap: bool = False) -> tuple[Written, dict[str, bytes], dict[str, bytes]]:
    """What is read, the files of images.tar.gz, and those of annotations.tar.gz."""
    parts: list[tuple[Pixels, list[int]]] = []
    images: dict[str, bytes] = {"images/Abyssinian_1.mat": b"not a picture"}
    lists: dict[str, bytes] = {"annotations/list.txt": b"", "annotations/xmls/a.xml": b""}
    for which in ("trainval", "test"):
        lines, small, own = ["#Image CLASS-ID SPECIES BREED ID"] if which == "test" else [], [], []
        for place, label in enumerate(labels(2 * 37, 37)):
            name = f"breed_{label}_{which}_{place}"
            # Some of the distributor's jpg files are png or gif files with transparency.
            kind = ("JPEG", "PNG", "GIF")[place % 3]
            images[f"images/{name}.jpg"] = picture(pixels(1, (3, 60, 45), place)[0], kind)
            own_map = trimap(1 + pixels(1, (60, 45), 1000 + place)[0] % 3)
            lists |= {f"annotations/trimaps/{name}.png": own_map, f"annotations/trimaps/._{name}.png": b"a Mac's"}
            channels = [_scaled(images[f"images/{name}.jpg"]), *([_scaled_trimap(own_map)] if has_trimap else [])]
            small.append(np.concatenate(channels))
            own.append(label)
            lines.append(f"{name} {label + 1} 1 1")
        lists[f"annotations/{which}.txt"] = "\n".join(lines).encode()
        parts.append((np.stack(small), own))
    return Written(*parts[0], *parts[1]), images, lists
