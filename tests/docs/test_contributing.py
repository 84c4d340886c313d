"""CONTRIBUTING.md names files and folders that are there, and every folder of the rooms."""

import re

import pytest

from tests.docs.tables import DOCS

ROOT = DOCS.parent
TEXT = (ROOT / "CONTRIBUTING.md").read_text()
EVERYDAY = TEXT.split("## Where everyday changes go\n")[1]
CHANGES = re.findall(r"^\| ([^|]+?) \| ([^|]+) \| ([^|]+) \|$", EVERYDAY, re.MULTILINE)[1:]
ROOMS = ("gengap", "server", "worker", "submissions", "scoring", "model_zoo")
NOT_CODE = {"templates", "static", "editor", "__pycache__"}
NOT_COUNTED = {*NOT_CODE, "docs", "__init__.py", "__main__.py"}


def paths(text: str) -> list[str]:
    """What a text names in backticks that looks like a file or folder of the repository."""
    return [
        word for word in re.findall(r"`([\w./*-]+/[\w./*-]*)`", text) if word.split("/")[0] in {*ROOMS, "tests", "docs"}
    ]


@pytest.mark.parametrize(("change", "where"), [(change, f"{files} {tests}") for change, files, tests in CHANGES])
def test_every_file_that_an_everyday_change_names_exists(change: str, where: str) -> None:
    named = paths(where)
    assert named, f"{change} names no file"
    for path in named:
        assert list(ROOT.glob(path.rstrip("/"))), f"{change} names {path}, which does not exist"


def test_the_everyday_changes_have_a_row() -> None:
    wanted = ("metric", "limit", "role", "zoo store", "sandbox backend", "page", "API route", "baseline")
    named = {change.removeprefix("a ").removeprefix("an ") for change, _, _ in CHANGES}
    parts = (
        "layer type",
        "failure reason",
        "chart",
        "architecture family",
        "training hyperparameter",
        "field of the API",
    )
    assert {*wanted, *parts} <= named


@pytest.mark.parametrize("room", ROOMS)
def test_every_folder_of_a_room_is_in_the_table_of_rooms(room: str) -> None:
    (row,) = re.findall(rf"^\| `{room}/` \| (.+) \|$", TEXT, re.MULTILINE)
    folders = {path.name for path in (ROOT / room).iterdir() if path.is_dir() and any(path.glob("*.py"))} - NOT_CODE
    assert folders <= {name.rstrip("/") for name in re.findall(r"`([\w/]+)`", row)}


@pytest.mark.parametrize("room", ROOMS)
def test_no_folder_of_a_room_has_many_more_than_fifteen_entries(room: str) -> None:
    without = re.compile(r"/(static|templates|baselines|versions|editor|__pycache__)(/|$)|/recipes/shipped$")
    for folder in [ROOT / room, *(path for path in (ROOT / room).rglob("*") if path.is_dir())]:
        if without.search(f"/{folder.relative_to(ROOT)}"):
            continue
        entries = {path.name for path in folder.iterdir()} - NOT_COUNTED
        assert len(entries) <= 16, f"{folder.relative_to(ROOT)} has {len(entries)} entries"


def test_the_files_of_the_product_stay_readable_in_one_go() -> None:
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            if "static" not in path.parts:
                assert len(path.read_text().splitlines()) <= 420, path.relative_to(ROOT)
