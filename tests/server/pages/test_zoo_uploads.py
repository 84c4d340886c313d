"""Uploading a zoo in pieces: it arrives as it was sent, goes on where it stopped, and belongs to whoever began it."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from sqlalchemy import select
from werkzeug.test import TestResponse

from server.forms.zoo_fields import PIECE_BYTES
from submissions.people.accounts import create_organizer
from submissions.storage.records import JobKind, ZooJobRecord, ZooUploadRecord
from submissions.zoos.uploads import uploaded_file
from tests.records import PASSWORD
from tests.server.site import Browser, Site

CONTENT = bytes(range(256)) * 40


@dataclass
class Sender:
    """What upload.js does, step by step."""

    browser: Browser
    token: str

    def begin(self, content: bytes = CONTENT, *, name: str = "digits.zip", size: int | None = None) -> TestResponse:
        head = hashlib.sha256(content[: 2**20]).hexdigest()
        fields = {"filename": name, "bytes": len(content) if size is None else size, "head_sha256": head}
        return self.browser.client.post("/organizer/zoos/uploads", data=fields, headers={"X-CSRFToken": self.token})

    def send(self, location: str, offset: int | str, piece: bytes) -> TestResponse:
        headers = {"X-CSRFToken": self.token, "Content-Type": "application/octet-stream"}
        return self.browser.client.post(f"{location}?offset={offset}", data=piece, headers=headers)

    def finish(self, location: str) -> TestResponse:
        return self.browser.client.post(f"{location}/finish", headers={"X-CSRFToken": self.token})


def sender(site: Site, name: str = "olga") -> Sender:
    browser = site.browser(name)
    return Sender(browser, browser.token())


def test_pieces_arrive_as_the_file_that_was_sent_and_become_a_job(site: Site) -> None:
    olga = sender(site)
    begun = olga.begin().get_json()
    assert (begun["received"], begun["piece_bytes"]) == (0, PIECE_BYTES)
    for offset in range(0, len(CONTENT), 3000):
        answer = olga.send(begun["location"], offset, CONTENT[offset : offset + 3000])
        assert answer.get_json() == {"received": min(offset + 3000, len(CONTENT))}
    location = olga.finish(begun["location"]).get_json()["location"]
    assert "Upload of digits.zip" in olga.browser.get(location).text
    with site.db.read() as session:
        (job,) = session.scalars(select(ZooJobRecord)).all()
    assert (job.kind, job.user_id) == (JobKind.UPLOAD, site.olga)
    assert uploaded_file(site.db, site.settings, job.arguments["upload"]).read_bytes() == CONTENT


def test_the_same_file_goes_on_where_it_stopped_and_another_begins_anew(site: Site) -> None:
    olga = sender(site)
    location = olga.begin().get_json()["location"]
    olga.send(location, 0, CONTENT[:4000])
    again = olga.begin().get_json()
    assert (again["location"], again["received"]) == (location, 4000)
    for other in (olga.begin(name="other.zip"), olga.begin(CONTENT[::-1]), olga.begin(CONTENT + b"x")):
        assert other.get_json()["received"] == 0
        assert other.get_json()["location"] != location
    assert "digits.zip: 3.906 KiB of 10 KiB received" in olga.browser.get("/organizer/zoos/").text


def test_a_piece_at_the_wrong_place_is_told_the_right_one(site: Site) -> None:
    olga = sender(site)
    location = olga.begin().get_json()["location"]
    olga.send(location, 0, CONTENT[:4000])
    for offset in (0, 3999, 4001):
        answer = olga.send(location, offset, b"x")
        assert (answer.status_code, answer.get_json()) == (409, {"received": 4000})
    assert olga.send(location, 4000, CONTENT[4000:]).get_json() == {"received": len(CONTENT)}


def test_a_piece_that_is_too_large_is_refused_before_it_is_read(site: Site) -> None:
    olga = sender(site)
    location = olga.begin(size=100 * 2**20).get_json()["location"]
    assert olga.send(location, 0, bytes(PIECE_BYTES + 1)).status_code == 413
    assert olga.send(location, 0, bytes(PIECE_BYTES)).get_json() == {"received": PIECE_BYTES}


def test_a_piece_may_be_larger_than_a_measure(make_site: Callable[..., Site]) -> None:
    olga = sender(make_site(upload_bytes=1000))
    location = olga.begin(size=10**6).get_json()["location"]
    assert olga.send(location, 0, bytes(10**5)).get_json() == {"received": 10**5}


@pytest.mark.parametrize("offset", ["", "-1", "one", "1.5", "9" * 16, "١"])
def test_an_offset_that_is_no_number_is_refused(site: Site, offset: str) -> None:
    olga = sender(site)
    assert olga.send(olga.begin().get_json()["location"], offset, b"x").status_code == 422


def test_what_is_too_large_empty_or_longer_than_announced_is_refused(make_site: Callable[..., Site]) -> None:
    olga = sender(make_site(zoo_upload_bytes=5000))
    for size in (0, 5001):
        refused = olga.begin(size=size)
        assert refused.status_code == 422
        assert "A zoo's archive may have up to" in refused.get_json()["error"]
    location = olga.begin(CONTENT[:5000]).get_json()["location"]
    assert olga.send(location, 0, CONTENT[:5001]).status_code == 422
    assert olga.finish(location).status_code == 422


def test_an_upload_exists_for_whoever_began_it_alone(site: Site) -> None:
    location = sender(site).begin().get_json()["location"]
    create_organizer(site.db, "otto", PASSWORD)
    otto = sender(site, "otto")
    assert "digits.zip" not in otto.browser.get("/organizer/zoos/").text
    assert otto.send(location, 0, CONTENT).status_code == 422
    assert otto.finish(location).status_code == 422
    assert otto.begin().get_json()["location"] != location


def test_finishing_twice_leads_to_the_same_job(site: Site) -> None:
    olga = sender(site)
    location = olga.begin().get_json()["location"]
    olga.send(location, 0, CONTENT)
    first, second = (olga.finish(location).get_json()["location"] for _ in range(2))
    assert first == second
    with site.db.read() as session:
        assert len(session.scalars(select(ZooUploadRecord)).all()) == 1
        assert len(session.scalars(select(ZooJobRecord)).all()) == 1


@pytest.mark.parametrize("name", ["x", "..%2f..%2f..%2f..%2fsecret_key", "%00" * 43])
def test_an_address_that_no_upload_has_is_a_404(site: Site, name: str) -> None:
    assert sender(site).send(f"/organizer/zoos/uploads/{name}", 0, b"x").status_code == 404
