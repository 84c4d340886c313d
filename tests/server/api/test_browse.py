"""The pages that show the API to people: every route and model, small, and no link that leads nowhere."""

import re

from tests.server.api.clients import ROOT
from tests.server.site import Site

MOST_BYTES = 60_000


def _parts(site: Site) -> list[str]:
    return re.findall(r'<h2 id="[^"]+"><a href="(/api\?part=[^"]+)"', site.browser().get("/api").text)


def test_every_route_stands_on_the_first_page_and_with_its_part(site: Site) -> None:
    browser, document = site.browser(), site.app.test_client().get(f"{ROOT}/openapi.json").get_json()
    first = browser.get("/api").text
    parts = "".join(browser.get(path).text for path in _parts(site))
    for path, methods in document["paths"].items():
        for operation in methods.values():
            assert f'#{operation["operationId"]}"' in first
            assert f'<h2 id="{operation["operationId"]}">' in parts
        assert f"<code>{path}</code>" in parts


def test_every_link_to_a_model_leads_to_it_on_the_same_page(site: Site) -> None:
    browser = site.browser()
    assert len(_parts(site)) > 5
    for path in _parts(site):
        page = browser.get(path).text
        linked, there = set(re.findall(r'href="#(\w+)"', page)), set(re.findall(r' id="(\w+)"', page))
        assert linked - {"main"} <= there, path


def test_the_pages_are_small_and_kept_by_browsers(site: Site) -> None:
    browser = site.browser()
    for path in ("/api", *_parts(site)):
        answer = browser.get(path)
        assert len(answer.data) < MOST_BYTES, path
        assert browser.get(path, If_None_Match=answer.headers["ETag"]).status_code == 304


def test_an_unknown_part_is_the_first_page(site: Site) -> None:
    assert "Scopes" in site.browser().get("/api?part=nonsense").text
