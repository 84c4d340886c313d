"""What is in the static folder: vendored files are the listed ones, and the style sheet stays small."""

import hashlib
import re

from server.pages.site.static import FOLDER

VENDOR = FOLDER / "vendor"


def test_the_list_of_vendored_files_is_true_and_complete() -> None:
    text = (VENDOR / "VENDORED.md").read_text()
    rows = re.findall(r"^\| \S+ \| [\d.]+ \| \[[^]]+\]\(([^)]+)\) \| (\S+) \| ([0-9a-f]{64}) \|$", text, re.MULTILINE)
    licences = set(re.findall(r"\]\((LICENSE[^)]+)\)", text))
    assert {file: hashlib.sha256((VENDOR / file).read_bytes()).hexdigest() for _, file, _ in rows} == {
        file: digest for _, file, digest in rows
    }
    assert {path.name for path in VENDOR.iterdir()} == {"VENDORED.md"} | licences | {file for _, file, _ in rows}


def test_the_style_sheet_is_small() -> None:
    assert (FOLDER / "app.css").stat().st_size <= 15 * 1024
