"""Zoos that arrive in pieces: whatever the order of what goes wrong, the bytes are those that were sent."""

import hashlib
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from submissions.people.accounts import create_organizer
from submissions.settings import Settings
from submissions.storage.database import Database
from submissions.storage.records import JobKind, utc_now
from submissions.zoos import jobs
from submissions.zoos.uploads import (
    UnknownUpload,
    UploadError,
    WrongOffset,
    append,
    begin_upload,
    finish_upload,
    received,
    remove_upload,
    sweep_uploads,
    uploaded_file,
)

pytestmark = pytest.mark.both_databases

CONTENT = bytes(range(256)) * 40
HEAD = hashlib.sha256(CONTENT[:100]).hexdigest()


@pytest.fixture
def olga(any_db: Database) -> int:
    return create_organizer(any_db, "olga", "correct horse battery")


@pytest.fixture
def otto(any_db: Database) -> int:
    return create_organizer(any_db, "otto", "correct horse battery")


def arrived(db: Database, upload_id: str, user_id: int) -> int:
    with db.read() as session:
        return received(session, upload_id, user_id)


def send(db: Database, settings: Settings, user_id: int, content: bytes = CONTENT) -> str:
    upload_id = begin_upload(db, settings, "zoo.zip", len(content), user_id)
    append(db, settings, upload_id, user_id, 0, content)
    return upload_id


def files(settings: Settings) -> set[str]:
    return {path.name for path in (settings.home / "uploads").iterdir()}


def test_an_upload_in_pieces_becomes_a_job(any_db: Database, settings: Settings, olga: int) -> None:
    upload_id = begin_upload(any_db, settings, "C:\\zoos\\my zoo.zip", len(CONTENT), olga)
    for offset in range(0, len(CONTENT), 3000):
        piece = CONTENT[offset : offset + 3000]
        assert append(any_db, settings, upload_id, olga, offset, piece) == offset + len(piece)
    job_id = finish_upload(any_db, upload_id, olga, sha256=hashlib.sha256(CONTENT).hexdigest())
    assert finish_upload(any_db, upload_id, olga) == job_id
    job = jobs.claim(any_db, "w", 60.0)
    assert job is not None
    assert (job.id, job.kind, job.user_id) == (job_id, JobKind.UPLOAD, olga)
    assert job.arguments == {"upload": upload_id, "filename": "my zoo.zip"}
    path = uploaded_file(any_db, settings, upload_id)
    assert path.read_bytes() == CONTENT
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_piece_in_the_wrong_place_is_told_the_right_one(any_db: Database, settings: Settings, olga: int) -> None:
    upload_id = begin_upload(any_db, settings, "zoo.zip", len(CONTENT), olga)
    append(any_db, settings, upload_id, olga, 0, CONTENT[:100])
    for offset in (0, 99, 101, 5000, -1):
        with pytest.raises(WrongOffset) as refused:
            append(any_db, settings, upload_id, olga, offset, CONTENT[:10])
        assert refused.value.received == 100
    with pytest.raises(WrongOffset):
        finish_upload(any_db, upload_id, olga)
    with pytest.raises(UploadError, match="longer"):
        append(any_db, settings, upload_id, olga, 100, CONTENT)
    assert arrived(any_db, upload_id, olga) == 100


def test_the_same_file_goes_on_where_it_was(any_db: Database, settings: Settings, olga: int, otto: int) -> None:
    def begin(user: int = olga, name: str = "zoo.zip", size: int = len(CONTENT), head: str | None = HEAD) -> str:
        return begin_upload(any_db, settings, name, size, user, head_sha256=head)

    first = begin()
    append(any_db, settings, first, olga, 0, CONTENT[:100])
    assert begin() == first
    assert arrived(any_db, first, olga) == 100
    others = {begin(user=otto), begin(name="b.zip"), begin(size=101), begin(head="0" * 64), begin(head=None)}
    assert len(others - {first}) == 5
    append(any_db, settings, first, olga, 100, CONTENT[100:])
    finish_upload(any_db, first, olga)
    assert begin() != first


def test_nobody_else_can_go_on_with_an_upload(any_db: Database, settings: Settings, olga: int, otto: int) -> None:
    upload_id = send(any_db, settings, olga)
    acts: list[Callable[[], object]] = [
        lambda: append(any_db, settings, upload_id, otto, 0, b"x"),
        lambda: finish_upload(any_db, upload_id, otto),
        lambda: arrived(any_db, upload_id, otto),
        lambda: append(any_db, settings, "../../../etc/passwd-and-more", olga, 0, b"x"),
        lambda: append(any_db, settings, "a" * 43, olga, 0, b"x"),
    ]
    for act in acts:
        with pytest.raises(UnknownUpload):
            act()
    finish_upload(any_db, upload_id, olga)
    with pytest.raises(UnknownUpload):
        append(any_db, settings, upload_id, olga, len(CONTENT), b"")


