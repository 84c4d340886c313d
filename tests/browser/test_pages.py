"""Every page in a real browser: no request to another host, no complaint, nothing cut off, usable by keyboard."""

import re
from typing import Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, FilePayload, Page, ViewportSize, expect

from submissions.evaluation import workers
from submissions.storage.records import Purpose
from submissions.storage.states import Reason, State
from tests.browser.conftest import LOOKS, ServedSite, Watch
from tests.records import PASSWORD
from worker.sandbox.layers.layer_table import TABLE

LONG_NAME = "Consistency_of_representations_under_small_rotations_and_translations_of_inputs"


def _populate(served: ServedSite) -> dict[str, str]:
    """The paths of all kinds of pages, on a site where everything has happened once."""
    site = served.site
    phase = site.phase()
    scored = site.submission(phase, site.ann, cmi=(0.4, 0.5), name=LONG_NAME)
    site.submission(phase, site.system, cmi=(0.1, 0.2), name="Squared norm", is_baseline=True)
    running = site.submission(phase, site.bob, done=5, name="Slow one")
    failed = site.submission(phase, site.ann, reason=Reason.RAISED)
    long = "a" * 90
    site.failure(failed, 12, detail=f"ValueError at {long}.py line 12", message=long * 5, log=f"{long * 3}\n" * 50)
    tried = site.submission(phase, site.ann, created_now=True)
    site.smoke(tried, State.RUNNING, done=1)
    untried = site.submission(phase, site.ann, reason=Reason.IMPORT_ERROR)
    site.smoke(untried, State.FAILED)
    site.failure(untried, 1, purpose=Purpose.SMOKE, detail="ModuleNotFoundError at complexity.py line 1")
    return {
        "home": "/",
        "competition": "/competitions/demo",
        "leaderboard": "/competitions/demo/main/leaderboard",
        "submit": "/competitions/demo/main/submit",
        "scored": f"/submissions/{scored}",
        "running": f"/submissions/{running}",
        "failed": f"/submissions/{failed}",
        "in smoke run": f"/submissions/{tried}",
        "failed in smoke run": f"/submissions/{untried}",
        "list": "/my/submissions",
        "register": "/register",
        "log in": "/login",
    }


def _log_in(page: Page, url: str, name: str = "ann") -> None:
    page.goto(f"{url}/login")
    page.get_by_label("Name or email").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{url}/")


def _open_every_page(context: BrowserContext, served: ServedSite, paths: dict[str, str]) -> dict[str, int]:
    """Visit all pages, those about accounts first, and wait for charts. Returns each page's overflow in pixels."""
    page = context.new_page()
    overflow = {}
    for name in sorted(paths, key=lambda name: name not in ("register", "log in")):
        if name not in ("register", "log in") and "log out" not in overflow:
            _log_in(page, served.url)
            overflow["log out"] = 0
        page.goto(served.url + paths[name])
        if name == "scored":
            expect(page.locator(".chart svg")).to_have_count(4)
        overflow[name] = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return overflow


@LOOKS
def test_no_page_complains_asks_another_host_or_overflows(
    chromium: Browser, served_site: ServedSite, scheme: Literal["light", "dark"], viewport: ViewportSize
) -> None:
    paths = _populate(served_site)
    context = chromium.new_context(viewport=viewport, color_scheme=scheme)
    watch = Watch(served_site.url)
    watch.follow(context)
    overflow = _open_every_page(context, served_site, paths)
    context.close()
    assert watch.external == []
    assert watch.complaints == []
    assert {name: pixels for name, pixels in overflow.items() if pixels > 0} == {}


@LOOKS
def test_the_organizers_page_neither_complains_nor_overflows(
    chromium: Browser, served_site: ServedSite, scheme: Literal["light", "dark"], viewport: ViewportSize
) -> None:
    held = {layer.name: layer.name != "seccomp" for layer in TABLE}
    for number, refusal in enumerate((None, "Its sandbox lacks seccomp.", None)):
        name = f"evaluator-{number}.department.example.org/{4711 + number}"
        workers.enter(served_site.site.db, name, slots=8, backend="bubblewrap", layers=held, refusal=refusal)
    context = chromium.new_context(viewport=viewport, color_scheme=scheme)
    watch = Watch(served_site.url)
    watch.follow(context)
    page = context.new_page()
    _log_in(page, served_site.url, "olga")
    page.get_by_role("link", name="Organize", exact=True).click()
    page.get_by_role("link", name="Workers").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Workers")
    expect(page.locator("p.error")).to_contain_text("takes no work. Its sandbox lacks seccomp.")
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    context.close()
    assert (watch.external, watch.complaints, overflow) == ([], [], 0)


def test_the_outcome_of_a_smoke_run_appears_by_itself(chromium: Browser, served_site: ServedSite) -> None:
    site = served_site.site
    submission = site.submission(site.phase(), site.ann, created_now=True)
    site.smoke(submission, State.QUEUED)
    context = chromium.new_context()
    page = context.new_page()
    page.goto(f"{served_site.url}/submissions/{submission}")
    expect(page.get_by_role("status")).to_contain_text("waiting for a free worker, to be tried on 2 networks")
    site.end_smoke(submission)
    expect(page.get_by_role("status")).to_contain_text("It passed its smoke run")
    expect(page.locator("#status")).to_contain_text("2 of 2 passed")
    context.close()


