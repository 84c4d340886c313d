"""Uploads are read in a child with limits: none costs more than they allow, and nobody waits for somebody else's."""

import gc
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from submissions.intake import upload_reader
from submissions.intake.bundle import Bundle, BundleError, BundleLimits, read_bundle
from submissions.intake.bundle_store import BundleStore
from submissions.intake.upload_reader import ReadingFailed, UploadReader, read_apart, stored_code
from submissions.storage.states import Reason
from tests.submissions.intake.bundles import MEASURE, zipped

LIMITS = BundleLimits()
SEMICOLONS = b"a;" * 120_000 + b"\n" + MEASURE  # 3 s of a processor
FIELDS = b"f'" + b"{a}" * 80_000 + b"'\n" + MEASURE  # 10 s


@pytest.fixture
def short_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second of processor time, on a machine that may be busy with other tests."""
    monkeypatch.setattr(upload_reader, "CPU_S", 1)
    monkeypatch.setattr(upload_reader, "WALL_S", 100.0)


@pytest.fixture
def slow_collections() -> Iterator[None]:
    """Collections of garbage that let other threads run, as those of a worker do."""

    def pause(phase: str, info: dict[str, int]) -> None:
        time.sleep(0.0005)

    gc.callbacks.append(pause)
    yield
    gc.callbacks.remove(pause)


@pytest.mark.parametrize(
    ("filename", "content"),
    [
        ("norm.py", MEASURE),
        (
            "m.zip",
            zipped({"complexity.py": MEASURE + b'TRACK = "extended"\nNEEDS = ("siblings",)\n', "ä.bin": b"\0\n"}),
        ),
        ("m.zip", zipped({"top/complexity.py": MEASURE, "top/empty.txt": b""})),
    ],
)
def test_a_child_reads_what_this_process_would(filename: str, content: bytes) -> None:
    if b"TRACK" in content:
        content = content.replace(b"dataset", b"dataset, context")
    assert _outcome(read_apart, filename, content) == _outcome(read_bundle, filename, content)


@pytest.mark.parametrize(
    ("filename", "content"),
    [
        ("m.py", b"def complexity(model, dataset)\n"),
        ("m.py", b"x = 1\n"),
        ("m.py", b""),
        ("m.zip", b"PK"),
        ("m.zip", zipped({"../complexity.py": MEASURE})),
        ("a\nb.py", MEASURE),
        ("m.py", b"(" * 10**5),
        ("m.py", b"-" * 10**5 + b"1"),
    ],
)
def test_a_child_refuses_what_this_process_would_in_the_same_words(filename: str, content: bytes) -> None:
    assert _outcome(read_apart, filename, content) == _outcome(read_bundle, filename, content)


def _outcome(read: Callable[[str, bytes, BundleLimits], Bundle], filename: str, content: bytes) -> object:
    try:
        found = read(filename, content, LIMITS)
    except BundleError as error:
        return str(error), error.reason, error.path, error.line
    return vars(found) | {"files": dict(found.files)}


@pytest.mark.usefixtures("short_time")
@pytest.mark.parametrize(
    ("filename", "content"),
    [("m.py", FIELDS), ("m.zip", zipped(dict.fromkeys(("complexity.py", "b.py", "c.py", "d.py"), SEMICOLONS)))],
)
def test_an_upload_that_takes_too_long_to_parse_is_refused(filename: str, content: bytes) -> None:
    with pytest.raises(BundleError, match="within 1 s of processor time and 512 MiB of memory") as caught:
        read_apart(filename, content, LIMITS)
    assert caught.value.reason is Reason.IMPORT_ERROR


def test_an_upload_that_takes_too_much_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload_reader, "MEMORY_BYTES", 2**26)
    with pytest.raises(BundleError, match="nested too deeply, or too large"):
        read_apart("m.py", SEMICOLONS, BundleLimits(2**20, 2**20, 5))


@pytest.mark.usefixtures("slow_collections")
def test_uploads_that_are_read_at_the_same_time_do_not_disturb_each_other() -> None:
    source = b"a;" * 20_000 + b"\n" + MEASURE
    reader = UploadReader(LIMITS)
    with ThreadPoolExecutor(4) as threads:
        read = [threads.submit(reader.read, "m.py", source, whose=person) for person in range(8)]
    assert [one.result().content for one in read] == [source] * 8


@pytest.mark.usefixtures("short_time")
def test_nobody_waits_for_another_persons_upload() -> None:
    reader = UploadReader(LIMITS)
    with ThreadPoolExecutor(1) as threads:
        slow = threads.submit(reader.read, "m.py", FIELDS, whose="mallory")
        assert reader.read("m.py", MEASURE, whose="ann").files
        assert not slow.done()
    assert isinstance(slow.exception(), BundleError)


@pytest.mark.usefixtures("short_time")
def test_one_person_occupies_no_more_than_two_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload_reader, "WAIT_S", 100.0)
    reader = UploadReader(LIMITS)
    with ThreadPoolExecutor(3) as threads:
        tries = [threads.submit(reader.read, "m.py", FIELDS, whose="mallory") for _ in range(3)]
    ends = sorted(type(one.exception()).__name__ for one in tries)
    assert ends == ["BundleError", "BundleError", "ReadingFailed"]


@pytest.mark.usefixtures("short_time")
def test_whoever_finds_all_slots_occupied_is_told_to_try_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload_reader, "WAIT_S", 0.0)
    reader, is_inside = UploadReader(LIMITS, slots=1), threading.Event()

    def read_slowly(*arguments: object) -> Bundle:
        is_inside.set()
        return read_apart("m.py", FIELDS, LIMITS)

    monkeypatch.setattr(upload_reader, "read_apart", read_slowly)
    with ThreadPoolExecutor(1) as threads:
        slow = threads.submit(reader.read, "m.py", b"", whose="mallory")
        assert is_inside.wait(60)
        with pytest.raises(ReadingFailed, match="Too many uploads are being checked"):
            reader.read("m.py", MEASURE, whose="ann")
    assert isinstance(slow.exception(), BundleError)


@pytest.mark.parametrize(
    ("program", "error"),
    [
        ("import os; os.abort()", BundleError),  # a parser that crashes
        ("raise SystemExit('broken')", ReadingFailed),
        ("pass", ReadingFailed),
        ("import os; os.kill(os.getpid(), 9)", ReadingFailed),  # by the kernel, for want of memory
    ],
)
def test_a_child_that_dies_harms_nobody(program: str, error: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload_reader, "_COMMAND", (sys.executable, "-I", "-S", "-c", program))
    with pytest.raises(error):
        read_apart("m.py", MEASURE, LIMITS)


def test_a_child_that_gets_no_processor_time_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload_reader, "WALL_S", 0.01)
    with pytest.raises(ReadingFailed, match="too busy"):
        read_apart("m.py", MEASURE, LIMITS)


def test_the_child_knows_nothing_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONSTARTUP", os.devnull)
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    assert read_apart("m.py", MEASURE, LIMITS).files == {"complexity.py": MEASURE}


def _never(filename: str, content: bytes) -> Bundle:
    raise AssertionError("read once more")


def test_a_stored_upload_is_read_once(store: BundleStore) -> None:
    content = zipped({"complexity.py": MEASURE, "b.txt": b"b"})
    digest = store.put(content)
    first = stored_code(store, "m.zip", digest, partial(read_apart, limits=LIMITS))
    again = stored_code(store, "m.zip", digest, _never)
    assert again.files == first.files == {"complexity.py": MEASURE, "b.txt": b"b"}
    assert (again.track, again.needs) == ("standard", ())


@pytest.mark.parametrize("damage", [lambda kept: kept[:-1], lambda kept: kept[:0], lambda kept: kept + b"x"])
def test_a_damaged_unpacked_form_is_made_again(store: BundleStore, damage: Callable[[bytes], bytes]) -> None:
    digest, read = store.put(MEASURE), partial(read_apart, limits=LIMITS)
    stored_code(store, "m.py", digest, read)
    kept = store.get_unpacked(digest)
    assert kept is not None
    store.put_unpacked(digest, damage(kept))
    assert stored_code(store, "m.py", digest, read).files == {"complexity.py": MEASURE}
    assert store.get_unpacked(digest) == kept


def test_what_is_stored_of_an_archive_of_zeros_is_small(store: BundleStore) -> None:
    digest = store.put(zipped({"complexity.py": MEASURE, "zeros.bin": bytes(40 * 2**20)}))
    code = stored_code(store, "m.zip", digest, partial(read_apart, limits=LIMITS))
    assert len(code.files["zeros.bin"]) == 40 * 2**20
    assert len(store.get_unpacked(digest) or b"") < 2**20