def test_what_is_too_large_or_empty_is_refused(any_db: Database, settings: Settings, olga: int) -> None:
    small = Settings(**(settings.model_dump() | {"zoo_upload_bytes": 1000}))
    for size in (1001, 0, -1):
        with pytest.raises(UploadError, match="GENGAP_ZOO_UPLOAD_BYTES"):
            begin_upload(any_db, small, "zoo.zip", size, olga)
    endless = Settings(**(settings.model_dump() | {"zoo_upload_bytes": 2**62}))
    with pytest.raises(UploadError, match="no room"):
        begin_upload(any_db, endless, "zoo.zip", 2**60, olga)
    with pytest.raises(UploadError, match="not a sha256"):
        begin_upload(any_db, settings, "zoo.zip", 10, olga, head_sha256="x")
    assert files(settings) == set()


def test_a_damaged_or_lost_upload_is_told_to_its_job(any_db: Database, settings: Settings, olga: int) -> None:
    damaged = send(any_db, settings, olga)
    finish_upload(any_db, damaged, olga, sha256=hashlib.sha256(b"").hexdigest())
    with pytest.raises(UploadError, match="arrived damaged"):
        uploaded_file(any_db, settings, damaged)
    lost = send(any_db, settings, olga)
    with pytest.raises(UploadError, match="not on this server"):
        uploaded_file(any_db, settings, lost)
    finish_upload(any_db, lost, olga)
    (settings.home / "uploads" / lost).unlink()
    with pytest.raises(UploadError, match="not on this server"):
        uploaded_file(any_db, settings, lost)


def test_uploads_left_alone_for_a_week_are_swept(any_db: Database, settings: Settings, olga: int) -> None:
    begun, waiting, ended = (send(any_db, settings, olga) for _ in range(3))
    finish_upload(any_db, waiting, olga)
    (settings.home / "uploads" / "stray").write_bytes(b"without a record")
    assert sweep_uploads(any_db, settings) == 0
    finish_upload(any_db, ended, olga)
    claimed = [jobs.claim(any_db, "w", 60.0), jobs.claim(any_db, "w", 60.0)]
    (job_id,) = [job.id for job in claimed if job is not None and job.arguments["upload"] == ended]
    assert jobs.fail(any_db, job_id, "w", "no zoo")
    assert sweep_uploads(any_db, settings) == 1
    assert files(settings) == {begun, waiting, "stray"}
    assert sweep_uploads(any_db, settings, utc_now() + timedelta(days=6)) == 0
    assert sweep_uploads(any_db, settings, utc_now() + timedelta(days=8)) == 1
    assert files(settings) == {waiting}
    remove_upload(any_db, settings, waiting)
    remove_upload(any_db, settings, waiting)
    assert files(settings) == set()


def test_two_requests_for_the_same_piece_write_it_once(any_db: Database, settings: Settings, olga: int) -> None:
    upload_id = begin_upload(any_db, settings, "zoo.zip", len(CONTENT), olga)

    def push(_: int) -> int | None:
        try:
            return append(any_db, settings, upload_id, olga, 0, CONTENT[:5000])
        except WrongOffset:
            return None

    with ThreadPoolExecutor(4) as executor:
        told = list(executor.map(push, range(4)))
    assert sorted(told, key=str) == [5000, None, None, None]
    assert arrived(any_db, upload_id, olga) == 5000


@pytest.fixture(scope="module")
def shared_olga(shared_db: Database) -> int:
    return create_organizer(shared_db, "olga", "correct horse battery")


@given(
    content=st.binary(min_size=1, max_size=200),
    sent=st.lists(st.tuples(st.integers(-2, 200), st.integers(0, 80)), max_size=20),
)
@hypothesis_settings(max_examples=30)
def test_whatever_pieces_come_the_bytes_are_those_that_were_sent(
    shared_db: Database, shared_olga: int, content: bytes, sent: list[tuple[int, int]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder))
        upload_id = begin_upload(shared_db, settings, "zoo.zip", len(content), shared_olga)
        have = 0
        for offset, length in [*sent, (0, 0)]:
            piece = content[max(offset, 0) : max(offset, 0) + length]
            if offset == have:
                have += len(piece)
                assert append(shared_db, settings, upload_id, shared_olga, offset, piece) == have
            else:
                with pytest.raises(WrongOffset) as refused:
                    append(shared_db, settings, upload_id, shared_olga, offset, piece)
                assert refused.value.received == have
        append(shared_db, settings, upload_id, shared_olga, have, content[have:])
        finish_upload(shared_db, upload_id, shared_olga)
        assert uploaded_file(shared_db, settings, upload_id).read_bytes() == content
