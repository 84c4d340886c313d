"""Watching a submission in a real browser: seconds that tick, cancelling, the code, resubmitting, comparing two."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from submissions.storage.states import State
from tests.browser.conftest import PHONE, ServedSite, Watch
from tests.browser.test_submit import editor, form_of, measure, submitted
from tests.server.site import GOOD_MEASURE


@pytest.fixture(params=[None, PHONE], ids=["desktop", "phone"])
def context(chromium: Browser, served_site: ServedSite, request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    """A browser that is not to complain, nor to ask any other host."""
    served_site.site.phase(smoke_networks=0)
    made = chromium.new_context(viewport=request.param) if request.param else chromium.new_context()
    watch = Watch(served_site.url)
    watch.follow(made)
    yield made
    made.close()
    assert (watch.external, watch.complaints) == ([], [])


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


def send(context: BrowserContext, served_site: ServedSite) -> Page:
    """The page of a submission that ann has just made."""
    page = form_of(context, served_site)
    page.get_by_label("File", exact=True).set_input_files(measure("norms.py"))
    expect(page.locator("#check")).to_contain_text("Ready to be sent.")
    submitted(page, served_site)
    return page


def test_seconds_tick_without_the_server(context: BrowserContext, served_site: ServedSite) -> None:
    page = send(context, served_site)
    told = page.locator("[data-since]")
    page.route(re.compile("/status$"), lambda route: route.fulfill(status=204))  # nothing comes from the server
    first = told.inner_text()
    expect(told).not_to_have_text(first)
    assert re.fullmatch(r"(\d+ min )?\d+ s", told.inner_text())
    assert fits(page)


def test_a_waiting_submission_is_cancelled_from_its_page(context: BrowserContext, served_site: ServedSite) -> None:
    page = send(context, served_site)
    expect(page.locator(".pace")).to_contain_text("Place 1 in the queue. No worker is running now")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#status .badge")).to_have_text("Cancelled")
    expect(page.locator("#status")).to_contain_text("no quota spent")
    assert page.get_by_role("button", name="Cancel").count() == 0
    assert served_site.site.states() == [State.CANCELLED]


def test_code_is_read_and_resubmitted_from_the_submission(context: BrowserContext, served_site: ServedSite) -> None:
    page = send(context, served_site)
    page.get_by_role("link", name="Code", exact=True).click()
    code = page.get_by_role("textbox", name="complexity.py")
    expect(code).to_contain_text("def complexity(model, dataset):")
    code.click()
    page.keyboard.type("x")
    expect(code).not_to_contain_text("x = ")
    assert code.inner_text().split() == GOOD_MEASURE.decode().split()
    assert fits(page)
    page.go_back()
    page.get_by_role("link", name="Resubmit").click()
    expect(page.get_by_label("Name of the submission")).to_have_value("norms")
    expect(editor(page)).to_contain_text("return 1.0")
    editor(page).click()
    page.keyboard.press("Control+End")
    page.keyboard.type("# better")
    expect(page.locator("#check")).to_contain_text("Ready to be sent.")
    assert submitted(page, served_site) == ("norms.py", GOOD_MEASURE + b"# better\n")
    expect(page.locator("main")).to_contain_text("from submission 1")
    assert fits(page)


def test_two_submissions_are_ticked_and_compared(context: BrowserContext, served_site: ServedSite) -> None:
    site = served_site.site
    phase = site.phase("next")
    for name in ("First", "Second"):
        site.submission(phase, site.ann, cmi=(0.2, 0.3), name=name)
    page = form_of(context, served_site)
    page.goto(f"{served_site.url}/my/submissions")
    assert fits(page)
    for name in ("First", "Second"):
        page.get_by_role("checkbox", name=f"Compare {name}").check()
    page.get_by_role("button", name="Compare two").click()
    page.wait_for_url(re.compile(r"/compare\?a=\d+&b=\d+$"))
