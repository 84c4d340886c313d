"""An organizer's way in a real browser: a zoo uploaded, checked, opened, a measure scored on it; a bad one refused."""

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, FilePayload, Page, ViewportSize, expect

from model_zoo.checks.report import error, warning
from server.forms.zoo_fields import PIECE_BYTES
from submissions.people.accounts import create_organizer
from submissions.storage.records import JobKind
from submissions.zoos.jobs import claim, enqueue, fail, progress
from tests.browser.conftest import LOOKS, ServedSite, Watch
from tests.conftest import RunningSite
from tests.factories import SQUARED_NORM
from tests.records import PASSWORD

WORK_MS = 180_000


def zipped(zoo: Path, to: Path) -> Path:
    with zipfile.ZipFile(to, "w") as archive:
        for path in sorted(zoo.rglob("*")):
            archive.write(path, f"{to.stem}/{path.relative_to(zoo)}")
    return to


def log_in(page: Page, url: str, name: str) -> None:
    page.goto(f"{url}/login")
    page.get_by_label("Name or email").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{url}/")


@pytest.fixture
def organizer(chromium: Browser, running_site: RunningSite) -> Iterator[Page]:
    """An organizer's browser, on the list of zoos."""
    create_organizer(running_site.competition.db, "olga", PASSWORD)
    context = chromium.new_context()
    page = context.new_page()
    log_in(page, running_site.url, "olga")
    page.get_by_role("link", name="Organize", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Zoos")
    yield page
    context.close()


def upload_with_an_interruption(page: Page, archive: Path) -> None:
    """The connection breaks after the first piece, and the page is loaded anew before it comes back."""
    second_piece = re.compile(rf"/uploads/.*offset={PIECE_BYTES}$")
    page.route(second_piece, lambda route: route.abort())
    page.get_by_label("A zoo's folder as .zip").set_input_files(archive)
    expect(page.locator("[data-told]")).to_contain_text("The connection is lost", timeout=WORK_MS)
    page.unroute(second_piece)
    page.reload()
    expect(page.locator(".unfinished")).to_contain_text(f"{archive.name}: 8 MiB of")
    with page.expect_request(re.compile(r"/uploads/.*offset="), timeout=WORK_MS) as first_piece:
        page.get_by_label("A zoo's folder as .zip").set_input_files(archive)
    assert second_piece.search(first_piece.value.url)


@pytest.mark.thorough
def test_a_zoo_is_uploaded_checked_and_opened_and_a_measure_scored_on_it(
    chromium: Browser, running_site: RunningSite, organizer: Page, digits_cnn: Path, tmp_path: Path
) -> None:
    page = organizer
    upload_with_an_interruption(page, zipped(digits_cnn, tmp_path / "digits.zip"))
    page.wait_for_url(re.compile(r"/organizer/zoos/jobs/\d+$"), timeout=WORK_MS)
    expect(page.get_by_role("heading", level=1)).to_have_text("Upload of digits.zip")
    page.wait_for_url(re.compile(r"/organizer/zoos/\d+$"), timeout=WORK_MS)
    expect(page.locator("h1 .badge")).to_have_text("ready")
    expect(page.get_by_role("heading", name="The check")).to_contain_text("0 errors")
    expect(page.locator(".chart svg")).to_have_count(3)

    page.get_by_role("link", name="Open a new phase with it").click()
    page.get_by_label("A new competition").check()
    page.get_by_label("Its title").fill("Spring competition")
    page.get_by_label("Its short name").fill("spring")
    page.get_by_label("Title of the phase").fill("Open phase")
    page.get_by_label("Short name of the phase").fill("open")
    expect(page.get_by_label(re.compile("digits-cnn, version 1"))).to_be_checked()
    page.get_by_role("button", name="Open the phase").click()
    page.wait_for_url(re.compile(r"/organizer/phases/\d+$"))
    expect(page.get_by_role("heading", level=1)).to_contain_text("Open phase")

    running_site.competition.user("ada")
    context = chromium.new_context()
    watch = Watch(running_site.url)
    watch.follow(context)
    participant = context.new_page()
    log_in(participant, running_site.url, "ada")
    participant.goto(f"{running_site.url}/competitions/spring/open/submit")
    participant.get_by_label("Name of the submission").fill("Sum of squares")
    measure: FilePayload = {"name": "measure.py", "mimeType": "text/x-python", "buffer": SQUARED_NORM}
    participant.get_by_label("File", exact=True).set_input_files(measure)
    participant.get_by_role("button", name="Submit").click()
    expect(participant.locator("#status .badge")).to_have_text("Scored", timeout=WORK_MS)
    expect(participant.locator("#status")).to_contain_text("64 of 64")
    participant.goto(f"{running_site.url}/competitions/spring/open/leaderboard")
    expect(participant.get_by_role("row").filter(has_text="Sum of squares")).to_contain_text("ada")
    context.close()
    assert (watch.external, watch.complaints) == ([], [])

    page.get_by_role("link", name="Digits").first.click()
    expect(page.locator(".use")).to_contain_text("1 submission is evaluated again when the zoos of this phase change")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download its public part").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        assert not [name for name in archive.namelist() if "private" in name]
        assert len([name for name in archive.namelist() if name.endswith(".safetensors")]) == 2 * 64 + 1


def test_a_broken_zoo_is_refused_with_its_report(organizer: Page, other_zoo: Path, tmp_path: Path) -> None:
    page = organizer
    page.get_by_label("A zoo's folder as .zip").set_input_files(zipped(other_zoo, tmp_path / "made-up.zip"))
    page.wait_for_url(re.compile(r"/organizer/zoos/\d+$"), timeout=WORK_MS)
    expect(page.locator("h1 .badge")).to_have_text("refused")
    expect(page.get_by_role("row").filter(has_text="training accuracy")).to_contain_text("error")
    expect(page.locator(".error.big")).to_contain_text("This zoo is refused")
    expect(page.get_by_role("link", name="Open a new phase with it")).to_have_count(0)
    expect(page.get_by_role("button", name="Attach")).to_have_count(0)


@pytest.mark.thorough
def test_what_is_no_zoo_at_all_is_told_on_the_jobs_page(organizer: Page, tmp_path: Path) -> None:
    (tmp_path / "notes.zip").write_bytes(b"these are no zoo")
    organizer.get_by_label("A zoo's folder as .zip").set_input_files(tmp_path / "notes.zip")
    expect(organizer.locator("#job .badge")).to_have_text("Failed", timeout=WORK_MS)
    expect(organizer.locator("#job pre")).to_have_text("notes.zip is neither a zip nor a tar nor a tar.gz archive.")


@LOOKS
def test_no_page_for_organizers_complains_or_overflows(
    chromium: Browser, served_site: ServedSite, scheme: Literal["light", "dark"], viewport: ViewportSize
) -> None:
    paths = populate(served_site)
    context = chromium.new_context(viewport=viewport, color_scheme=scheme)
    watch = Watch(served_site.url)
    watch.follow(context)
    page = context.new_page()
    log_in(page, served_site.url, "olga")
    overflow = {}
    for path in paths:
        page.goto(served_site.url + path)
        overflow[path] = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    context.close()
    assert (watch.external, watch.complaints) == ([], [])
    assert {path: pixels for path, pixels in overflow.items() if pixels > 0} == {}


def populate(served: ServedSite) -> list[str]:
    """The organizers' pages, on a site where everything has happened once, with names as long as can be."""
    site = served.site
    long = "a-" * 39 + "b"
    fault = error(
        "grid", f"No network has width = {long}, depth = {long}.", f"Train it, or remove {long} from the axis."
    )
    good = site.checked("digits-mlp", items=[warning("spread", "The gaps' spread is 2.1.", "Train with more noise.")])
    bad = site.checked(long, items=[fault])
    phase = site.phase(zoos=("digits-mlp",))
    site.submission(phase, site.ann, cmi=(0.4,))
    running, failed = (enqueue(site.db, JobKind.FOLDER, {"address": f"/zoos/{long}"}, site.olga) for _ in range(2))
    for job in (running, failed):
        claim(site.db, "host/1", 3600)
        progress(site.db, job, "host/1", 3, 96, f"storing {long}")
    fail(site.db, failed, "host/1", f"{long * 3} is damaged")
    return [
        "/organizer/zoos/",
        f"/organizer/zoos/{good}",
        f"/organizer/zoos/{bad}",
        f"/organizer/zoos/jobs/{running}",
        f"/organizer/zoos/jobs/{failed}",
        "/organizer/phases/",
        "/organizer/phases/new",
        f"/organizer/phases/{phase}",
    ]
