"""Compressed responses: the same content, to those who accept it; of random length, and with secrets that differ."""

import gzip
import re

import pytest

from server.http.csrf import unmasked
from server.pages.site.static import FOLDER
from tests.server.site import Site

BOARD = "/competitions/demo/main/leaderboard"
GZIP = {"Accept-Encoding": "gzip, deflate, br"}


@pytest.fixture
def board(site: Site) -> str:
    site.submission(site.phase(), site.ann, cmi=(0.1, 0.2))
    return BOARD


def test_a_page_is_the_same_compressed_and_not(site: Site, board: str) -> None:
    browser = site.browser()
    plain, packed = browser.get(board), browser.client.get(board, headers=GZIP)
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == plain.data
    assert len(packed.data) < len(plain.data) / 2
    for answer in (plain, packed):
        assert {"Cookie", "Accept-Encoding"} <= {
            one.strip() for one in ",".join(answer.headers.getlist("Vary")).split(",")
        }
        assert answer.headers["Cache-Control"].startswith("private")


@pytest.mark.parametrize("refusal", ["gzip;q=0", "identity", "br"])
def test_who_refuses_gzip_gets_none(site: Site, board: str, refusal: str) -> None:
    assert "Content-Encoding" not in site.browser().get(board, Accept_Encoding=refusal).headers


def test_a_compressed_page_that_has_not_changed_is_a_304(site: Site, board: str) -> None:
    client = site.browser("ann").client
    first = client.get(board, headers=GZIP)
    assert first.headers["ETag"].startswith("W/")
    again = client.get(board, headers=GZIP | {"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]


def test_lengths_are_random(site: Site, board: str) -> None:
    client = site.browser().client
    assert len({len(client.get(board, headers=GZIP).data) for _ in range(20)}) > 3


def test_short_answers_are_left_alone(site: Site) -> None:
    assert "Content-Encoding" not in site.browser().client.get("/healthz", headers=GZIP).headers


def test_no_two_pages_have_the_same_token_and_each_of_them_works(site: Site) -> None:
    ann = site.browser("ann")
    tokens = [token for _ in range(3) for token in re.findall(r'name="csrf_token" value="([^"]+)"', ann.get("/").text)]
    assert len(set(tokens)) == len(tokens) >= 3
    assert len({unmasked(token) for token in tokens}) == 1
    for token in tokens:
        for place in range(0, len(token) - 12, 12):
            assert sum(token[place : place + 12] in other for other in tokens) == 1
    assert ann.client.post("/logout", data={"csrf_token": tokens[0]}).status_code == 302


@pytest.mark.parametrize("token", ["", "x", "AAAA", "é", "....", "AAA=", None])
def test_a_wrong_token_is_refused(site: Site, token: str | None) -> None:
    ann = site.browser("ann")
    ann.get("/")
    assert ann.client.post("/logout", data={} if token is None else {"csrf_token": token}).status_code == 400


def test_static_files_are_compressed_and_what_they_were(site: Site) -> None:
    client = site.browser().client
    for name in ("charts.js", "vendor/vega.min.js", "logo.svg", "results.css"):
        packed = client.get(f"/static/{name}", headers=GZIP)
        assert packed.headers["Content-Encoding"] == "gzip"
        assert "Accept-Encoding" in packed.headers["Vary"]
        assert gzip.decompress(packed.data) == (FOLDER / name).read_bytes()
        assert client.get(f"/static/{name}").data == (FOLDER / name).read_bytes()
    font = "vendor/newsreader-latin-500-normal.woff2"
    assert "Content-Encoding" not in client.get(f"/static/{font}", headers=GZIP).headers


def test_whatever_a_page_or_style_sheet_names_is_kept_for_good(site: Site) -> None:
    client = site.browser().client
    page = client.get("/").text
    style = client.get("/static/app.css").text
    named = re.findall(r'(?:href|src)="(/static/[^"]+)"', page)
    named += [f"/static/{font}" for font in re.findall(r'url\("([^"]+)"\)', style)]
    assert len(named) >= 8
    for address in named:
        answer = client.get(address)
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable", address
        assert client.get(address, headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304


@pytest.mark.parametrize("name", ["../app.py", "..%2fapp.py", "vendor", "nothing.css", "vendor/../../app.py"])
def test_nothing_else_is_a_static_file(site: Site, name: str) -> None:
    assert site.browser().client.get(f"/static/{name}").status_code == 404
