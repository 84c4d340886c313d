"""`gengap zoo check`: what it prints, the page it writes, and its exit status."""

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from model_zoo import open_zoo
from model_zoo.checks import CheckReport, Verdict
from server.presentation.zoo_report_page import page
from tests.model_zoo.checks.zoos import check, edit, item, make_sound_zoo
from tests.server.commands.test_evaluate_command import gengap


@pytest.fixture(scope="module")
def sound_zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_sound_zoo(tmp_path_factory.mktemp("zoos") / "sound")


@pytest.fixture
def broken_zoo(sound_zoo: Path, tmp_path: Path) -> Path:
    """Its title is markup, and one test accuracy is wrong."""
    folder = tmp_path / "broken"
    shutil.copytree(sound_zoo, folder)
    wrong = {"test_acc": 0.5}
    edit(folder, "private/truth.json", lambda truth: next(iter(truth["networks"].values()))["metrics"].update(wrong))
    edit(folder, "zoo.json", lambda manifest: manifest.update(title="<script>alert(1)</script> & [red]co"))
    return folder


@pytest.mark.thorough
def test_a_zoo_without_errors_ends_with_0_and_a_table_of_verdicts(sound_zoo: Path) -> None:
    finished = gengap("zoo", "check", str(sound_zoo), COLUMNS="200")
    assert finished.returncode == 0, finished.stderr
    assert re.search(r"ok +│ checksums +│ All 28 files", finished.stdout)
    assert re.search(r"warning +│ scoring: gap", finished.stdout)
    assert "no errors, 1 warning. This zoo may be opened; read the warnings first." in finished.stdout


def test_a_zoo_with_an_error_ends_with_1_and_says_what_to_do(broken_zoo: Path) -> None:
    finished = gengap("zoo", "check", str(broken_zoo), COLUMNS="200")
    assert finished.returncode == 1
    assert "<script>alert(1)</script> & [red]co" in finished.stdout
    assert re.search(r"error +│ test accuracy +│ 1 of 12 networks", finished.stdout)
    assert "→ Check preprocessing, labels and weights" in finished.stdout
    assert "This zoo must not be opened as it is." in finished.stdout


@pytest.mark.thorough
def test_json_is_the_report_and_nothing_else(broken_zoo: Path) -> None:
    finished = gengap("zoo", "check", str(broken_zoo), "--json")
    report = CheckReport.model_validate_json(finished.stdout)
    assert finished.returncode == 1
    assert item(report, "test accuracy").verdict is Verdict.ERROR
    assert len(report.numbers.networks) == 12


def test_a_folder_that_is_no_zoo_is_refused_with_a_report(tmp_path: Path) -> None:
    finished = gengap("zoo", "check", str(tmp_path))
    assert finished.returncode == 1
    assert "no zoo.json here" in finished.stdout


def test_what_is_neither_a_folder_nor_a_name_is_wrong_usage(tmp_path: Path) -> None:
    finished = gengap("zoo", "check", "no-such-zoo")
    assert finished.returncode == 2
    assert "no-such-zoo" in finished.stderr


@pytest.mark.thorough
def test_a_file_that_cannot_be_written_is_told(sound_zoo: Path, tmp_path: Path) -> None:
    finished = gengap("zoo", "check", str(sound_zoo), "--html", str(tmp_path / "none" / "report.html"))
    assert finished.returncode == 2
    assert "report.html: cannot be written: No such file" in finished.stderr


class _Loads(HTMLParser):
    """What a page would fetch, and the charts it draws."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.charts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("src", "href") and not (value or "").startswith("#"):
                self.fetched.append(f"{tag} {value}")
            if name == "data-chart":
                assert (value or "").startswith("data:application/json;base64,")
                self.charts += 1


@pytest.mark.thorough
def test_the_page_needs_nothing_else_and_shows_strangers_texts_as_texts(broken_zoo: Path, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    assert gengap("zoo", "check", str(broken_zoo), "--html", str(file)).returncode == 1
    content = file.read_text()
    loads = _Loads()
    loads.feed(content)
    assert (loads.fetched, loads.charts) == ([], 3)
    assert re.findall(r'url\("(vendor[^"]*)', content) == []
    assert "default-src 'none'" in content
    assert "<script>alert(1)" not in content
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; [red]co" in content
    assert all(network.id in content for network in open_zoo(broken_zoo).networks)


def test_the_page_of_what_is_no_zoo_has_verdicts_and_no_pictures(tmp_path: Path) -> None:
    content = page(check(tmp_path))
    loads = _Loads()
    loads.feed(content)
    assert loads.charts == 0
    assert "no zoo.json here" in content
