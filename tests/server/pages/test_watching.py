"""A submission's page while it waits and runs: place and time, layers, polls; its code and the line that failed."""

import io
import re
from datetime import timedelta

import pytest

from server.presentation.eta_sentences import about, elapsed, eta_sentence
from submissions.evaluation import workers
from submissions.evaluation.eta import Estimate
from submissions.storage.records import (
    PhaseRecord,
    Purpose,
    SubmissionRecord,
    TeamMemberRecord,
    TeamRecord,
    utc_now,
)
from submissions.storage.states import Reason, State
from tests.factories import zip_of
from tests.records import START
from tests.server.pages.test_submission_page import read
from tests.server.site import GOOD_MEASURE, Browser, Site

FORM = "/competitions/demo/main/submit"
FAILS = b"# <i>mine</i>\nSECRET = 'the constant'\n\n\ndef complexity(model, dataset):\n    return 1 / 0\n"


def upload(browser: Browser, content: bytes = GOOD_MEASURE, filename: str = "measure.py", **fields: object) -> int:
    """The id of a submission that was uploaded through the form."""
    sent = {"name": "A measure", "file": (io.BytesIO(content), filename), **fields}
    answer = browser.post(FORM, sent, form=FORM)
    assert answer.status_code == 302, answer.text
    return int(answer.location.rpartition("/")[2])


def test_a_waiting_submission_tells_its_place_and_that_no_worker_is_up(site: Site) -> None:
    site.phase(smoke_networks=0)
    ann, bob = site.browser("ann"), site.browser("bob")
    first, second = upload(ann), upload(bob, GOOD_MEASURE + b"#")
    assert "Waiting for" in read(site, first)
    assert "Place 1 in the queue. No worker is running now;" in read(site, first)
    assert "Place 2 in the queue." in read(site, second)


def test_with_a_worker_and_earlier_values_the_page_tells_how_long_it_takes(site: Site) -> None:
    phase = site.phase(smoke_networks=0)
    site.submission(phase, site.bob, cmi=(0.1, 0.2))  # 0.25 s for each network
    workers.enter(site.db, "host/1", slots=1, backend="bubblewrap", layers={}, refusal=None)
    waiting = upload(site.browser("ann"))
    assert "Place 1 in the queue. It starts in a few seconds and takes a few seconds." in read(site, waiting)
    site.begin(waiting, State.RUNNING)
    with site.db.write() as session:
        record = session.get_one(SubmissionRecord, waiting)
        record.state, record.spends_quota = State.RUNNING, True
    assert "ago. A few seconds left." in read(site, waiting)


UNKNOWN = "The time can be estimated once a network of a public zoo is done."


@pytest.mark.parametrize(
    ("estimate", "sentence"),
    [
        (
            Estimate(3, 100.0, 700.0, False, 2),
            "Place 3 in the queue. It starts in about 1–2 min and is scored in about 8–18 min.",
        ),
        (
            Estimate(1, 0.0, 200.0, False, 2),
            "Place 1 in the queue. It starts in a few seconds and takes about 2–5 min.",
        ),
        (Estimate(None, 0.0, 200.0, False, 2), "About 2–5 min left."),
        (Estimate(None, None, None, False, 2), UNKNOWN),
        (Estimate(2, None, None, False, 2), f"Place 2 in the queue. {UNKNOWN}"),
        (
            Estimate(2, None, None, False, 0),
            "Place 2 in the queue. No worker is running now; the submission continues as soon as one is.",
        ),
        (
            Estimate(1001, 9000.0, 9030.0, True, 1),
            "At least 1000 submissions wait before it. It starts in more than 2 h and is scored in more than 2 h.",
        ),
    ],
)
def test_an_estimate_reads_as_a_sentence(estimate: Estimate, sentence: str) -> None:
    assert eta_sentence(estimate) == sentence


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "a few seconds"),
        (14.9, "a few seconds"),
        (20.0, "about 10–30 s"),
        (44.0, "about 30–70 s"),
        (90.0, "about 1–2 min"),
        (3600.0, "about 1–2 h"),
        (2.5 * 3600, "about 2–4 h"),
        (72 * 3600, "about 2–4 days"),
    ],
)
def test_a_duration_is_told_as_a_rough_range(seconds: float, words: str) -> None:
    assert about(seconds) == words


@pytest.mark.parametrize(
    ("ago", "words"), [(5, "5 s"), (65, "1 min 5 s"), (3600, "1 h 0 min"), (-20, "0 s"), (90_000, "1 d 1 h")]
)
def test_what_has_passed_is_told_as_people_count(ago: int, words: str) -> None:
    assert elapsed(utc_now() - timedelta(seconds=ago, milliseconds=100 if ago > 0 else 0)) == words


def test_the_layers_of_the_sandbox_are_told_where_it_ran(site: Site) -> None:
    submission = site.submission(site.phase(), done=3)
    assert "Sandbox:" not in read(site, submission, None)
    with site.db.write() as session:
        session.get_one(SubmissionRecord, submission).evaluations[0].layers = {"seccomp": True, "dedicated_user": False}
    told = read(site, submission, None)
    assert "Sandbox: 1 of 2 layers of protection were active where it ran." in told
    assert "dedicated user not active" in told


