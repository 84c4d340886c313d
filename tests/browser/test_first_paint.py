"""A result's page before anybody touches it: its pictures are there, also without JavaScript, and hardly any script."""

import time
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from server.charts.picture_maker import PictureMaker
from tests.browser.conftest import LOOKS, ServedSite, Watch
from tests.results import noticeable_zoo, score

PICTURES = 9
MOST_SCRIPT_BYTES = 60_000


@pytest.fixture
def scored(served_site: ServedSite) -> str:
    site = served_site.site
    zoos = noticeable_zoo(site, "digits-mlp"), noticeable_zoo(site, "hidden-cnn", truth_public=False)
    submission = site.submission(site.phase(zoos=zoos, is_revealed=True), site.ann, cmi=(0.1, 0.2))
    score(site, submission)
    assert PictureMaker(site.db, site.zoos).step() == 2
    return f"{served_site.url}/submissions/{submission}"


def _height(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollHeight"))


@LOOKS
def test_pictures_are_there_at_once_and_vega_comes_when_somebody_points_at_one(
    chromium: Browser,
    served_site: ServedSite,
    scored: str,
    scheme: Literal["light", "dark"],
    viewport: ViewportSize,
) -> None:
    context = chromium.new_context(viewport=viewport, color_scheme=scheme)
    watch = Watch(served_site.url)
    watch.follow(context)
    page = context.new_page()
    scripts: list[int] = []
    page.on("response", lambda answer: scripts.append(len(answer.body())) if ".js" in answer.url else None)
    page.goto(scored, wait_until="networkidle")
    expect(page.locator(".chart .drawn:visible")).to_have_count(PICTURES)
    assert sum(scripts) <= MOST_SCRIPT_BYTES  # uncompressed
    text = page.locator(".chart .drawn:visible text").first
    assert text.evaluate("node => getComputedStyle(node).fill") == page.evaluate(
        "() => { const one = document.createElement('i'); one.style.color = 'var(--muted)'; document.body.append(one);"
        " const found = getComputedStyle(one).color; one.remove(); return found; }"
    )
    height = _height(page)
    picture = page.locator(".picture").filter(has_text="Along each axis alone").first
    picture.locator(".chart").hover()
    expect(picture.locator(".stage:only-child svg.marks")).to_be_visible(timeout=30_000)
    deadline = time.monotonic() + 30
    while sum(scripts) <= 500_000 and time.monotonic() < deadline:  # what has arrived is told a moment later
        page.wait_for_timeout(100)
    assert sum(scripts) > 500_000
    expect(page.locator(".chart .drawn:visible")).to_have_count(PICTURES - 1)
    assert _height(page) == height
    context.close()
    assert (watch.external, watch.complaints) == ([], [])


def test_pictures_need_no_javascript(chromium: Browser, scored: str) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(scored)
    expect(page.get_by_role("img", name="Granulated Kendall's ψ of 3 axes as bars.")).to_have_count(2)
    expect(page.locator(".chart .drawn:visible")).to_have_count(PICTURES)
    expect(page.get_by_text("The picture needs JavaScript")).to_have_count(0)
    context.close()


@pytest.mark.thorough
def test_a_picture_stays_where_vega_does_not_load(chromium: Browser, scored: str) -> None:
    context = chromium.new_context()
    page = context.new_page()
    page.goto(scored)
    page.route("**/vega*.js*", lambda route: route.abort())
    box = page.locator(".chart").first
    with page.expect_event("requestfailed"):
        box.hover()
    expect(box.locator(".stage")).to_have_count(0)
    expect(box.locator(".drawn:visible")).to_have_count(1)
    page.unroute_all()
    page.mouse.move(0, 0)
    box.hover()
    expect(box.locator(".stage:only-child svg.marks")).to_be_visible()
    context.close()


def test_a_stored_picture_can_be_saved(chromium: Browser, scored: str) -> None:
    context = chromium.new_context()
    page = context.new_page()
    page.goto(scored)
    picture = page.locator(".picture").filter(has_text="What is left once two axes are known").first
    with page.expect_download() as saving:
        picture.get_by_role("button", name="PNG").click()
    assert saving.value.suggested_filename.endswith("-cmi.png")
    context.close()
