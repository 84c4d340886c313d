"""Uploading a measure through the form: what is stored, and what is refused with one sentence and no trace."""

import hashlib
import html
import io
import zipfile
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from werkzeug.test import TestResponse

from server.config import EXTENSION
from submissions.intake import upload_reader
from submissions.storage.records import SubmissionRecord, utc_now
from submissions.storage.states import State
from tests.records import START
from tests.server.site import GOOD_MEASURE, Site

FORM = "/competitions/demo/main/submit"


def _stored_files(site: Site) -> int:
    """Uploads, without their unpacked forms: the zoos have a folder of their own in the store."""
    return sum(path.is_file() and not path.suffix for path in site.settings.store_folder.glob("??/*"))


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
    assert "Received. This page follows your measure." in page
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
    assert "Choose a .py or a .zip file, or write the measure in the editor." in answer.text


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
    assert "first tried on 2 networks of Digits mlp: a failure there spends no quota" in form
    upload = {"name": "x", "file": (io.BytesIO(GOOD_MEASURE), "measure.py")}
    assert ann.post(FORM, upload, form=FORM).status_code == 302
    refused = ann.post(FORM, {"name": "y", "file": (io.BytesIO(GOOD_MEASURE), "measure.py")})
    assert refused.status_code == 422
    assert (
        "Your 1 submissions of the last 24 hours in this phase are used or reserved: 0 used, 1 waiting." in refused.text
    )
    assert "1 of 1 submissions left" in site.browser("bob").get(FORM).text
    assert len(site.states()) == 1


BROKEN = "x = 1\ndef complexity(model, dataset:\n    pass\n"


def only(site: Site) -> SubmissionRecord:
    """The one submission there is."""
    with site.db.read() as session:
        return session.scalars(select(SubmissionRecord)).one()


def sent(site: Site, **fields: object) -> TestResponse:
    return site.browser("ann").post(FORM, {"name": "x", "code": GOOD_MEASURE.decode(), **fields}, form=FORM)


def unescaped(answer: TestResponse) -> str:
    return html.unescape(answer.text)


def test_what_is_written_in_the_editor_is_a_submission(site: Site) -> None:
    site.phase()
    answer = sent(site, code=GOOD_MEASURE.decode().replace("\n", "\r\n"), filename="norms.py")
    assert answer.status_code == 302
    assert only(site).filename == "norms.py"
    assert site.app.extensions[EXTENSION].store.get(only(site).bundle_sha256) == GOOD_MEASURE


@pytest.mark.parametrize("filename", ["", "evil.zip", "../../up.py", "a\nb.py"])
def test_code_from_the_editor_has_a_plain_file_name_whatever_is_sent(site: Site, filename: str) -> None:
    site.phase()
    assert sent(site, filename=filename).status_code == 302
    assert only(site).filename in ("complexity.py", "up.py", "a b.py")


def test_a_chosen_file_goes_before_the_text(site: Site) -> None:
    site.phase()
    assert sent(site, code=BROKEN, file=(io.BytesIO(GOOD_MEASURE), "measure.py")).status_code == 302
    assert only(site).filename == "measure.py"


def test_everything_that_was_typed_is_there_after_an_error(site: Site) -> None:
    site.phase()
    typed = {
        "name": "A <name>",
        "code": BROKEN + "# </textarea><script>\n",
        "filename": "mine.py",
        "description": "Two\n\nparagraphs & more",
        "link": "https://example.org/?a=1&b=2",
        "alias": "Moriarty",
        "track": "extended",
    }
    answer = sent(site, **typed)
    assert answer.status_code == 422
    assert "</textarea><script>" not in answer.text
    page = unescaped(answer)
    assert "mine.py, line 2: '(' was never closed." in page
    for text in typed.values():
        assert text in page
    assert '<option value="extended" selected>' in page
    assert '<details class="more" open>' in page
    assert (site.states(), _stored_files(site)) == ([], 0)


def test_all_faults_are_told_at_once(site: Site) -> None:
    site.phase()
    page = unescaped(sent(site, name="", code=BROKEN, link="javascript:alert(1)", description="x" * 2001))
    assert "4 things need correcting" in page
    for sentence in ("Give the submission a name", "line 2: '(' was never closed.", "https://", "2001 characters"):
        assert sentence in page


