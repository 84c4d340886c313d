import hashlib
import io
import stat
import struct
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from submissions.intake.bundle import BundleError, read_bundle
from tests.submissions.intake.bundles import LIMITS, MEASURE, refusal, zipped, zipped_entry


def test_a_python_file_of_any_name_becomes_complexity_py() -> None:
    bundle = read_bundle("My measure (2).py", MEASURE, LIMITS)
    assert bundle.files == {"complexity.py": MEASURE}
    assert bundle.filename == "My measure (2).py"
    assert bundle.content == MEASURE
    assert bundle.sha256 == hashlib.sha256(MEASURE).hexdigest()


@pytest.mark.parametrize("filename", ["/home/ann/m.py", "C:\\Users\\ann\\m.py", "../../m.py"])
def test_folders_in_front_of_the_file_name_are_dropped(filename: str) -> None:
    assert read_bundle(filename, MEASURE, LIMITS).filename == "m.py"


def test_a_zip_may_have_its_files_at_the_top() -> None:
    files = {"complexity.py": MEASURE, "helpers/norms.py": b"import math\n", "helpers/table.bin": b"\0\1"}
    assert read_bundle("m.ZIP", zipped(files), LIMITS).files == files


def test_the_only_top_level_folder_of_a_zip_is_stripped() -> None:
    files = {"mine/": b"", "mine/complexity.py": MEASURE, "mine/data/a.txt": b"a"}
    assert read_bundle("m.zip", zipped(files), LIMITS).files == {
        "complexity.py": MEASURE,
        "data/a.txt": b"a",
    }


def test_what_a_computer_adds_on_its_own_is_ignored() -> None:
    files = {
        "mine/complexity.py": MEASURE,
        "mine/.DS_Store": b"\0",
        "__MACOSX/mine/._complexity.py": b"\0\5\x16\7",
        "mine/__pycache__/complexity.cpython-311.pyc": b"\0",
    }
    assert read_bundle("m.zip", zipped(files), LIMITS).files == {"complexity.py": MEASURE}


def test_the_files_of_a_bundle_cannot_be_changed() -> None:
    bundle = read_bundle("m.py", MEASURE, LIMITS)
    with pytest.raises(TypeError):
        bundle.files["complexity.py"] = b""  # type: ignore[index]  # the refusal is what is tested


def test_a_name_that_is_utf8_without_the_flag_is_read_as_utf8() -> None:
    content = zipped({"complexity.py": MEASURE, "décor.txt": b"a"})
    assert read_bundle("m.zip", without_utf8_flags(content), LIMITS).files["décor.txt"] == b"a"


def without_utf8_flags(content: bytes) -> bytes:
    changed = bytearray(content)
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = -1
        while (start := content.find(signature, start + 1)) >= 0:
            struct.pack_into("<H", changed, start + offset, 0)
    return bytes(changed)


@pytest.mark.parametrize("filename", ["m.py", "m.zip", "m.txt"])
def test_an_empty_upload_is_refused(filename: str) -> None:
    assert refusal(filename, b"") == f"{filename} is empty."


def test_an_upload_over_the_limit_is_refused() -> None:
    content = MEASURE + b"#" * (LIMITS.upload_bytes + 1 - len(MEASURE))
    assert refusal("m.py", content) == "m.py is larger than 1 MiB, the most an upload may have."