def polled(browser: Browser, submission: int, etag: str | None = None) -> tuple[int, str]:
    answer = browser.get(
        f"/submissions/{submission}/status", HX_Request="true", **({"If_None_Match": etag} if etag else {})
    )
    return answer.status_code, answer.headers["ETag"]


def test_whatever_changes_on_a_page_changes_its_etag(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.pages.submission.submission.BEAT_S", 10**10)
    submission = site.submission(site.phase())
    site.smoke(submission, State.QUEUED)
    visitor = site.browser()
    seen = [polled(visitor, submission)[1]]

    def changed() -> bool:
        status, etag = polled(visitor, submission, seen[-1])
        seen.append(etag)
        return status == 200

    assert not changed()
    with site.db.write() as session:
        record = session.get_one(SubmissionRecord, submission)
        next(one for one in record.evaluations if one.purpose is Purpose.SMOKE).state = State.RUNNING
    assert changed()
    site.end_smoke(submission)
    assert changed()
    site.begin(submission, State.RUNNING)
    assert changed()
    site.add_values(submission, 1)
    assert changed()
    assert not changed()
    site.end(submission, (0.1, 0.2))
    assert changed()
    assert len(set(seen)) == len(seen) - 2


def test_an_estimate_is_made_anew_every_few_seconds(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    submission = site.submission(site.phase(), done=3)
    monkeypatch.setattr("server.pages.submission.submission.BEAT_S", 10**10)
    _, first = polled(site.browser(), submission)
    monkeypatch.setattr("server.pages.submission.submission.BEAT_S", 10**9)
    assert polled(site.browser(), submission, first)[0] == 200


@pytest.mark.parametrize("kind", ["ladder", "frozen"])
def test_the_polled_part_hides_scores_as_the_page_does(site: Site, kind: str) -> None:
    fields = {"uses_ladder": True} if kind == "ladder" else {"freezes_at": START}
    submission = site.submission(site.phase(**fields), cmi=(0.123456, 0.3))
    with site.db.write() as session:
        session.get_one(SubmissionRecord, submission).shown_score = 20.0
    for part in ("", "/status"):
        told = read(site, submission, "bob", part)
        for secret in ("12.35", "+0.351", "21.17"):
            assert secret not in told
        assert "12.35" in read(site, submission, "olga", part)
    assert ("20 score" in read(site, submission, "ann")) == (kind == "ladder")
    assert ("12.35" in read(site, submission, "ann")) == (kind == "frozen")


def test_the_author_reads_the_line_that_failed_and_nobody_else_does(site: Site) -> None:
    site.phase(smoke_networks=0)
    submission = upload(site.browser("ann"), FAILS)
    with site.db.write() as session:
        record = session.get_one(SubmissionRecord, submission)
        record.state, record.reason = State.FAILED, Reason.RAISED
    site.failure(submission, 3, detail="ZeroDivisionError at complexity.py line 6")
    page = site.browser("ann").get(f"/submissions/{submission}").text
    assert '<code class="failing"><span class="line-number">6</span>    return 1 / 0' in page
    assert '<span class="line-number">3</span>' in page
    assert "the constant" not in page  # more than three lines away
    for name in (None, "bob"):
        assert "return 1 / 0" not in site.browser(name).get(f"/submissions/{submission}").text
    assert "return 1 / 0" in site.browser("olga").get(f"/submissions/{submission}").text


def test_a_failure_is_told_also_where_the_code_is_gone(site: Site) -> None:
    submission = site.submission(site.phase(), reason=Reason.RAISED)
    site.failure(submission, 3)
    told = read(site, submission, "ann", "")
    assert "ValueError at complexity.py line 3" in told
    assert "Your code" not in told


def test_the_code_can_be_read_and_downloaded_by_those_whose_it_is(site: Site) -> None:
    phase = site.phase()
    submission = upload(site.browser("ann"), FAILS, "mine.py")
    page = site.browser("ann").get(f"/submissions/{submission}/code")
    assert "# &lt;i&gt;mine&lt;/i&gt;" in page.text
    file = site.browser("ann").get(f"/submissions/{submission}/code/download")
    assert file.data == FAILS
    assert file.headers["Content-Disposition"] == "attachment; filename=mine.py"
    assert file.headers["Content-Type"] == "application/octet-stream"
    assert "no-store" in file.headers["Cache-Control"]
    assert site.browser("bob").get(f"/submissions/{submission}/code").status_code == 403
    with site.db.write() as session:  # bob joins, and the submission is the team's
        competition_id = session.get_one(PhaseRecord, phase).competition_id
        team = TeamRecord(competition_id=competition_id, name="Norms", name_key="norms", invite_key="k" * 43)
        session.add(team)
        session.flush()
        session.add(TeamMemberRecord(team_id=team.id, user_id=site.bob, competition_id=competition_id))
        session.get_one(SubmissionRecord, submission).team_id = team.id
    assert site.browser("bob").get(f"/submissions/{submission}/code").status_code == 200


def test_the_code_of_an_archive_is_shown_file_by_file(site: Site) -> None:
    site.phase()
    content = zip_of({"complexity.py": GOOD_MEASURE, "notes.txt": b"a <note>", "table.bin": b"\0\1"})
    submission = upload(site.browser("ann"), content, "mine.zip")
    page = site.browser("ann").get(f"/submissions/{submission}/code").text
    assert page.count("data-editor") == 1
    assert "a &lt;note&gt;" in page
    assert "Not shown: it is not text, or too long." in page
    assert site.browser("ann").get(f"/submissions/{submission}/code/download").data == content


def test_code_that_is_gone_is_told_kindly(site: Site) -> None:
    submission = site.submission(site.phase())
    ann = site.browser("ann")
    assert "The uploaded code cannot be read" in ann.get(f"/submissions/{submission}/code").text
    assert ann.get(f"/submissions/{submission}/code/download").status_code == 404


def test_what_an_author_says_is_text_on_the_page_and_a_link_without_credit(site: Site) -> None:
    site.phase()
    evil = "<script>alert(1)</script>"
    submission = upload(
        site.browser("ann"), description=f"First.\n\n{evil}", link="https://example.org/?a=1&b='2'", alias="Moriarty"
    )
    page = site.browser().get(f"/submissions/{submission}").text
    assert evil not in page
    assert "<p>First.</p>" in page
    assert 'rel="nofollow noopener ugc"' in page
    assert "by Moriarty" in page
    assert "by ann" not in page
    own = read(site, submission, "ann", "")
    assert "by ann, shown as Moriarty" in own


def test_a_resubmission_says_so_to_its_owners(site: Site) -> None:
    site.phase()
    ann = site.browser("ann")
    first = upload(ann)
    assert f"{FORM}?from={first}" in ann.get(f"/submissions/{first}").text
    second = upload(ann, GOOD_MEASURE + b"#", parent=str(first))
    assert f"Resubmitted from submission {first}" in read(site, second, "ann", "")
    assert "Resubmitted" not in read(site, second, "bob", "")
    assert "?from=" not in site.browser("bob").get(f"/submissions/{first}").text


def test_after_its_phase_has_closed_it_is_resubmitted_to_an_open_one(site: Site) -> None:
    closed = site.submission(site.phase(closes_at=START + timedelta(days=1)), cmi=(0.1, 0.2))
    ann = site.browser("ann")
    assert "Resubmit" not in ann.get(f"/submissions/{closed}").text
    site.phase("next")
    page = ann.get(f"/submissions/{closed}").text
    assert "/competitions/demo/next/submit?from=" in page
    assert "Resubmit to Next phase" in page


def test_the_own_list_is_filtered_paged_and_acted_on(site: Site) -> None:
    phase, other = site.phase(), site.phase("next")
    scored = [site.submission(phase, site.ann, cmi=(0.1, 0.2), name=f"Scored {number}") for number in range(2)]
    running = site.submission(other, site.ann, done=2, name="Running one")
    ann = site.browser("ann")
    page = ann.get("/my/submissions").text
    assert page.count('type="checkbox"') == 2
    assert f'action="/submissions/{running}/cancel"' in page
    assert f"/competitions/demo/next/submit?from={running}" in page
    assert "Scored 1" not in ann.get(f"/my/submissions?phase={other}").text
    assert "Running one" in ann.get(f"/my/submissions?phase={other}").text
    assert ann.post(f"/submissions/{running}/cancel").status_code == 302
    assert "Cancelled" in ann.get("/my/submissions").text
    answer = ann.get(f"/my/submissions/compare?one={scored[0]}&one={scored[1]}")
    assert (answer.status_code, answer.location) == (302, f"/compare?a={scored[0]}&b={scored[1]}")
    for path in ("?one=1", "", "?one=1&one=x", "?one=1&one=2&one=3", f"?one=1&one={10**12}"):
        assert ann.get(f"/my/submissions/compare{path}").location == "/my/submissions"
    assert "Select two submissions" in ann.get("/my/submissions").text


def test_a_long_list_comes_in_pages(site: Site) -> None:
    phase = site.phase()
    for number in range(51):
        site.submission(phase, site.ann, name=f"number-{number:02}", done=1)
    ann = site.browser("ann")
    first, second = ann.get("/my/submissions").text, ann.get("/my/submissions?page=2").text
    assert "Page 1 of 2" in first
    assert len(re.findall(r"number-\d\d</a>", first)) == 50
    assert re.findall(r"number-\d\d</a>", second) == ["number-00</a>"]
    assert "There is no page 7." in ann.get("/my/submissions?page=7").text
    for odd in ("0", "-1", "x", "9" * 30):
        assert ann.get(f"/my/submissions?page={odd}").text.count("Page 1 of 2") == 1
