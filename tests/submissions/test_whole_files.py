"""Files appear whole or not at all, whatever happens meanwhile; what is left behind is removed when it is old."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from submissions.settings import Settings
from submissions.whole_files import PART, create_whole, remove_old, write_output, write_whole

KEY_OF_A_SERVER = (
    "import sys; from submissions.settings import Settings; print(Settings(home=sys.argv[1]).secret_key())"
)


def test_a_file_is_written_readable_by_its_owner_alone_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for content in (b"first", b"second"):
        write_whole(path, content)
        assert path.read_bytes() == content
        assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("step", ["fsync", "write"])
def test_after_a_full_disk_the_old_content_is_there_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "file"
    write_whole(path, b"old")

    def fail(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    class Full:
        def __init__(self, descriptor: int, _mode: str) -> None:
            os.close(descriptor)

        def __enter__(self) -> "Full":
            return self

        def __exit__(self, *_error: object) -> None:
            pass

        write = fail

    monkeypatch.setattr(os, *(("fsync", fail) if step == "fsync" else ("fdopen", Full)))
    for write in (write_whole, create_whole):
        with pytest.raises(OSError, match="No space"):
            write(path, b"new")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_of_many_who_create_a_file_at_once_one_does_and_all_get_its_content(tmp_path: Path) -> None:
    path, started = tmp_path / "file", threading.Barrier(16)
    got: list[bytes] = []

    def create(number: int) -> None:
        started.wait()
        got.append(create_whole(path, f"content {number}".encode()))

    threads = [threading.Thread(target=create, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 16
    assert set(got) == {path.read_bytes()}
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_two_servers_that_start_at_once_agree_on_one_key(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KEY_OF_A_SERVER, str(tmp_path / "home")]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    keys = {process.communicate(timeout=120)[0].strip() for process in started}
    assert keys == {Settings(home=tmp_path / "home").secret_key()}
    assert len(keys.pop()) == 64


def test_an_empty_key_signs_nothing(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    (tmp_path / "secret_key").touch()
    with pytest.raises(OSError, match="is empty"):
        settings.secret_key()


def test_what_a_user_names_may_be_a_link_or_a_device(tmp_path: Path) -> None:
    link, target = tmp_path / "link", tmp_path / "target"
    target.touch()
    link.symlink_to(target)
    write_output(link, "é".encode())
    write_output(Path("/dev/null"), "é".encode())
    write_output(tmp_path / "plain", "é".encode())
    assert link.is_symlink()
    assert Path("/dev/null").is_char_device()
    assert {target.read_text(), (tmp_path / "plain").read_text()} == {"é"}


def test_only_old_files_and_folders_are_removed(tmp_path: Path) -> None:
    for name in (f"{PART}new", f"{PART}old"):
        (tmp_path / name).touch()
    for name in ("new", "old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "content").touch()
    for name in (f"{PART}old", "old"):
        os.utime(tmp_path / name, (1, 1))
    assert remove_old([*tmp_path.iterdir(), tmp_path / "nothing"], age_s=3600) == 2
    assert {path.name for path in tmp_path.iterdir()} == {f"{PART}new", "new"}
