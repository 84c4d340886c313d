"""axe-core on every page: what each kind of person can open, light and dark, desktop and phone, has no violation."""

from dataclasses import dataclass
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, ViewportSize

from submissions.storage.states import Reason, State
from tests.browser.conftest import PHONE, ServedSite
from tests.server.auth.walk import Walk, make_walk

DESK: ViewportSize = {"width": 1200, "height": 800}
COOKIE = "gengap_session"


@dataclass(frozen=True)
class Everything:
    """A served site where everything has happened once, and the paths of its pages."""

    url: str
    walk: Walk
    more: tuple[str, ...]

    def pages_of(self, person: str) -> list[str]:
        """Every page that the person can open, whatever the address names being there."""
        rules = [rule for rule in self.walk.site.app.url_map.iter_rules() if not rule.rule.startswith("/api/v1/")]
        paths = {self.walk.path(rule.endpoint) for rule in rules if "GET" in (rule.methods or ())}
        return sorted(path for path in {*paths, *self.more} if self._is_page(person, path))

    def _is_page(self, person: str, path: str) -> bool:
        answer = self.walk.browsers[person].get(path)
        return answer.status_code in (200, 404) and answer.mimetype == "text/html" and "<main" in answer.text

    def open(self, chromium: Browser, person: str, scheme: Literal["light", "dark"], viewport: ViewportSize) -> Page:
        """A page in a browser where the person is logged in."""
        context = chromium.new_context(color_scheme=scheme, viewport=viewport)
        cookie = self.walk.browsers[person].client.get_cookie(COOKIE)
        if cookie is not None:
            context.add_cookies([{"name": COOKIE, "value": cookie.value, "url": self.url}])
        return context.new_page()


@pytest.fixture
def everything(served_site: ServedSite) -> Everything:
    site = served_site.site
    walk = make_walk(site)
    phase = walk.names["phase_id"]
    baseline = site.submission(phase, site.system, cmi=(0.1, 0.2), name="Squared norm", is_baseline=True)
    running = site.submission(phase, site.ann, done=5, name="Slow one")
    failed = site.submission(phase, site.ann, reason=Reason.RAISED)
    site.failure(failed, 12, message="a message", log="a line\n" * 50)
    tried = site.submission(phase, site.ann, created_now=True)
    site.smoke(tried, State.RUNNING, done=1)
    site.phase("coming", competition="later", zoos=("secret",), truth_public=False)
    scored = walk.names["submission_id"]
    return Everything(
        served_site.url,
        walk,
        (
            *(f"/submissions/{number}" for number in (baseline, running, failed, tried)),
            f"/compare?a={scored}&b={baseline}",
            "/competitions/later",
            "/competitions/later/coming/leaderboard",
            "/nothing-here",
        ),
    )


@pytest.mark.parametrize(
    ("person", "scheme", "viewport"),
    [
        ("visitor", "light", DESK),
        pytest.param("participant", "light", DESK, marks=pytest.mark.thorough),
        pytest.param("organizer", "light", DESK, marks=pytest.mark.thorough),  # an organizer opens every page
        pytest.param("organizer", "dark", DESK, marks=pytest.mark.thorough),
        pytest.param("organizer", "light", PHONE, marks=pytest.mark.thorough),
    ],
    ids=["visitor", "participant", "organizer", "dark", "phone"],
)
def test_no_page_has_a_violation(
    chromium: Browser,
    everything: Everything,
    person: str,
    scheme: Literal["light", "dark"],
    viewport: ViewportSize,
) -> None:
    page = everything.open(chromium, person, scheme, viewport)
    found: dict[str, list[str]] = {}
    paths = everything.pages_of(person)
    for path in paths:
        page.goto(everything.url + path)
        page.wait_for_load_state("networkidle")
        found |= {f"{path} {rule}": where for rule, where in _violations(page).items()}
    page.context.close()
    assert len(paths) > 10
    assert found == {}, "\n".join(f"{path}: {where}" for path, where in found.items())


def test_axe_sees_what_it_looks_for(chromium: Browser, everything: Everything) -> None:
    page = everything.open(chromium, "visitor", "light", DESK)
    page.goto(everything.url)
    page.evaluate("document.querySelector('h1').insertAdjacentHTML('afterend', '<img src=\"/static/logo.svg\">')")
    assert _violations(page).keys() == {"image-alt"}
    page.context.close()


def _violations(page: Page) -> dict[str, list[str]]:
    """The rules of axe-core that the page violates, each with the first places where."""
    violations = Axe().run(page).response["violations"]
    return {rule["id"]: [str(node["target"]) for node in rule["nodes"]][:3] for rule in violations}
