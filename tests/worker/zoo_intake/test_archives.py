"""Unpacking a zoo that arrives packed: what comes out is what went in, and what could harm never comes out."""

import gzip
import io
import shutil
import struct
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.factories import zip_of
from worker.zoo_intake.archives import ArchiveError, ArchiveLimits, unpack_zoo

LIMITS = ArchiveLimits(unpacked_bytes=2**30)
Files = Mapping[str, bytes]


def tar_of(files: Files, *, is_packed: bool = False) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz" if is_packed else "w") as archive:
        for path, content in files.items():
            info = tarfile.TarInfo(path)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


PACKERS: dict[str, Callable[[Files], bytes]] = {
    "zip": zip_of,
    "tar": tar_of,
    "tar.gz": lambda files: tar_of(files, is_packed=True),
}
ANY_PACKER = pytest.mark.parametrize("pack", PACKERS.values(), ids=PACKERS)


def unpack(folder: Path, content: bytes, limits: ArchiveLimits = LIMITS) -> dict[str, bytes]:
    """The files of the zoo in an archive, by path."""
    (folder / "upload").write_bytes(content)
    told: list[int] = []
    zoo = unpack_zoo(folder / "upload", "my zoo", folder / "out", limits, lambda done, *_: told.append(done))
    assert told == sorted(told)
    return {str(path.relative_to(zoo)): path.read_bytes() for path in zoo.rglob("*") if path.is_file()}


def refusal(folder: Path, content: bytes, limits: ArchiveLimits = LIMITS) -> str:
    with pytest.raises(ArchiveError) as caught:
        unpack(folder, content, limits)
    return str(caught.value)


NAMES = st.text("abcdefgh-_.é日", min_size=1, max_size=12).filter(lambda name: name not in (".", "..", ".DS_Store"))
TREES = st.dictionaries(
    st.lists(NAMES, min_size=1, max_size=3).map(lambda parts: "public/" + "/".join(parts) + ".bin"),
    st.binary(max_size=3000),
    max_size=6,
)


@given(files=TREES, kind=st.sampled_from(sorted(PACKERS)), top=st.sampled_from(["", "zoo/", "./"]))
def test_what_is_unpacked_is_what_was_packed(files: dict[str, bytes], kind: str, top: str) -> None:
    if top == "./" and kind == "zip":
        top = ""  # no program writes such a zip
    files = files | {"zoo.json": b"{}"}
    with tempfile.TemporaryDirectory() as folder:
        content = PACKERS[kind]({top + path: content for path, content in files.items()})
        assert unpack(Path(folder), content) == files


@ANY_PACKER
def test_shadow_files_of_macos_are_left_out(tmp_path: Path, pack: Callable[[Files], bytes]) -> None:
    files = {"zoo/zoo.json": b"{}", "__MACOSX/zoo/._zoo.json": b"x", "zoo/.DS_Store": b"x"}
    assert unpack(tmp_path, pack(files)) == {"zoo.json": b"{}"}


@ANY_PACKER
@pytest.mark.parametrize(
    "path", ["../zoo.json", "/etc/zoo.json", "a/../../zoo.json", "a\\zoo.json", "C:zoo.json", "a//b"]
)
def test_a_path_that_may_leave_its_folder_is_refused(tmp_path: Path, pack: Callable[[Files], bytes], path: str) -> None:
    assert "may leave its folder" in refusal(tmp_path, pack({path: b"{}"}))
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == [tmp_path / "upload"]


@ANY_PACKER
def test_the_same_path_twice_and_a_file_that_is_a_folder_are_refused(
    tmp_path: Path, pack: Callable[[Files], bytes]
) -> None:
    assert "twice" in refusal(tmp_path, pack({"a": b"1", "a/b": b"2"}))


@ANY_PACKER
def test_an_archive_without_a_zoo_and_one_with_two_are_refused(tmp_path: Path, pack: Callable[[Files], bytes]) -> None:
    assert "holds no zoo.json" in refusal(tmp_path, pack({"a/b/zoo.json": b"{}"}))
    shutil.rmtree(tmp_path / "out")
    assert "holds 2 zoos" in refusal(tmp_path, pack({"a/zoo.json": b"{}", "b/zoo.json": b"{}"}))