@pytest.mark.parametrize(
    ("filename", "content", "message"),
    [
        ("m.tar.gz", MEASURE, "m.tar.gz is neither a .py nor a .zip file."),
        ("measure", zipped({"complexity.py": MEASURE}), "measure is neither a .py nor a .zip file."),
        ("m.zip", MEASURE, "m.zip is named .zip but is not a zip archive."),
        (
            "m.py",
            zipped({"complexity.py": MEASURE}),
            "m.py is named .py but is a zip archive; rename it to .zip.",
        ),
        ("", MEASURE, "The upload has no file name; choose a .py or a .zip file."),
        (
            "a\x07.py",
            MEASURE,
            "The upload's file name is too long or has control characters; rename the file.",
        ),
        (
            "a" * 300 + ".py",
            MEASURE,
            "The upload's file name is too long or has control characters; rename the file.",
        ),
    ],
)
def test_only_py_and_zip_are_taken_by_name_and_by_content(filename: str, content: bytes, message: str) -> None:
    assert refusal(filename, content) == message


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("../evil.txt", "a path that may leave its folder"),
        ("a/../../evil.txt", "a path that may leave its folder"),
        ("a/./b.txt", "a path that may leave its folder"),
        ("a//b.txt", "a path that may leave its folder"),
        ("..", "a path that may leave its folder"),
        ("/etc/passwd", "an absolute path"),
        ("a/b\\c.txt", "a Windows path"),
        ("C:\\evil.txt", "a Windows path"),
        ("..\\evil.txt", "a path that may leave its folder"),
        ("\\evil.txt", "an absolute path"),
        ("C:evil.txt", "a Windows path"),
        ("a\nb.txt", "control characters"),
        ("a\u202eb.txt", "control characters"),
        ("a/" * 200 + "b.txt", "a path longer than 255 bytes"),
    ],
)
def test_an_unsafe_path_in_a_zip_is_refused(path: str, message: str) -> None:
    assert message in refusal("m.zip", zipped({"complexity.py": MEASURE, path: b""}))


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (stat.S_IFLNK, "holds odd, a symbolic link"),
        (stat.S_IFIFO, "holds odd, which is neither a file nor a folder"),
        (stat.S_IFCHR, "holds odd, which is neither a file nor a folder"),
        (stat.S_IFSOCK, "holds odd, which is neither a file nor a folder"),
    ],
)
def test_an_entry_that_is_no_plain_file_is_refused(kind: int, message: str) -> None:
    def change(info: zipfile.ZipInfo) -> None:
        info.create_system = 3
        info.external_attr = (kind | 0o777) << 16

    assert message in refusal("m.zip", zipped_entry(change))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_method_that_unpacks_without_bound_is_refused(method: int) -> None:
    assert "unsupported method" in refusal("m.zip", zipped({"complexity.py": MEASURE}, method))


def test_an_encrypted_zip_is_refused() -> None:
    content = bytearray(zipped({"complexity.py": MEASURE}))
    content[content.index(b"PK\x01\x02") + 8] |= 1
    message = "m.zip is encrypted (complexity.py); make it without a password."
    assert refusal("m.zip", bytes(content)) == message


def test_the_same_path_twice_is_refused() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("complexity.py", MEASURE)
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("complexity.py", b"")
    assert refusal("m.zip", stream.getvalue()) == "m.zip holds complexity.py twice."


def test_a_path_that_is_both_file_and_folder_is_refused() -> None:
    files = {"complexity.py": MEASURE, "a": b"", "a/b": b""}
    assert refusal("m.zip", zipped(files)) == "m.zip holds a both as a file and as a folder."


def test_a_name_that_is_not_utf8_is_refused() -> None:
    content = zipped({"complexity.py": MEASURE, "décor.txt": b"a"}).replace("é".encode(), b"\xff\xfe")
    assert "a file whose name is not UTF-8" in refusal("m.zip", content)
    assert "a file whose name is not UTF-8" in refusal("m.zip", without_utf8_flags(content))


def test_a_zip_without_the_entry_file_is_refused() -> None:
    message = "m.zip has no complexity.py, neither at its top nor in its only top-level folder."
    for path in ("measure.py", "a/b/complexity.py"):
        assert refusal("m.zip", zipped({path: MEASURE})).startswith(message)
    assert refusal("m.zip", zipped({"a/complexity.py": MEASURE, "b/c.py": b""})).startswith(message)
    assert refusal("m.zip", zipped({})) == message


def test_more_files_than_the_limit_are_refused() -> None:
    message = "m.zip holds more than 20 files, the most an archive may have."
    for number in (LIMITS.unpacked_files, 100 * LIMITS.unpacked_files):
        files = {"complexity.py": MEASURE} | {f"{i}.txt": b"" for i in range(number)}
        assert refusal("m.zip", zipped(files)) == message


def test_a_bomb_is_refused_by_what_it_declares() -> None:
    content = zipped({"complexity.py": MEASURE, "zeros": bytes(LIMITS.unpacked_bytes)})
    assert len(content) < 10_000
    assert refusal("m.zip", content) == "m.zip unpacks to more than 2 MiB, the maximum."


def test_a_bomb_that_declares_little_is_refused() -> None:
    content = bytearray(zipped({"zeros": bytes(2**22), "complexity.py": MEASURE}))
    central = content.index(b"PK\x01\x02")
    struct.pack_into("<I", content, central + 24, 10)
    struct.pack_into("<I", content, 22, 10)
    assert refusal("m.zip", bytes(content)).startswith("m.zip is damaged")


