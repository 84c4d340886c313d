"""Help pages: every page of the documentation is served, its links and pictures lead somewhere on the site."""

import re

import pytest

from server.presentation.help_pages import FOLDER, help_names, slug
from tests.server.site import Browser, Site


@pytest.fixture
def visitor(site: Site) -> Browser:
    return site.browser()


def test_every_page_of_the_documentation_is_served(visitor: Browser) -> None:
    written = {path.stem for path in FOLDER.glob("*.md")}
    assert written <= help_names()
    for name in help_names():
        answer = visitor.get(f"/help/{name}")
        assert answer.status_code == 200
        assert len(re.findall(r"<h1[ >]", answer.text)) == 1
        assert " style=" not in answer.text  # the content security policy refuses it


def test_every_link_and_picture_of_a_help_page_leads_somewhere(visitor: Browser) -> None:
    for name in sorted(help_names()):
        body = re.search(r'<article class="help">(.*)</article>', visitor.get(f"/help/{name}").text, re.DOTALL)
        assert body is not None
        for target in set(re.findall(r'(?:href|src)="(/[^"#]*)', body[1])):
            assert visitor.get(target).status_code == 200, f"{name} links to {target}"
        assert not re.findall(r'href="[^/#h]', body[1]), f"{name} has a link that is led nowhere"


def test_an_anchor_is_where_links_expect_it(visitor: Browser) -> None:
    assert f'id="{slug("Failure reasons")}"' in visitor.get("/help/measure-api").text


@pytest.mark.parametrize("path", ["/help/none", "/help/../README", "/help/%2e%2e/README", "/help/images/none.png"])
def test_what_is_no_page_is_not_found(visitor: Browser, path: str) -> None:
    assert visitor.get(path).status_code == 404


def test_the_index_is_the_first_page(visitor: Browser) -> None:
    assert "/help/participant" in visitor.get("/help/").text