@ANY_PACKER
def test_more_bytes_or_files_than_the_limits_are_refused(tmp_path: Path, pack: Callable[[Files], bytes]) -> None:
    content = pack({"zoo.json": b"{}", "public/train": bytes(5000)})
    assert "unpacks to more than" in refusal(tmp_path, content, ArchiveLimits(unpacked_bytes=5000))
    shutil.rmtree(tmp_path / "out")
    assert "more than 1 files" in refusal(tmp_path, content, ArchiveLimits(unpacked_bytes=2**30, files=1))


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_a_bomb_is_stopped_by_its_ratio(tmp_path: Path, kind: str) -> None:
    content = PACKERS[kind]({"zoo.json": b"{}", "public/train": bytes(80 * 2**20)})
    assert len(content) < 2**20
    assert "unpacks to more than 64 MiB" in refusal(tmp_path, content)


@ANY_PACKER
def test_a_disk_without_room_is_told_before_it_is_full(tmp_path: Path, pack: Callable[[Files], bytes]) -> None:
    spare = shutil.disk_usage(tmp_path).total
    limits = ArchiveLimits(unpacked_bytes=2**30, spare_bytes=spare)
    assert "The disk of the server is full" in refusal(tmp_path, pack({"zoo.json": b"{}"}), limits)


def test_links_and_devices_are_refused(tmp_path: Path) -> None:
    for kind, said in (
        (tarfile.SYMTYPE, "a link"),
        (tarfile.LNKTYPE, "a link"),
        (tarfile.FIFOTYPE, "not a plain file"),
    ):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            info = tarfile.TarInfo("zoo.json")
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
        assert said in refusal(tmp_path, buffer.getvalue())
        shutil.rmtree(tmp_path / "out")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        link = zipfile.ZipInfo("zoo.json")
        link.external_attr = 0o120777 << 16
        packed.writestr(link, "/etc/passwd")
    assert "a link" in refusal(tmp_path, buffer.getvalue())


def test_a_tar_whose_header_claims_gigabytes_of_header_is_refused(tmp_path: Path) -> None:
    info = tarfile.TarInfo("long")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 3 * 2**30
    content = info.tobuf(tarfile.GNU_FORMAT) + bytes(10_240)
    assert "damaged" in refusal(tmp_path, content)


def test_a_zip_whose_end_claims_a_huge_directory_is_refused(tmp_path: Path) -> None:
    content = bytearray(zip_of({"zoo.json": b"{}"}))
    struct.pack_into("<I", content, len(content) - 22 + 12, 2**31)
    assert "lists too many files" in refusal(tmp_path, bytes(content))


def test_an_encrypted_zip_and_another_method_are_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("zoo.json", "{}")
    assert "unsupported method" in refusal(tmp_path, buffer.getvalue())
    shutil.rmtree(tmp_path / "out")
    content = bytearray(zip_of({"zoo.json": b"{}"}))
    central = content.rindex(b"PK\x01\x02")
    for at in (6, central + 8):
        content[at] |= 1
    assert "encrypted" in refusal(tmp_path, bytes(content))


@given(data=st.data(), kind=st.sampled_from(sorted(PACKERS)))
def test_a_damaged_archive_is_refused_or_harmless(data: st.DataObject, kind: str) -> None:
    files = {"zoo.json": b"{}", "public/train": bytes(range(256)) * 8}
    content = bytearray(PACKERS[kind](files))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    with tempfile.TemporaryDirectory() as folder:
        with suppress(ArchiveError):
            unpack(Path(folder), bytes(content[:cut]) if data.draw(st.booleans()) else bytes(content))
        outside = [path for path in Path(folder).rglob("*") if path.is_file() and "out" not in path.parts]
        assert outside == [Path(folder) / "upload"]


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    assert "neither a zip nor a tar" in refusal(tmp_path, b"zoo")
    shutil.rmtree(tmp_path / "out")
    assert "not a tar archive" in refusal(tmp_path, gzip.compress(b"zoo" * 400))