def test_the_text_of_a_faulty_file_is_in_the_editor_to_be_mended(site: Site) -> None:
    site.phase()
    answer = sent(site, code="", file=(io.BytesIO(BROKEN.encode()), "mine.py"))
    assert answer.status_code == 422
    assert f">\n{BROKEN}</textarea>" in answer.text
    assert 'name="filename" value="mine.py"' in answer.text


def test_what_is_said_of_a_submission_is_on_its_page(site: Site) -> None:
    site.phase()
    sent(site, description="It counts <weights>.", link="https://example.org/paper", alias="Moriarty")
    assert (only(site).description, only(site).alias) == ("It counts <weights>.", "Moriarty")
    assert only(site).link == "https://example.org/paper"


def test_a_submission_may_not_bear_another_persons_name(site: Site) -> None:
    site.phase()
    answer = sent(site, alias="BOB")
    assert answer.status_code == 422
    assert "BOB is the name of somebody else here" in answer.text
    assert GOOD_MEASURE.decode() in unescaped(answer)


def test_a_track_other_than_the_codes_is_an_error(site: Site) -> None:
    site.phase()
    answer = sent(site, track="extended")
    assert answer.status_code == 422
    assert "The code belongs to the standard track, but the form says extended" in answer.text
    assert sent(site, track="standard").status_code == 302


def test_a_refusal_by_the_phase_loses_nothing(site: Site) -> None:
    site.phase(daily_quota=1)
    ann = site.browser("ann")
    fields = {"name": "x", "code": GOOD_MEASURE.decode()}
    assert ann.post(FORM, fields, form=FORM).status_code == 302
    answer = ann.post(FORM, fields)
    assert answer.status_code == 422
    assert "Wait for these, or cancel one." in answer.text
    assert GOOD_MEASURE.decode() in unescaped(answer)


def checked(site: Site, **fields: object) -> TestResponse:
    answer = site.browser("ann").post(f"{FORM}/check", fields, form=FORM)
    assert answer.status_code == 200
    return answer


def test_the_check_tells_line_text_and_what_to_do_and_stores_nothing(site: Site) -> None:
    site.phase()
    answer = checked(site, code=BROKEN)
    assert 'data-line="2"' in answer.text
    page = unescaped(answer)
    assert "complexity.py, line 2: '(' was never closed." in page
    assert "def complexity(model, dataset:" in page
    assert "Correct this line, or the one before it." in page
    assert "<html" not in page
    assert (site.states(), _stored_files(site)) == ([], 0)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"code": "x = 1\n"}, "defines no function complexity(model, dataset) at its top level."),
        ({"code": "def complexity(model):\n    pass\n"}, "line 1: complexity must be callable"),
        ({"code": ""}, "Choose a .py or a .zip file"),
        ({"code": "\0"}, "line 1: a null byte"),
        ({"code": GOOD_MEASURE.decode(), "track": "extended"}, "The code belongs to the standard track"),
    ],
)
def test_the_check_finds_what_the_form_would_refuse(site: Site, fields: dict[str, str], sentence: str) -> None:
    site.phase()
    assert sentence in unescaped(checked(site, **fields))
    assert sentence in unescaped(sent(site, **fields))


@pytest.mark.parametrize(
    ("content", "filename", "sentence"),
    [
        (GOOD_MEASURE, "m.py", "Track: standard."),
        (_zip({"complexity.py": GOOD_MEASURE}), "m.zip", "Track: standard."),
        (_zip({"complexity.py": GOOD_MEASURE, "b.py": b"(\n"}), "m.zip", "b.py, line 1"),
        (b"\xff\xfe", "m.py", "UTF-8"),
    ],
)
def test_the_check_reads_files_too(site: Site, content: bytes, filename: str, sentence: str) -> None:
    site.phase()
    assert sentence in unescaped(checked(site, file=(io.BytesIO(content), filename)))
    assert _stored_files(site) == 0


