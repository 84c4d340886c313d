"""The whole way in a real browser: register, upload, watch it run on a real worker, find it on the leaderboard."""

import re

import pytest
from playwright.sync_api import Browser, FilePayload, expect

from tests.browser.conftest import Watch
from tests.conftest import RunningSite
from tests.factories import SQUARED_NORM
from tests.records import PASSWORD

SCORED_MS = 90_000


def test_a_newcomer_registers_uploads_watches_and_reads_the_leaderboard(
    chromium: Browser, running_site: RunningSite
) -> None:
    context = chromium.new_context()
    watch = Watch(running_site.url)
    watch.follow(context)
    page = context.new_page()

    page.goto(running_site.url)
    page.get_by_role("main").get_by_role("link", name="Register").click()
    page.get_by_label("Name").fill("newcomer")
    page.get_by_label("Email").fill("newcomer@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Register").click()
    expect(page.get_by_role("status")).to_contain_text("Welcome, newcomer.")

    page.get_by_role("link", name="Submit to Main phase").click()
    page.get_by_label("Name of the submission").fill("Sum of squares")
    measure: FilePayload = {"name": "measure.py", "mimeType": "text/x-python", "buffer": SQUARED_NORM}
    page.get_by_label("File", exact=True).set_input_files(measure)
    page.get_by_role("button", name="Submit").click()
    page.wait_for_url(re.compile(r"/submissions/\d+$"))
    expect(page.get_by_role("heading", level=1)).to_contain_text("Sum of squares")

    expect(page.locator("#status .badge")).to_have_text("Scored", timeout=SCORED_MS)
    expect(page.locator("#status")).to_contain_text("2 of 2 passed")
    expect(page.locator("#status")).to_contain_text("8 of 8")
    expect(page.locator("#status")).to_contain_text("12 of 12")
    expect(page.get_by_role("heading", name="Value against generalization gap")).to_have_count(1)  # one truth is hidden
    expect(page.locator(".chart svg").nth(6)).to_be_visible()  # CMI, axes and times of both zoos
    score = page.locator(".big-score span").inner_text()

    page.get_by_role("link", name="Main phase").click()
    row = page.get_by_role("row").filter(has_text="Sum of squares")
    expect(row).to_contain_text("newcomer")
    expect(row).to_contain_text(score)
    expect(row.locator(".rank")).to_have_text("1")
    context.close()
    assert watch.external == []
    assert watch.complaints == []


@pytest.mark.thorough
def test_a_measure_that_fails_tells_its_author_where(chromium: Browser, running_site: RunningSite) -> None:
    competition = running_site.competition
    submission = competition.submit(competition.user("ada"), b"def complexity(model, dataset):\n    return 1 / 0\n")
    context = chromium.new_context()
    page = context.new_page()
    page.goto(f"{running_site.url}/submissions/{submission}")
    expect(page.locator("#status .badge")).to_have_text("Failed", timeout=SCORED_MS)
    expect(page.locator("#status")).to_contain_text("The measure raised an exception. It failed in the smoke run")
    expect(page.locator("#status")).not_to_contain_text("ZeroDivisionError")

    page.goto(f"{running_site.url}/login")
    page.get_by_label("Name or email").fill("ada")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{running_site.url}/")
    page.goto(f"{running_site.url}/submissions/{submission}")
    expect(page.locator(".detail")).to_have_text("ZeroDivisionError at complexity.py line 2")
    expect(page.locator(".message")).to_have_text("division by zero")
    expect(page.locator("#status")).to_contain_text("smoke run, network 1 of 2 in The tiny zoo")
    context.close()
