"""Pictures of a result in a real browser: drawn without a complaint, saved as files, coloured anew; nothing moves."""

from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.browser.conftest import LOOKS, PHONE, ServedSite, Watch
from tests.results import noticeable_zoo, score

PICTURES = 9  # of a public zoo values, CMI, axes, changes and times; of a secret one all but the values


def _two_scored(served: ServedSite) -> tuple[int, int]:
    site = served.site
    zoos = noticeable_zoo(site, "digits-mlp"), noticeable_zoo(site, "hidden-cnn", truth_public=False)
    phase = site.phase(zoos=zoos, is_revealed=True)
    both = [site.submission(phase, user, cmi=(0.1, 0.2)) for user in (site.ann, site.bob)]
    for submission in both:
        score(site, submission)
    return both[0], both[1]


def _height(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollHeight"))


@LOOKS
def test_pictures_appear_without_a_complaint_and_without_moving_anything(
    chromium: Browser, served_site: ServedSite, scheme: Literal["light", "dark"], viewport: ViewportSize
) -> None:
    first, second = _two_scored(served_site)
    context = chromium.new_context(viewport=viewport, color_scheme=scheme)
    watch = Watch(served_site.url)
    watch.follow(context)
    page = context.new_page()
    heights = []
    for block in (True, False):
        if block:
            page.route("**/drawings/*.json", lambda route: route.fulfill(status=200, body="{}"))
            page.route("**/charts.js*", lambda route: route.fulfill(status=200, body=""))
        else:
            page.unroute_all()
        page.goto(f"{served_site.url}/submissions/{first}")
        if not block:
            expect(page.locator(".chart svg")).to_have_count(PICTURES, timeout=30_000)  # Vega loads after the page
        heights.append(_height(page))
        overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overflow == 0
    assert heights[0] == heights[1]
    page.goto(f"{served_site.url}/compare?a={first}&b={second}")
    expect(page.locator(".chart svg")).to_have_count(1)
    context.close()
    assert (watch.external, watch.complaints) == ([], [])


def test_a_picture_is_saved_as_svg_and_png(chromium: Browser, served_site: ServedSite, tmp_path: Path) -> None:
    first, _ = _two_scored(served_site)
    context = chromium.new_context()
    watch = Watch(served_site.url)
    watch.follow(context)
    page = context.new_page()
    page.goto(f"{served_site.url}/submissions/{first}")
    picture = page.locator(".picture").filter(has_text="What is left once two axes are known").first
    expect(picture.locator(".chart svg")).to_be_visible()
    for kind, begins in (("SVG", b"<svg"), ("PNG", b"\x89PNG")):
        with page.expect_download() as saving:
            picture.get_by_role("button", name=kind).click()
        assert saving.value.suggested_filename == f"submission-{first}-digits-mlp-cmi.{kind.lower()}"
        saving.value.save_as(tmp_path / kind)
        assert (tmp_path / kind).read_bytes().startswith(begins)
    with page.expect_download() as saving:
        picture.get_by_role("link", name="CSV").click()
    assert saving.value.suggested_filename == f"submission-{first}-digits-mlp-cmi.csv"
    context.close()
    assert (watch.external, watch.complaints) == ([], [])


@pytest.mark.thorough
def test_values_are_coloured_by_the_axis_that_is_chosen(chromium: Browser, served_site: ServedSite) -> None:
    first, _ = _two_scored(served_site)
    context = chromium.new_context()
    page = context.new_page()
    page.goto(f"{served_site.url}/submissions/{first}")
    legend = page.locator(".picture").first.locator(".chart svg .role-legend-title")
    expect(legend).to_have_text("width")
    page.get_by_label("Colour").select_option(label="learning rate")
    expect(legend).to_have_text("learning rate")
    context.close()


@pytest.mark.thorough
def test_without_javascript_the_numbers_are_in_tables(chromium: Browser, served_site: ServedSite) -> None:
    first, second = _two_scored(served_site)
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{served_site.url}/submissions/{first}")
    picture = page.locator(".picture").filter(has_text="What is left once two axes are known").first
    picture.get_by_text("The same as a table").click()
    expect(picture.get_by_role("row").nth(1)).to_contain_text("width × learning rate")
    page.get_by_role("link", name="The same as a table").first.click()
    expect(page.get_by_role("row")).to_have_count(49)
    page.go_back()
    page.get_by_role("link", name="Compare with another").click()
    page.get_by_label("Against").select_option(value=str(second))
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("heading", name="Scores")).to_be_visible()
    assert f"b={second}" in page.url
    context.close()


@pytest.mark.parametrize(
    ("scheme", "viewport"),
    [
        ("light", {"width": 1200, "height": 800}),
        pytest.param("dark", {"width": 1200, "height": 800}, marks=pytest.mark.thorough),
        pytest.param("light", PHONE, marks=pytest.mark.thorough),
    ],
    ids=["light", "dark", "phone"],
)
@pytest.mark.thorough
def test_pages_of_results_have_no_violation(
    chromium: Browser, served_site: ServedSite, scheme: Literal["light", "dark"], viewport: ViewportSize
) -> None:
    first, second = _two_scored(served_site)
    context = chromium.new_context(viewport=viewport, color_scheme=scheme)
    page = context.new_page()
    for path, pictures in (
        (f"/submissions/{first}", PICTURES),
        (f"/submissions/{first}/zoos/digits-mlp/networks", 0),
        (f"/compare?a={first}&b={second}", 1),
    ):
        page.goto(f"{served_site.url}{path}")
        expect(page.locator(".chart svg")).to_have_count(pictures)
        for summary in page.get_by_text("The same as a table").all():
            if summary.evaluate("element => element.tagName") == "SUMMARY":
                summary.click()
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
    context.close()
