"""Finds and opens the files of downloaded datasets: archives, MATLAB files, images."""

import gzip
import lzma
import re
import tarfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from model_zoo.manifest import ZooError

Pixels = NDArray[np.uint8]
T = TypeVar("T")

_LARGEST_BYTES = 2**30
_LARGEST_SIDE = 20_000
_TRIMAP_LEVELS = np.array([0, 255, 0, 128], dtype=np.uint8)  # of the values 1, 2 and 3; there is no 0
# What readers raise for a damaged file that they were not made for.
BROKEN = (ArithmeticError, EOFError, LookupError, MemoryError, TypeError, ValueError)
_BROKEN_MATLAB = (MatReadError, NotImplementedError, OSError, zlib.error, *BROKEN)
_BROKEN_IMAGE = (Image.DecompressionBombError, EOFError, OSError, SyntaxError, TypeError, ValueError, zlib.error)


@dataclass(frozen=True)
class Examples:
    """Images as uint8 of shape (n, C, H, W) and labels as int64 of shape (n,)."""

    pixels: Pixels
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class Member:
    """A file of an archive or folder: its path there, the groups of the pattern that it matched, and its content."""

    name: str
    parts: tuple[str, ...]
    content: bytes


@dataclass(frozen=True)
class DataFolder:
    """The folder with the files of one dataset; `needed` completes the sentence "download …", from `page`."""

    path: Path
    needed: str
    page: str

    def missing(self, name: str) -> ZooError:
        """Make the error that says what to download and where to put it."""
        return ZooError(
            f"{self.path}: {name} is not there; download {self.needed} from the page {self.page!r} and put "
            "them into this folder"
        )

    def file(self, *names: str) -> Path:
        """Return the first of `names` that exists. Raises ZooError if none does."""
        for name in names:
            if (self.path / name).is_file():
                return self.path / name
        raise self.missing(" or ".join(names))

    def members(self, archives: Sequence[str], roots: Sequence[str], wanted: str) -> Iterator[Member]:
        """Iterate over files whose paths match a pattern, without extracting anything to the disk.

        Parameters
        ----------
        archives : sequence of str
            Names of archives, of which the first that exists is read if there is no extracted folder.
        roots : sequence of str
            Names of extracted folders, which are preferred.
        wanted : str
            Regular expression for paths inside the archive, which begin with a root.

        Raises
        ------
        ZooError
            If there is neither, or the archive is damaged.
        """
        pattern = re.compile(wanted)
        if extracted := [root for root in roots if (self.path / root).is_dir()]:
            for root in extracted:
                yield from _of_folder(self.path, root, pattern)
            return
        for archive in archives:
            if (self.path / archive).is_file():
                yield from _of_archive(self.path / archive, pattern)
                return
        raise self.missing(" or ".join([*archives, *(f"the folder {root}" for root in roots)]))


def damaged(file: Path | str, fault: object) -> ZooError:
    """Make the error for a file that is truncated or not what it should be."""
    return ZooError(f"{file}: not the file as distributed ({fault}); download it again")


def read_gzip(path: Path) -> bytes:
    """Read a file that may be compressed with gzip. Raises ZooError naming it."""
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if path.suffix == ".gz" else content
    except (EOFError, OSError, zlib.error) as error:
        raise damaged(path, error) from None


def read_matlab(path: Path, *names: str) -> list[NDArray[np.generic]]:
    """Read arrays of a MATLAB file, version 5. Raises ZooError naming the file."""
    try:
        arrays = loadmat(path, variable_names=names, appendmat=False)
    except _BROKEN_MATLAB as error:
        raise damaged(path, str(error) or type(error).__name__) from None
    for name in names:
        if not isinstance(arrays.get(name), np.ndarray) or arrays[name].dtype.kind not in "iuf":
            raise damaged(path, f"no array of numbers called {name}")
    return [arrays[name] for name in names]