def test_a_zip_cut_off_anywhere_is_refused() -> None:
    content = zipped({"complexity.py": MEASURE})
    for length in range(1, len(content)):
        refusal("m.zip", content[:length])


def test_a_changed_byte_in_the_data_is_noticed() -> None:
    content = bytearray(zipped({"complexity.py": MEASURE}, zipfile.ZIP_STORED))
    content[content.index(b"1.0")] ^= 1
    assert refusal("m.zip", bytes(content)).startswith("m.zip is damaged")


NAMES = st.text(
    st.characters(exclude_categories=("C", "Z"), exclude_characters="/\\:"), min_size=1, max_size=12
).filter(lambda name: name not in {".", "..", "__MACOSX", "__pycache__", ".DS_Store"})
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join).filter(lambda path: not path.endswith(".py"))


@st.composite
def safe_files(draw: st.DrawFn) -> dict[str, bytes]:
    drawn = draw(st.dictionaries(PATHS, st.binary(max_size=200), max_size=8))
    files = {"complexity.py": MEASURE}
    for path, content in drawn.items():
        taken = {*files, *(f"{p}/" for p in files)}
        inside_a_file = any(path.startswith(f"{p}/") for p in files)
        is_a_folder = any(p.startswith(f"{path}/") for p in taken)
        if not inside_a_file and not is_a_folder:
            files[path] = content
    return files


@given(safe_files(), st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]), st.booleans())
def test_any_safe_files_come_out_of_a_zip_as_they_went_in(files: dict[str, bytes], method: int, folder: bool) -> None:
    prefix = "my measure/" if folder else ""
    packed = zipped({prefix + path: content for path, content in files.items()}, method)
    assert read_bundle("m.zip", packed, LIMITS).files == files


def one_line_or_a_bundle(filename: str, content: bytes) -> bool:
    """Whether the upload was judged as it must be: refused in one line, or accepted with its entry file."""
    try:
        bundle = read_bundle(filename, content, LIMITS)
    except BundleError as error:
        return str(error).isprintable() and str(error).endswith(".")
    return "complexity.py" in bundle.files


@given(st.sampled_from(["m.py", "m.zip", "m"]), st.binary(max_size=300))
def test_arbitrary_bytes_raise_nothing_but_a_bundle_error(filename: str, content: bytes) -> None:
    assert one_line_or_a_bundle(filename, content)


@given(st.text(max_size=20), st.text(max_size=200))
def test_arbitrary_text_raises_nothing_but_a_bundle_error(filename: str, source: str) -> None:
    assert one_line_or_a_bundle(filename + ".py", source.encode(errors="surrogatepass"))


@given(st.data())
def test_a_damaged_zip_raises_nothing_but_a_bundle_error(data: st.DataObject) -> None:
    content = bytearray(zipped({"complexity.py": MEASURE, "a/é.txt": b"text" * 20, "b": b""}))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    assert one_line_or_a_bundle("m.zip", bytes(content))


def test_a_zip_with_windows_separators_is_taken_after_the_same_checks() -> None:
    """As PowerShell 5 writes it. zipfile itself would write slashes."""
    content = zipped({"sub/complexity.py": MEASURE, "sub/lib/helper.py": b"a = 1\n"})
    windows = content.replace(b"sub/lib/helper.py", b"sub\\lib\\helper.py").replace(b"sub/", b"sub\\")
    assert b"/complexity.py" not in windows
    assert set(read_bundle("m.zip", windows, LIMITS).files) == {"complexity.py", "lib/helper.py"}


@pytest.mark.parametrize(
    ("files", "hint"),
    [
        ({"Complexity.py": MEASURE}, "It has Complexity.py: rename it, in small letters."),
        ({"mine.py": MEASURE, "table.txt": b""}, "Its only Python file is mine.py: rename it, or send it alone."),
        ({"a/b/complexity.py": MEASURE, "c.txt": b""}, "put the content of that folder at the top."),
        ({"inner.zip": zipped({"complexity.py": MEASURE})}, "It holds another archive, inner.zip"),
    ],
)
def test_a_near_miss_is_named(files: dict[str, bytes], hint: str) -> None:
    assert hint in refusal("m.zip", zipped(files))


@pytest.mark.parametrize("path", ["fast.cpython-311-x86_64-linux-gnu.so", "lib/fast.pyd"])
def test_a_compiled_module_is_refused_at_once(path: str) -> None:
    assert "only Python code of a zip can be imported" in refusal(
        "m.zip", zipped({"complexity.py": MEASURE, path: b""})
    )
