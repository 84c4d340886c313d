"""From the home page to one's place on the board, in a real browser with a real server and worker.

Register, verify, make a team, submit what scores, fails, times out and is cancelled, watch, compare, find the team.
"""

import re
from dataclasses import replace
from typing import Literal

import pytest
from playwright.sync_api import Browser, FilePayload, Page, ViewportSize, expect

from submissions.storage.records import PhaseRecord
from tests.browser.conftest import PHONE, Watch
from tests.conftest import RunningSite
from tests.factories import SQUARED_NORM
from tests.records import PASSWORD
from tests.services import wait_until

ENDED_MS = 90_000
DESK: ViewportSize = {"width": 1200, "height": 900}
BETTER = b"""def complexity(model, dataset):
    return sum(float(p.detach().square().sum()) for p in model.parameters()) ** 0.25
"""
RAISES = b"def complexity(model, dataset):\n    return model.no_such_part\n"
NEVER_ENDS = b"def complexity(model, dataset):\n    while True:\n        pass\n"


@pytest.mark.parametrize(
    ("scheme", "viewport"),
    [("light", DESK), pytest.param("dark", PHONE, marks=pytest.mark.thorough)],
    ids=["desktop in the light", "phone in the dark"],
)
def test_the_whole_way(
    chromium: Browser, running_site: RunningSite, scheme: Literal["light", "dark"], viewport: ViewportSize
) -> None:
    _limit_network_to(running_site, wall_s=2.0)
    context = chromium.new_context(color_scheme=scheme, viewport=viewport)
    watch = Watch(running_site.url)
    watch.follow(context)
    page = context.new_page()

    _register_and_verify(page, running_site)
    _make_a_team(page, running_site)
    first = _submit(page, running_site, "Sum of squares", SQUARED_NORM)
    expect(page.locator("#status .badge")).to_have_text("Scored", timeout=ENDED_MS)
    expect(page.get_by_role("heading", name="Result")).to_be_visible()
    expect(page.locator(".chart svg").first).to_be_visible()

    _submit(page, running_site, "Wrong name", RAISES)
    expect(page.locator("#status .badge")).to_have_text("Failed", timeout=ENDED_MS)
    expect(page.locator(".detail")).to_have_text("AttributeError at complexity.py line 2")
    expect(page.locator(".failing")).to_contain_text("model.no_such_part")

    _submit(page, running_site, "Too slow", NEVER_ENDS)
    expect(page.locator("#status .badge")).to_have_text("Failed", timeout=ENDED_MS)
    expect(page.get_by_role("status").first).to_contain_text("time limit")

    _limit_network_to(running_site, wall_s=600.0)
    _submit(page, running_site, "Cancelled", NEVER_ENDS + b"# once more\n")
    expect(page.locator("#status .badge")).to_have_text("Running", timeout=ENDED_MS)
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#status .badge")).to_have_text("Cancelled")
    expect(page.locator("#status")).to_contain_text("no quota spent")

    second = _submit(page, running_site, "Fourth root", BETTER)
    expect(page.locator("#status .badge")).to_have_text("Scored", timeout=ENDED_MS)
    page.goto(f"{running_site.url}/compare?a={first}&b={second}")
    expect(page.get_by_role("main")).to_contain_text("Sum of squares")
    expect(page.get_by_role("main")).to_contain_text("Fourth root")

    page.goto(f"{running_site.url}/competitions/{running_site.competition.slug}")
    page.get_by_role("link", name="Leaderboard of Main phase").click()
    row = page.get_by_role("row").filter(has_text="Gap finders")
    expect(row).to_have_count(1)
    expect(row.locator(".rank")).to_contain_text("1")
    expect(row).to_have_class(re.compile("own"))
    context.close()
    assert watch.external == []
    assert watch.complaints == []


def _limit_network_to(site: RunningSite, *, wall_s: float) -> None:
    with site.competition.db.write() as session:
        phase = session.get_one(PhaseRecord, site.competition.phase_id)
        phase.limits = replace(phase.limits, wall_s=wall_s)


def _register_and_verify(page: Page, site: RunningSite) -> None:
    page.goto(site.url)
    page.get_by_role("main").get_by_role("link", name="Register").click()
    page.get_by_label("Name").fill("newcomer")
    page.get_by_label("Email").fill("newcomer@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Register").click()
    expect(page.get_by_text("Welcome, newcomer.")).to_be_visible()
    wait_until(lambda: _mailed_link(site) is not None, "the mail, which goes to the log where there is no SMTP")
    page.goto(f"{site.url}{_mailed_link(site)}")
    page.get_by_role("button", name="Yes, it is mine").click()
    page.goto(f"{site.url}/account")
    expect(page.get_by_text("verified", exact=True)).to_be_visible()


def _mailed_link(site: RunningSite) -> str | None:
    logs = "".join(child.log.read_text() for child in site.children.values())
    found = re.search(r"/verify/\S+", logs)
    return found[0] if found else None


def _make_a_team(page: Page, site: RunningSite) -> None:
    page.goto(f"{site.url}/competitions/{site.competition.slug}/team")
    page.get_by_label("Name of the team").fill("Gap finders")
    page.get_by_role("button", name="Create the team").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Gap finders")


def _submit(page: Page, site: RunningSite, name: str, content: bytes) -> int:
    competition = site.competition
    page.goto(f"{site.url}/competitions/{competition.slug}/{competition.phase_slug}/submit")
    page.get_by_label("Name of the submission").fill(name)
    file: FilePayload = {"name": "measure.py", "mimeType": "text/x-python", "buffer": content}
    page.get_by_label("File", exact=True).set_input_files(file)
    page.get_by_role("button", name="Submit", exact=True).click()
    page.wait_for_url(re.compile(r"/submissions/\d+$"))
    return int(page.url.rpartition("/")[2])
