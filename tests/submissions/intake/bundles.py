"""Uploads for tests of bundles: zips of any kind, and the sentence that refuses one."""

import io
import zipfile
from collections.abc import Callable, Mapping

import pytest

from submissions.intake.bundle import BundleError, BundleLimits, read_bundle

LIMITS = BundleLimits(upload_bytes=2**20, unpacked_bytes=2**21, unpacked_files=20)
MEASURE = b"def complexity(model, dataset):\n    return 1.0\n"


def zipped(files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return stream.getvalue()


def zipped_entry(change: Callable[[zipfile.ZipInfo], None], path: str = "odd") -> bytes:
    """An archive with a good complexity.py and one entry changed by the test."""
    stream = io.BytesIO()
    info = zipfile.ZipInfo(path)
    change(info)
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("complexity.py", MEASURE)
        archive.writestr(info, b"content")
    return stream.getvalue()


def refusal(filename: str, content: bytes, limits: BundleLimits = LIMITS) -> str:
    with pytest.raises(BundleError) as caught:
        read_bundle(filename, content, limits)
    return str(caught.value)