def test_the_watch_sees_what_it_watches_for(chromium: Browser, served_site: ServedSite) -> None:
    context = chromium.new_context()
    watch = Watch(served_site.url)
    watch.follow(context)
    page = context.new_page()
    page.goto(served_site.url)
    page.evaluate("document.body.setAttribute('onclick', 'alert(1)')")
    page.evaluate("fetch('http://127.0.0.1:9/').catch(() => null)")
    context.close()
    assert len(watch.complaints) >= 2
    assert all("Content Security Policy" in text for text in watch.complaints)


def test_charts_follow_a_change_to_the_dark(chromium: Browser, served_site: ServedSite) -> None:
    paths = _populate(served_site)
    context = chromium.new_context(color_scheme="light")
    page = context.new_page()
    page.goto(served_site.url + paths["scored"])
    title = page.locator(".chart svg .role-axis-title text").first
    expect(title).to_have_attribute("fill", "#1b2430")
    page.emulate_media(color_scheme="dark")
    expect(title).to_have_attribute("fill", "#e9e6de")
    context.close()


def test_a_point_tells_its_network_when_pointed_at(chromium: Browser, served_site: ServedSite) -> None:
    paths = _populate(served_site)
    context = chromium.new_context()
    page = context.new_page()
    page.goto(served_site.url + paths["scored"])
    page.locator(".chart").first.locator("svg .mark-symbol.role-mark path").first.hover()
    tooltip = page.locator("#vg-tooltip-element")
    expect(tooltip).to_contain_text("weight.decay")
    expect(tooltip).to_contain_text("learning rate")
    context.close()


def test_the_status_is_polled_with_etags_and_the_page_completes_itself(
    chromium: Browser, served_site: ServedSite
) -> None:
    site = served_site.site
    submission = site.submission(site.phase(), site.ann, done=5)
    context = chromium.new_context()
    page = context.new_page()
    page.goto(f"{served_site.url}/submissions/{submission}")
    expect(page.get_by_role("status")).to_contain_text("Running")
    site.add_values(submission, done=2)
    expect(page.locator("#status")).to_contain_text("7 of 12")
    site.end(submission, cmi=(0.3, 0.4))
    expect(page.get_by_role("status")).to_contain_text("Scored")
    expect(page.locator(".chart svg")).to_have_count(4)  # for each zoo values and times
    assert page.locator("[hx-get]").count() == 0
    context.close()


def test_an_unchanged_status_travels_as_a_304(chromium: Browser, served_site: ServedSite) -> None:
    site = served_site.site
    submission = site.submission(site.phase(), site.ann, done=5)
    context = chromium.new_context()
    page = context.new_page()
    answers: list[int] = []
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    session.on(
        "Network.responseReceivedExtraInfo",
        lambda event: answers.append(event["statusCode"]) if _is_kept_page(event) else None,
    )
    page.goto(f"{served_site.url}/submissions/{submission}")
    polls = 0
    while 304 not in answers and polls < 6:  # a beat may fall between two polls, and the first of all is new
        with page.expect_response(re.compile(r"/status$")):
            polls += 1
    context.close()
    assert 304 in answers


def _is_kept_page(event: dict[str, object]) -> bool:
    """Extra information comes without its URL; here only the polled part may be kept and asked for again."""
    headers = event["headers"]
    assert isinstance(headers, dict)
    return {name.lower(): value for name, value in headers.items()}.get("cache-control") == "private, no-cache"


def test_a_too_large_file_is_told_before_it_is_sent(chromium: Browser, served_site: ServedSite) -> None:
    paths = _populate(served_site)
    context = chromium.new_context()
    page = context.new_page()
    _log_in(page, served_site.url)
    page.goto(served_site.url + paths["submit"])
    big: FilePayload = {"name": "big.py", "mimeType": "text/x-python", "buffer": b"#" * (10 * 2**20 + 1)}
    page.get_by_label("File", exact=True).set_input_files(big)
    expect(page.locator("#file-error")).to_have_text("The file is larger than 10 MiB, the most an upload may have.")
    small: FilePayload = {"name": "small.py", "mimeType": "text/x-python", "buffer": b"#"}
    page.get_by_label("File", exact=True).set_input_files(small)
    expect(page.locator("#file-error")).to_be_hidden()
    context.close()


@pytest.mark.thorough
def test_a_too_large_file_sent_anyway_gets_its_sentence_on_the_form(chromium: Browser, served_site: ServedSite) -> None:
    paths = _populate(served_site)
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    _log_in(page, served_site.url)
    page.goto(served_site.url + paths["submit"])
    page.get_by_label("Name of the submission").fill("big")
    big: FilePayload = {"name": "big.py", "mimeType": "text/x-python", "buffer": b"#" * (14 * 2**20)}
    page.get_by_label("File", exact=True).set_input_files(big)
    page.get_by_role("button", name="Submit").click()
    expect(page.locator("#file-error")).to_contain_text("The file is larger than 10 MiB")
    context.close()


def test_the_first_tab_leads_past_the_navigation(chromium: Browser, served_site: ServedSite) -> None:
    context = chromium.new_context()
    page = context.new_page()
    page.goto(served_site.url)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    context.close()


@pytest.mark.thorough
def test_without_javascript_the_board_and_a_running_submission_can_be_read(
    chromium: Browser, served_site: ServedSite
) -> None:
    paths = _populate(served_site)
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(served_site.url + paths["leaderboard"])
    expect(page.get_by_role("rowheader").first).to_contain_text(LONG_NAME)
    page.goto(served_site.url + paths["running"])
    expect(page.locator("#status")).to_contain_text("5 of 12")
    served_site.site.add_values(int(paths["running"].rpartition("/")[2]), done=3)
    expect(page.locator("#status")).to_contain_text("8 of 12", timeout=20_000)
    context.close()
