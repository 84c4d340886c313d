"""Uploading a measure through the form: what is stored, and what is refused with one sentence and no trace."""

import io
import zipfile
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from submissions.records import utc_now
from submissions.states import State
from tests.records import START
from tests.server.site import GOOD_MEASURE, Site

FORM = "/competitions/demo/main/submit"


def _stored_files(site: Site) -> int:
    """Uploads: the zoos have a folder of their own in the store."""
    return sum(path.is_file() for path in site.settings.store_folder.glob("??/*"))


def _zip(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "filename"),
    [(GOOD_MEASURE, "measure.py"), (_zip({"complexity.py": GOOD_MEASURE}), "measure.zip")],
)
def test_a_good_upload_is_queued_and_its_page_follows_it(site: Site, content: bytes, filename: str) -> None:
    site.phase()
    ann = site.browser("ann")
    answer = ann.post(FORM, {"name": "My <b>idea</b>", "file": (io.BytesIO(content), filename)}, form=FORM)
    assert (answer.status_code, answer.location) == (302, "/submissions/1")
    page = ann.get("/submissions/1").text
    assert "Received." in page
    assert "My &lt;b&gt;idea&lt;/b&gt;" in page
    assert "0 of 12" in page
    assert site.states() == [State.QUEUED]
    assert _stored_files(site) == 1
    assert "My &lt;b&gt;idea&lt;/b&gt;" in ann.get("/my/submissions").text


@pytest.mark.parametrize(
    ("content", "filename", "sentence"),
    [
        (b"", "measure.py", "is empty"),
        (b"\xff\xfe", "measure.py", "UTF-8"),
        (b"x = 1\ndef complexity(model, dataset:\n    pass\n", "measure.py", "line 2"),
        (b"x = 1\n", "measure.py", "complexity"),
        (GOOD_MEASURE, "measure.txt", "neither a .py nor a .zip"),
        (b"PK\x03\x04 nonsense", "measure.zip", "measure.zip"),
        (_zip({"../complexity.py": GOOD_MEASURE}), "measure.zip", "../complexity.py"),
        (_zip({"complexity.py": b"#" * 2**20}), "measure.zip", "complexity.py"),
    ],
)
def test_a_bad_upload_gets_a_sentence_on_the_form_and_leaves_no_trace(
    site: Site, content: bytes, filename: str, sentence: str
) -> None:
    site.phase()
    ann = site.browser("ann")
    answer = ann.post(FORM, {"name": "Kept name", "file": (io.BytesIO(content), filename)}, form=FORM)
    assert answer.status_code == 422
    error = answer.text.split('id="file-error"')[1].split("</p>")[0]
    assert sentence in error
    assert 'value="Kept name"' in answer.text
    assert (site.states(), _stored_files(site)) == ([], 0)


@pytest.mark.parametrize("excess_bytes", [1, 100_000, 3_000_000])
def test_a_too_large_upload_gets_its_sentence_on_the_form(make_site: Callable[..., Site], excess_bytes: int) -> None:
    site = make_site(upload_bytes=2**20)
    site.phase()
    content = GOOD_MEASURE + b"#" * (2**20 + excess_bytes - len(GOOD_MEASURE))
    ann = site.browser("ann")
    answer = ann.post(FORM, {"name": "big", "file": (io.BytesIO(content), "measure.py")}, form=FORM)
    assert answer.status_code in (413, 422)
    assert "is larger than 1 MiB, the most an upload may have" in answer.text
    assert 'id="file"' in answer.text
    assert (site.states(), _stored_files(site)) == ([], 0)


@pytest.mark.parametrize("name", ["", "   ", "\x00\n\t", "x" * 81])
def test_a_submission_needs_a_name_of_reasonable_length(site: Site, name: str) -> None:
    site.phase()
    answer = site.browser("ann").post(FORM, {"name": name, "file": (io.BytesIO(GOOD_MEASURE), "measure.py")}, form=FORM)
    assert answer.status_code == 422
    assert "name of 1 to 80 characters" in answer.text
    assert site.states() == []


def test_a_form_without_a_file_says_so(site: Site) -> None:
    site.phase()
    answer = site.browser("ann").post(FORM, {"name": "x", "file": (io.BytesIO(b""), "")}, form=FORM)
    assert answer.status_code == 422
    assert "Choose a .py or a .zip file." in answer.text


@pytest.mark.parametrize(
    ("dates", "sentence"),
    [
        ({"opens_at": utc_now() + timedelta(days=1)}, "This phase opens on"),
        ({"opens_at": START, "closes_at": START + timedelta(days=1)}, "This phase closed on"),
    ],
)
def test_outside_a_phases_dates_there_is_no_form_and_no_way_around_it(
    site: Site, dates: dict[str, Any], sentence: str
) -> None:
    site.phase(**dates)
    ann = site.browser("ann")
    page = ann.get(FORM).text
    assert sentence in page
    assert 'type="file"' not in page
    answer = ann.post(FORM, {"name": "x", "file": (io.BytesIO(GOOD_MEASURE), "measure.py")})
    assert answer.status_code == 422
    assert sentence in answer.text
    assert (site.states(), _stored_files(site)) == ([], 0)


def test_the_form_counts_the_quota_down_and_refuses_when_it_is_taken(site: Site) -> None:
    site.phase(daily_quota=1)
    ann = site.browser("ann")
    form = ann.get(FORM).text
    assert "1 of 1 submissions left" in form
    assert "first tried on 2 networks of Digits mlp: a failure there spends none" in form
    upload = {"name": "x", "file": (io.BytesIO(GOOD_MEASURE), "measure.py")}
    assert ann.post(FORM, upload, form=FORM).status_code == 302
    refused = ann.post(FORM, {"name": "y", "file": (io.BytesIO(GOOD_MEASURE), "measure.py")})
    assert refused.status_code == 422
    assert "Your 1 submissions of the last 24 hours in this phase are taken: 0 used, 1 not begun yet." in refused.text
    assert "1 of 1 submissions left" in site.browser("bob").get(FORM).text
    assert len(site.states()) == 1
