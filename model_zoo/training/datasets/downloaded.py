"""Datasets that the organizer downloads: which files, from which page, under which licence, and how they are read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model_zoo.manifest import DatasetCard, ZooError
from model_zoo.recipes.datasets import FileData
from model_zoo.training.datasets.arrays import fashion_mnist, svhn
from model_zoo.training.datasets.cifar import cifar10, cifar100
from model_zoo.training.datasets.dataset_files import DataFolder, Examples, Pixels
from model_zoo.training.datasets.pictures import cinic10, flowers, pets, pets_with_trimaps
from model_zoo.training.datasets.split import Split, stratified_rows
from model_zoo.training.randomness import Randomness

_LARGEST_PIXEL = np.float32(255)


@dataclass(frozen=True)
class Distribution:
    """A downloaded dataset: `files` from the web page titled `page`, under `licence`, read by `read`."""

    read: Callable[[DataFolder], tuple[Examples, Examples]]
    files: str
    page: str
    licence: str


_CIFAR = "The CIFAR-10 dataset and The CIFAR-100 dataset, Alex Krizhevsky"
_UNSTATED = "not stated by its distributor"
DISTRIBUTIONS: Mapping[str, Distribution] = {
    "cifar-10": Distribution(
        cifar10, "cifar-10-binary.tar.gz or cifar-10-python.tar.gz (extracted or not)", _CIFAR, _UNSTATED
    ),
    "cifar-100": Distribution(
        cifar100, "cifar-100-binary.tar.gz or cifar-100-python.tar.gz (extracted or not)", _CIFAR, _UNSTATED
    ),
    "svhn": Distribution(
        svhn,
        "train_32x32.mat and test_32x32.mat",
        "The Street View House Numbers (SVHN) Dataset",
        "for non-commercial use only",
    ),
    "fashion-mnist": Distribution(
        fashion_mnist,
        "train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz and "
        "t10k-labels-idx1-ubyte.gz",
        "zalandoresearch/fashion-mnist",
        "MIT",
    ),
    "cinic-10": Distribution(
        cinic10,
        "CINIC-10.tar.gz (or extract its folders train and test here)",
        "CINIC-10: CINIC-10 Is Not Imagenet or CIFAR-10",
        "that of ImageNet and CIFAR-10, which it is made of",
    ),
    "oxford-flowers-102": Distribution(
        flowers,
        "102flowers.tgz (or extract its folder jpg here), imagelabels.mat and setid.mat",
        "102 Category Flower Dataset, Visual Geometry Group, Oxford",
        _UNSTATED,
    ),
    "oxford-iiit-pet": Distribution(
        pets,
        "images.tar.gz and annotations.tar.gz (or extract their folders images and annotations here)",
        "The Oxford-IIIT Pet Dataset, Visual Geometry Group, Oxford",
        "CC-BY-SA-4.0",
    ),
}


def distributed(data: FileData, randomness: Randomness, folder: Path | None) -> Split:
    """Read a downloaded dataset: its own training and test set, or a stratified part of each.

    Parameters
    ----------
    data : FileData
    randomness : Randomness
        Decides the order of the examples.
    folder : Path or None
        Its subfolder named like the dataset has the files.

    Returns
    -------
    Split
        With pixels scaled to [0, 1].

    Raises
    ------
    ZooError
        If files are missing or damaged.
    """
    known = DISTRIBUTIONS[data.name]
    if folder is None:
        raise ZooError(
            f"the dataset {data.name} does not come with Gengap: download {known.files} from the page {known.page!r}, "
            f"put them into a folder {data.name} in a folder of data, and give that one with --data"
        )
    read = pets_with_trimaps if data.trimap else known.read
    train, test = read(DataFolder(folder / data.name, known.files, known.page))
    train_rows = stratified_rows(train.labels, data.training_size, randomness, "training")
    test_rows = stratified_rows(test.labels, data.test_size, randomness, "test")
    return Split(
        card=DatasetCard(
            name=data.name,
            source=known.page,
            licence=known.licence,
            text=f"{' × '.join(map(str, data.input_shape))} values scaled to [0, 1]"
            f"{', the fourth channel from the trimap' if data.trimap else ''}; {len(train_rows)} of its "
            f"{len(train.labels)} training examples, {len(test_rows)} of its {len(test.labels)} test examples.",
        ),
        classes=data.classes,
        train_inputs=_scaled(train.pixels[train_rows]),
        train_labels=train.labels[train_rows],
        test_inputs=_scaled(test.pixels[test_rows]),
        test_labels=test.labels[test_rows],
    )


def _scaled(pixels: Pixels) -> NDArray[np.float32]:
    return pixels.astype(np.float32) / _LARGEST_PIXEL
