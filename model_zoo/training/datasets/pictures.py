"""Reads datasets with one image per file: CINIC-10, Oxford Flowers 102 and Oxford-IIIT Pet."""

from collections.abc import Callable, Mapping, Set
from functools import partial

import numpy as np

from model_zoo.training.datasets.dataset_files import (
    DataFolder,
    Examples,
    Pixels,
    checked,
    damaged,
    read_matlab,
    read_picture,
    read_trimap,
)

_SIDE = 32
CINIC_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_read_photo = partial(read_picture, side=_SIDE, is_resized=True)
_read_trimap = partial(read_trimap, side=_SIDE)
_PETS = 37
_FLOWERS = 102


def cinic10(folder: DataFolder) -> tuple[Examples, Examples]:
    """Read the folders train and test, of 90000 images of 32×32 pixels each; valid is not used. Raises ZooError."""
    found: dict[str, dict[str, tuple[Pixels, int]]] = {"train": {}, "test": {}}
    pattern = rf"(?:CINIC-10/)?(train|test)/({'|'.join(CINIC_CLASSES)})/([\w.-]+)\.png"
    for member in folder.members(("CINIC-10.tar.gz",), ("CINIC-10", "train", "test"), pattern):
        which, label, name = member.parts
        pixels = read_picture(member.content, member.name, _SIDE, is_resized=False)
        found[which][f"{label}/{name}"] = pixels, CINIC_CLASSES.index(label)
    for which, pictures in found.items():
        if not pictures:
            raise folder.missing(f"the folder {which} with a folder of png files for each class")
    train, test = ([pictures[name] for name in sorted(pictures)] for pictures in found.values())
    return _examples(folder, train, len(CINIC_CLASSES)), _examples(folder, test, len(CINIC_CLASSES))


def flowers(folder: DataFolder) -> tuple[Examples, Examples]:
    """Read the training set (1020) and test set (6149) of setid.mat, resized to 32×32 pixels. Raises ZooError."""
    labels_path, split_path = folder.file("imagelabels.mat"), folder.file("setid.mat")
    (labels,) = read_matlab(labels_path, "labels")
    train, test = read_matlab(split_path, "trnid", "tstid")
    named = {number: int(label) - 1 for number, label in enumerate(labels.ravel().tolist(), start=1)}
    parts = [[int(number) for number in part.ravel().tolist()] for part in (train, test)]
    wanted = {*parts[0], *parts[1]}
    if odd := sorted(wanted - named.keys()):
        raise damaged(split_path, f"image {odd[0]} has no label in imagelabels.mat")
    files = {f"image_{number:05}": number for number in wanted}
    found = _pictures(folder, "102flowers.tgz", "jpg", "jpg", files.keys(), _read_photo)
    pictures = {files[name]: pixels for name, pixels in found.items()}
    train_examples, test_examples = (
        _examples(folder, [(pictures[number], named[number]) for number in part], _FLOWERS) for part in parts
    )
    return train_examples, test_examples


def pets(folder: DataFolder) -> tuple[Examples, Examples]:
    """Read the sets trainval.txt (3680) and test.txt (3669) of the annotations, resized to 32×32. Raises ZooError."""
    return _pets(folder, has_trimap=False)


def pets_with_trimaps(folder: DataFolder) -> tuple[Examples, Examples]:
    """Read pets with their trimaps as a fourth channel: 255 animal, 0 background, 128 neither. Raises ZooError."""
    return _pets(folder, has_trimap=True)


def _pets(folder: DataFolder, *, has_trimap: bool) -> tuple[Examples, Examples]:
    lists = {
        member.parts[0]: _listed(member.name, member.content)
        for member in folder.members(("annotations.tar.gz",), ("annotations",), r"annotations/(trainval|test)\.txt")
    }
    for which in ("trainval", "test"):
        if which not in lists:
            raise folder.missing(f"annotations/{which}.txt")
    wanted = lists["trainval"].keys() | lists["test"].keys()
    pictures = _pictures(folder, "images.tar.gz", "images", "jpg", wanted, _read_photo)
    if has_trimap:
        trimaps = _pictures(folder, "annotations.tar.gz", "annotations/trimaps", "png", wanted, _read_trimap)
        pictures = {name: np.concatenate([colours, trimaps[name]]) for name, colours in pictures.items()}
    train, test = (
        _examples(folder, [(pictures[name], label) for name, label in lists[which].items()], _PETS)
        for which in ("trainval", "test")
    )
    return train, test


def _listed(name: str, content: bytes) -> Mapping[str, int]:
    """Parse a list of images, `picture class species breed` per line, with classes that count from 1."""
    listed: dict[str, int] = {}
    for line in content.decode(errors="replace").splitlines():
        fields = line.split()
        if not fields or line.startswith("#"):
            continue
        if len(fields) != 4 or not fields[1].isdecimal():
            raise damaged(name, f"the line {line[:80]!r}")
        listed[fields[0]] = int(fields[1]) - 1
    return listed


def _pictures(
    folder: DataFolder, archive: str, root: str, ending: str, wanted: Set[str], read: Callable[[bytes, str], Pixels]
) -> dict[str, Pixels]:
    """Read the images `root`/<name>.`ending` of the `wanted` names."""
    pictures = {
        member.parts[0]: read(member.content, member.name)
        for member in folder.members((archive,), (root.partition("/")[0],), rf"{root}/([\w-]+)\.{ending}")
        if member.parts[0] in wanted
    }
    if lacking := sorted(wanted - pictures.keys()):
        raise folder.missing(f"{root}/{lacking[0]}.{ending}")
    return pictures


def _examples(folder: DataFolder, labelled: list[tuple[Pixels, int]], classes: int) -> Examples:
    if not labelled:
        raise damaged(folder.path, "no pictures")
    pixels, labels = zip(*labelled, strict=True)
    return checked(folder.path, np.stack(pixels), np.array(labels), classes)
