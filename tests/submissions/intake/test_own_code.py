"""What an author reads of the code that was uploaded, and of the line that failed."""

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from submissions.intake.bundle import BundleLimits
from submissions.intake.bundle_store import BundleStore
from submissions.intake.own_code import AROUND, CodeUnavailable, as_text, excerpt, readable, stored_files
from submissions.intake.upload_reader import read_apart
from tests.factories import SQUARED_NORM, zip_of

READ = partial(read_apart, limits=BundleLimits())
SOURCE = "".join(f"line {number}\n" for number in range(1, 21)).encode()


def test_a_single_file_is_read_back_as_the_entry_file(store: BundleStore) -> None:
    digest = store.put(SQUARED_NORM)
    files = stored_files(store, "measure.py", digest, READ)
    assert [(file.path, file.text) for file in readable(files)] == [("complexity.py", SQUARED_NORM.decode())]


def test_the_files_of_an_archive_come_with_the_entry_file_first(store: BundleStore) -> None:
    content = zip_of({"a.py": b"x = 1\n", "complexity.py": SQUARED_NORM, "table.bin": b"\0\1"})
    files = stored_files(store, "m.zip", store.put(content), READ)
    assert [(file.path, file.size_bytes, file.text is None) for file in readable(files)] == [
        ("complexity.py", len(SQUARED_NORM), False),
        ("a.py", 6, False),
        ("table.bin", 2, True),
    ]


def test_an_upload_that_is_gone_or_no_longer_allowed_is_told(store: BundleStore) -> None:
    with pytest.raises(CodeUnavailable, match="cannot be read"):
        stored_files(store, "measure.py", "0" * 64, READ)
    strict = partial(read_apart, limits=BundleLimits(upload_bytes=10))
    with pytest.raises(CodeUnavailable, match="larger than"):
        stored_files(store, "measure.py", store.put(SQUARED_NORM), strict)


@pytest.mark.parametrize("line", [1, 2, 10, 20])
def test_a_failure_shows_the_lines_around_its_own(line: int) -> None:
    shown = excerpt({"complexity.py": SOURCE}, f"ValueError at complexity.py line {line}")
    assert shown is not None
    assert shown.path == "complexity.py"
    numbers = [number for number in range(line - AROUND, line + AROUND + 1) if 1 <= number <= 20]
    assert [one.number for one in shown.lines] == numbers
    assert [one.text for one in shown.lines if one.is_failing] == [f"line {line}"]
    assert all(one.text == f"line {one.number}" for one in shown.lines)


@pytest.mark.parametrize(
    "detail",
    [
        "longer than 60 s",
        "ValueError",
        "ValueError at other.py line 1",
        "ValueError at complexity.py line 0",
        "ValueError at complexity.py line 21",
        "ValueError at complexity.py line 99999999999",
        "ValueError at table.bin line 1",
    ],
)
def test_a_failure_that_names_no_line_of_the_upload_shows_none(detail: str) -> None:
    assert excerpt({"complexity.py": SOURCE, "table.bin": b"\0"}, detail) is None


@given(content=st.binary(max_size=200), detail=st.text(), line=st.integers(-3, 300))
def test_whatever_was_uploaded_and_however_it_failed_there_are_lines_of_it_or_none(
    content: bytes, detail: str, line: int
) -> None:
    for said in (detail, f"{detail} at a b.py line {line}"):
        shown = excerpt({"a b.py": content}, said)
        text = as_text(content)
        assert shown is None or (text is not None and all(one.text in text for one in shown.lines))