def read_picture(content: bytes, name: str, side: int, is_resized: bool) -> Pixels:
    """Decode a PNG, JPEG or GIF image.

    Parameters
    ----------
    content : bytes
    name : str
        For messages.
    side : int
        Size of the result in pixels.
    is_resized : bool
        Whether to resize it bilinearly; else another size is an error.

    Returns
    -------
    ndarray
        uint8, (3, side, side).

    Raises
    ------
    ZooError
        If it is damaged or has the wrong size.
    """
    colours = _decoded(content, name, lambda image: image.convert("RGB"))
    if is_resized:
        colours = colours.resize((side, side), Image.Resampling.BILINEAR)
    elif colours.size != (side, side):
        raise damaged(name, f"{colours.size[0]}×{colours.size[1]} pixels, not {side}×{side}")
    return np.asarray(colours, dtype=np.uint8).transpose(2, 0, 1)


def read_trimap(content: bytes, name: str, side: int) -> Pixels:
    """Decode a PNG trimap with the values 1 (foreground), 2 (background) and 3 (neither).

    Parameters
    ----------
    content : bytes
    name : str
        For messages.
    side : int
        Size of the result in pixels.

    Returns
    -------
    ndarray
        uint8, (1, side, side), where these are 255, 0 and 128, resized bilinearly.

    Raises
    ------
    ZooError
        If it is damaged or has other values.
    """
    values = _decoded(content, name, np.asarray)
    if values.ndim != 2 or values.dtype != np.uint8 or not np.isin(values, (1, 2, 3)).all():
        raise damaged(name, "other values than 1, 2 and 3")
    levels = Image.fromarray(_TRIMAP_LEVELS[values])
    return np.asarray(levels.resize((side, side), Image.Resampling.BILINEAR), dtype=np.uint8)[np.newaxis]


def _decoded(content: bytes, name: str, convert: Callable[[Image.Image], T]) -> T:
    try:
        with Image.open(BytesIO(content)) as image:
            if not 0 < max(image.size) <= _LARGEST_SIDE:
                raise damaged(name, f"{image.size[0]}×{image.size[1]} pixels")
            return convert(image)
    except _BROKEN_IMAGE as error:
        raise damaged(name, str(error) or type(error).__name__) from None


def checked(file: Path | str, pixels: Pixels, labels: NDArray[np.generic], classes: int) -> Examples:
    """Check that pixels and labels of one file belong together, and return them. Raises ZooError naming the file."""
    whole = labels.astype(np.int64).ravel()
    if len(whole) != len(pixels) or len(whole) == 0:
        raise damaged(file, f"{len(pixels)} images and {len(whole)} labels")
    if whole.min() < 0 or whole.max() >= classes:
        raise damaged(file, f"labels from {whole.min()} to {whole.max()}, not from 0 to {classes - 1}")
    return Examples(pixels, whole)


def joined(parts: Sequence[Examples]) -> Examples:
    """Concatenate examples."""
    return Examples(np.concatenate([part.pixels for part in parts]), np.concatenate([part.labels for part in parts]))


def _of_folder(folder: Path, root: str, pattern: re.Pattern[str]) -> Iterator[Member]:
    for path in sorted((folder / root).rglob("*")):
        name = path.relative_to(folder).as_posix()
        if (match := pattern.fullmatch(name)) and path.is_file():
            try:
                content = path.read_bytes()
            except OSError as error:
                raise damaged(path, error.strerror) from None
            yield Member(str(path), match.groups(), content)


def _of_archive(path: Path, pattern: re.Pattern[str]) -> Iterator[Member]:
    try:
        with tarfile.open(path) as archive:
            for info in archive:
                match = pattern.fullmatch(info.name.removeprefix("./"))
                if not match or not info.isreg():
                    continue  # a link, a folder, or nothing that is asked for
                if info.size > _LARGEST_BYTES:
                    raise damaged(path, f"{info.name} would be {info.size} bytes")
                opened = archive.extractfile(info)
                content = b"" if opened is None else opened.read()
                yield Member(f"{path}: {info.name}", match.groups(), content)
    except (tarfile.TarError, EOFError, OSError, lzma.LZMAError, zlib.error) as error:
        raise damaged(path, error) from None