def test_a_measure_that_takes_too_long_to_parse_is_refused_with_everything_typed(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload_reader, "CPU_S", 1)
    monkeypatch.setattr(upload_reader, "WALL_S", 100.0)
    site.phase()
    slow = b"f'" + b"{a}" * 80_000 + b"'\n" + GOOD_MEASURE
    answer = sent(site, name="Slow", file=(io.BytesIO(slow), "slow.py"))
    assert answer.status_code == 422
    assert "slow.py could not be read within 1 s of processor time" in answer.text
    assert 'value="Slow"' in answer.text
    assert (site.states(), _stored_files(site)) == ([], 0)


def test_a_server_that_is_too_busy_to_read_a_measure_keeps_everything_typed(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload_reader, "WALL_S", 0.001)
    site.phase()
    answer = sent(site, name="Mine", code=GOOD_MEASURE.decode())
    assert answer.status_code == 503
    assert "too busy to check this upload" in answer.text
    assert 'value="Mine"' in answer.text
    assert GOOD_MEASURE.decode() in unescaped(answer)
    fields = {"code": GOOD_MEASURE.decode()}
    assert site.browser("ann").post(f"{FORM}/check", fields, form=FORM).status_code == 503


def test_after_the_upload_no_page_reads_it_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.phase()
    uploaded(site, _zip({"complexity.py": GOOD_MEASURE, "b.txt": b"second file"}), "mine.zip")
    monkeypatch.setattr(upload_reader, "_COMMAND", ("false",))
    page = site.browser("ann").get("/submissions/1/code").text
    assert "second file" in page
    assert sent(site, code="", parent="1", confirmed="1").status_code == 302


def uploaded(site: Site, content: bytes, filename: str, **fields: object) -> None:
    answer = sent(site, code="", file=(io.BytesIO(content), filename), **fields)
    assert answer.status_code == 302, answer.text


def test_a_submission_can_be_sent_once_more_with_its_code_in_the_editor(site: Site) -> None:
    site.phase()
    uploaded(site, GOOD_MEASURE, "mine.py", description="First.", link="https://example.org/", alias="M")
    page = unescaped(site.browser("ann").get(f"{FORM}?from=1"))
    assert GOOD_MEASURE.decode() in page
    for text in ("First.", "https://example.org/", 'value="M"', 'value="mine.py"', "Resubmit a measure"):
        assert text in page
    answer = sent(site, code=GOOD_MEASURE.decode() + "# better\n", parent="1")
    assert (answer.status_code, answer.location) == (302, "/submissions/2")
    with site.db.read() as session:
        assert session.get_one(SubmissionRecord, 2).parent_id == 1


def test_an_archive_is_sent_once_more_as_it_is_or_replaced(site: Site) -> None:
    site.phase()
    archive = _zip({"complexity.py": GOOD_MEASURE, "b.py": b""})
    uploaded(site, archive, "mine.zip")
    page = site.browser("ann").get(f"{FORM}?from=1").text
    assert "without either, mine.zip of submission 1 is sent unchanged" in page
    assert "Track: standard." in checked(site, code="", parent="1").text
    assert sent(site, code="", parent="1", confirmed="1").status_code == 302
    assert sent(site, parent="1").status_code == 302
    with site.db.read() as session:
        again, replaced = (session.get_one(SubmissionRecord, number) for number in (2, 3))
    assert (again.filename, again.bundle_sha256) == ("mine.zip", hashlib.sha256(archive).hexdigest())
    assert (replaced.filename, replaced.parent_id) == ("complexity.py", 1)


def test_nobody_resubmits_what_is_not_theirs(site: Site) -> None:
    site.phase()
    uploaded(site, _zip({"complexity.py": b"# secret\n" + GOOD_MEASURE}), "theirs.zip")
    bob = site.browser("bob")
    assert bob.get(f"{FORM}?from=1").status_code == 404
    assert bob.get(f"{FORM}?from=99").status_code == 404
    answer = bob.post(FORM, {"name": "x", "code": "", "parent": "1"}, form=FORM)
    assert answer.status_code == 422
    assert "theirs.zip" not in answer.text
    assert bob.post(FORM, {"name": "x", "code": GOOD_MEASURE.decode(), "parent": "1"}).status_code == 302
    with site.db.read() as session:
        assert session.get_one(SubmissionRecord, 2).parent_id is None
