"""The leaderboard's pages: orders, search, one's own row, what is kept back, and the same board in other forms."""

import csv
import io
import re
from datetime import timedelta

import pytest

from submissions.storage import board_version
from submissions.storage.records import (
    ActRecord,
    CountRule,
    PhaseRecord,
    StandingRecord,
    SubmissionRecord,
    ZooRecord,
    utc_now,
)
from submissions.storage.states import Reason, State
from tests.records import START
from tests.scoring.jackknives import of_mean
from tests.server.site import Browser, Site

BOARD = "/competitions/demo/main/leaderboard"
LARGEST_PAGE = 60_000  # bytes, before charts


def _text(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def _measures(browser: Browser, query: str = "") -> list[str]:
    """The measures on a page of the board, from first to last."""
    body = browser.get(BOARD + query).text.partition("<tbody>")[2].partition("</tbody>")[0]
    return re.findall(r'<th scope="row"><a [^>]*>([^<]*)</a>', body)


def _fill(site: Site, entrants: int, **fields: object) -> int:
    phase = site.phase(**fields)  # type: ignore[arg-type]
    zoos = len(fields.get("zoos", "12"))  # type: ignore[arg-type]
    for index in range(entrants):
        site.submission(
            phase, site.system, cmi=(index / 200,) * zoos, name=f"m{index}", is_baseline=True, entrant=f"b{index}"
        )
    return phase


def test_headings_order_by_their_column_and_turn_the_order_round(site: Site) -> None:
    phase = site.phase()
    for name, cmi in {"b": (0.1, 0.5), "a": (0.4, 0.1)}.items():
        site.submission(phase, site.system, cmi=cmi, name=name, is_baseline=True)
    browser = site.browser()
    assert _measures(browser) == ["b", "a"]
    assert _measures(browser, "?dir=asc") == ["a", "b"]
    assert _measures(browser, "?sort=cmi.digits-mlp") == ["a", "b"]
    page = browser.get(f"{BOARD}?sort=cmi.digits-mlp&q=b").text
    assert (
        'aria-sort="descending"><a href="/competitions/demo/main/leaderboard?sort=cmi.digits-mlp&amp;dir=asc&amp;q=b"'
        in page
    )
    assert f'href="{BOARD}?sort=name&amp;q=b"' in page


@pytest.mark.parametrize("query", ["?sort=%00&dir=x&page=-1&show=none&track=%F0%9F%98%80", "?page=99999999999", "?q=%"])
def test_nonsense_in_the_address_is_no_fault(site: Site, query: str) -> None:
    site.submission(site.phase(), cmi=(0.1, 0.2))
    assert site.browser().get(BOARD + query).status_code == 200


def test_a_search_that_finds_nothing_says_so_and_leads_back(site: Site) -> None:
    site.submission(site.phase(), cmi=(0.1, 0.2))
    page = site.browser().get(f"{BOARD}?q=nobody").text
    assert "No entry matches the search" in page
    assert f'href="{BOARD}">Show all' in page


def test_a_large_board_comes_in_small_pages(site: Site) -> None:
    _fill(site, 60)
    browser = site.browser()
    first = browser.get(BOARD)
    assert len(first.data) < LARGEST_PAGE
    assert _measures(browser)[0] == "m59"
    assert len(_measures(browser)) == 50
    assert _measures(browser, "?page=2") == [f"m{index}" for index in range(9, -1, -1)]
    assert "Page 1 of 2" in first.text


def test_a_board_of_many_zoos_has_fewer_rows_a_page_and_one_metric_at_first(site: Site) -> None:
    zoos = tuple(f"zoo{number}" for number in range(6))
    _fill(site, 40, zoos=zoos)
    browser = site.browser()
    assert len(_measures(browser)) == 40
    every = browser.get(f"{BOARD}?show=all")
    assert len(every.data) < LARGEST_PAGE
    assert len(_measures(browser, "?show=all")) == 25
    assert "sort=psi.zoo3" in browser.get(f"{BOARD}?show=psi").text


def test_ones_own_row_is_marked_on_a_page_that_others_have_had(site: Site) -> None:
    phase = _fill(site, 3)
    mine = site.submission(phase, site.ann, cmi=(0.4, 0.5), name="Mine")
    ann, bob, nobody = site.browser("ann"), site.browser("bob"), site.browser()
    for _ in range(2):
        for reader in (nobody, ann, bob):
            page = reader.get(BOARD).text
            assert (f'<tr id="s{mine}" class="own"' in page) == (reader is ann)
            assert ('<span class="badge own">you</span>' in page) == (reader is ann)
            assert ("Go to my row" in page) == (reader is not nobody)


def test_the_way_to_ones_own_row_keeps_the_order(site: Site) -> None:
    phase = _fill(site, 60)
    mine = site.submission(phase, site.ann, cmi=(0.001, 0.001), name="zz")
    ann = site.browser("ann")
    assert ann.get(f"{BOARD}/mine").location == f"{BOARD}?page=2#s{mine}"
    assert ann.get(f"{BOARD}/mine?dir=asc").location == f"{BOARD}?dir=asc#s{mine}"
    assert site.browser("bob").get(f"{BOARD}/mine").location == BOARD


def test_an_alias_is_all_that_any_form_of_the_board_tells_of_an_author(site: Site) -> None:
    phase = site.phase()
    named = site.submission(phase, site.ann, cmi=(0.1, 0.1), name="Named")
    veiled = site.submission(phase, site.ann, cmi=(0.4, 0.5), name="Veiled", alias="Wren", hours=1)
    bob = site.browser("bob")
    for path in (BOARD, f"{BOARD}.csv", f"{BOARD}.json", f"{BOARD}/history", f"{BOARD}/history.json"):
        told = bob.get(path).text
        assert "Wren" in told
        assert re.search(r"\bann\b", told) is None, path
        assert re.search(rf"(?<![-\w])u{site.ann}(?![-\w])", told) is None, path  # but within a form's random token
        assert "Named" not in told
    assert bob.get(f"/submissions/{veiled}/badge.svg").status_code == 200
    assert bob.get(f"/submissions/{named}/badge.svg").status_code == 404


def test_page_csv_and_json_agree(site: Site) -> None:
    phase = _fill(site, 3)
    site.submission(phase, site.ann, cmi=(0.4, 0.5), name='=HYPERLINK("x")', standard_error=1.239)
    browser = site.browser()
    rows = list(csv.DictReader(io.StringIO(browser.get(f"{BOARD}.csv?sort=name").text)))
    content = browser.get(f"{BOARD}.json?sort=name").get_json()
    assert [row["measure"] for row in rows] == ['\'=HYPERLINK("x")', "m0", "m1", "m2"]
    assert [float(row["score"]) for row in rows] == [row["score"] for row in content["rows"]] == [45.0, 0.0, 0.5, 1.0]
    assert (rows[0]["rank"], rows[0]["standard_error"], rows[0]["digits-cnn.cmi"]) == ("1", "1.24", "50.0")
    assert content["rows"][0]["cells"][1]["cmi"] == 50.0
    assert "45.00 <small>± 1.24</small>" in browser.get(BOARD).text
    assert [column["name"] for column in content["columns"]] == ["digits-mlp", "digits-cnn"]


def test_with_the_ladder_no_form_of_the_board_tells_another_metric(site: Site) -> None:
    phase = site.phase(uses_ladder=True)
    jackknives = [of_mean([mean - 0.03, mean + 0.03, mean, mean]) for mean in (0.4321, 0.5678)]
    site.submission(phase, site.ann, jackknives=jackknives, name="Mine")
    browser = site.browser("ann")
    page = browser.get(BOARD).text
    assert "The Ladder:" in page
    assert '<td class="num score">48<svg' in page
    for path in (BOARD, f"{BOARD}.csv", f"{BOARD}.json"):
        told = browser.get(path).text
        assert all(number not in told for number in ("43.21", "56.78", "49.99", "50.0", "0.87", "1.22"))


def test_a_freeze_is_announced_and_then_said(site: Site) -> None:
    site.submission(site.phase(freezes_at=START + timedelta(hours=1)), cmi=(0.1, 0.2))
    assert "Frozen." in site.browser().get(BOARD).text
    site.phase("later", freezes_at=utc_now() + timedelta(days=400))
    site.submission(2, cmi=(0.1, 0.2))
    assert "will be frozen on" in site.browser().get("/competitions/demo/later/leaderboard").text


def test_intervals_of_before_are_said_to_be_old(site: Site) -> None:
    phase = site.phase()
    site.submission(phase, cmi=(0.1, 0.2))
    with site.db.write() as session:
        (record,) = session.query(StandingRecord)
        record.rank_lowest, record.rank_highest = 1, 3
    browser = site.browser()
    assert "being computed" in browser.get(BOARD).text
    with site.db.write() as session:
        one = session.get_one(PhaseRecord, phase)
        one.intervals_version = one.board_version
    page = browser.get(BOARD).text
    assert "being computed" not in page
    assert '<td class="num">1–3</td>' in page


def test_what_the_board_shows_is_said_in_words_and_bars_end_at_the_oracle_or_the_best(site: Site) -> None:
    phase = site.phase()
    for name, cmi in {"a": (0.1, 0.1), "b": (0.05, 0.05)}.items():
        site.submission(phase, site.system, cmi=cmi, name=name, is_baseline=True, entrant=name)
    with site.db.write() as session:
        reference = {"target": "gap", "random_floor": 1, "random_floor_percentile_95": 2, "hyperparameter_oracle": 20}
        for zoo in session.query(ZooRecord):
            zoo.report = {"numbers": {"references": [reference]}}
        for standing in session.query(StandingRecord):
            standing.rank_lowest = standing.rank_highest = {"a": 1, "b": 2}[standing.entrant]
        board_version.next_version(session, phase)
        one = session.get_one(PhaseRecord, phase)
        one.intervals_version = one.board_version
    page = site.browser().get(BOARD).text
    assert "none is better than the hyperparameters alone" in _text(page)
    assert "The data tell 2 groups apart, with 95 % confidence: place 1 and place 2." in _text(page)
    assert re.findall(r'<rect width="([^"]*)" height="4"/><rect class="mark" x="([^"]*)"', page) == [
        ("50.0", "99"),
        ("25.0", "99"),
    ]
    assert "groups" not in site.browser().get(BOARD + "?q=a").text


def test_the_history_shows_what_each_could_show(site: Site) -> None:
    phase = site.phase()
    for hours, cmi in enumerate((0.2, 0.1, 0.4)):
        site.submission(phase, site.ann, cmi=(cmi, cmi), name=f"try{hours}", hours=hours)
    site.submission(phase, site.system, cmi=(0.1, 0.1), name="Norm", is_baseline=True)
    browser = site.browser()
    page = browser.get(f"{BOARD}/history").text
    assert all((name in page) == told for name, told in (("try0", True), ("try1", False), ("try2", True)))
    spec = browser.get(f"{BOARD}/history.json").get_json()
    points = [(one["entrant"], one["score"]) for one in spec["data"]["values"]]
    assert points == [("ann", 20.0), ("ann", 40.0), ("ann", 40.0), ("Norm", 10.0), ("Norm", 10.0)]


def test_a_citation_names_the_version_and_the_address(site: Site) -> None:
    site.submission(site.phase(), cmi=(0.1, 0.2))
    told = site.browser().get(f"{BOARD}.bib").text
    assert told.startswith("@misc{demo-main-leaderboard,")
    assert "Version 1 of the leaderboard" in told
    assert f"http://localhost{BOARD}" in told


def test_a_badge_says_rank_and_score_and_may_stand_on_other_sites(site: Site) -> None:
    phase = _fill(site, 3)
    best = site.submission(phase, site.ann, cmi=(0.4, 0.5), name="<best>")
    worse = site.submission(phase, site.ann, cmi=(0.1, 0.1), name="worse")
    for submission in (best, worse):
        answer = site.browser().get(f"/submissions/{submission}/badge.svg")
        assert answer.mimetype == "image/svg+xml"
        assert "rank 1 · 45.00" in answer.text
        assert "&lt;best&gt; by ann, Predict the gap" in answer.text
        assert answer.headers["Cache-Control"] == "public, max-age=300"
    failed = site.submission(phase, site.bob, reason=Reason.RAISED)
    assert site.browser().get(f"/submissions/{failed}/badge.svg").status_code == 404


def test_a_badge_of_a_hidden_phase_is_kept_by_nobody(site: Site) -> None:
    submission = site.submission(site.phase(hidden=True), cmi=(0.4, 0.5))
    answer = site.browser("olga").get(f"/submissions/{submission}/badge.svg")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "private, no-store")
    assert site.browser("ann").get(f"/submissions/{submission}/badge.svg").status_code == 404


def test_the_owner_chooses_what_counts(site: Site) -> None:
    phase = site.phase(count_rule=CountRule.CHOSEN)
    site.submission(phase, site.ann, cmi=(0.4, 0.5), name="best")
    other = site.submission(phase, site.ann, cmi=(0.1, 0.2), name="other")
    ann = site.browser("ann")
    assert "Let this submission count" in ann.get(f"/submissions/{other}").text
    assert "Let this submission count" not in site.browser("bob").get(f"/submissions/{other}").text
    ann.post(f"/submissions/{other}/choose")
    assert _measures(ann) == ["other"]
    assert "Let this submission count" not in ann.get(f"/submissions/{other}").text


@pytest.mark.parametrize(("act", "back"), [("hide", "show"), ("disqualify", "requalify")])
def test_an_organizer_takes_a_submission_off_the_board_and_puts_it_back(site: Site, act: str, back: str) -> None:
    submission = site.submission(site.phase(), site.ann, cmi=(0.4, 0.5), name="Mine")
    olga, nobody = site.browser("olga"), site.browser()
    assert _measures(nobody) == ["Mine"]
    olga.post(f"/submissions/{submission}/moderate", {"act": act, "reason": "a copy"})
    assert _measures(nobody) == []
    olga.post(f"/submissions/{submission}/moderate", {"act": back})
    assert _measures(nobody) == ["Mine"]
    with site.db.read() as session:
        told = [one.detail for one in session.query(ActRecord).order_by(ActRecord.id)]
    assert told[-2:] == [f"submission {submission}: a copy", f"submission {submission}"]


def test_an_organizer_runs_a_submission_again(site: Site) -> None:
    submission = site.submission(site.phase(), site.ann, cmi=(0.4, 0.5))
    olga = site.browser("olga")
    olga.post(f"/submissions/{submission}/moderate", {"act": "run again"})
    assert _measures(site.browser()) == []
    with site.db.read() as session:
        one = session.get_one(SubmissionRecord, submission)
        assert (one.state, one.attempt) == (State.QUEUED, 2)
    assert olga.post(f"/submissions/{submission}/moderate", {"act": "burn"}).status_code == 422


def test_organizers_set_how_a_board_works_and_open_it_again(site: Site) -> None:
    phase = site.phase()
    site.submission(phase, site.ann, cmi=(0.4, 0.4), name="first")
    site.submission(phase, site.ann, cmi=(0.1, 0.1), name="second", hours=5)
    olga = site.browser("olga")
    page = olga.get(f"/organizer/phases/{phase}").text
    fields = dict(re.findall(r'name="(\w+)"[^>]* value="([^"]*)"', page))
    fields = {name: value for name, value in fields.items() if name not in ("shows_logs", "hidden", "uses_ladder")}
    fields["time_rule"] = "per_network"
    olga.post(f"/organizer/phases/{phase}", {**fields, "count_rule": "last"})
    assert _measures(olga) == ["second"]
    frozen = {**fields, "count_rule": "last", "freezes_at": (START + timedelta(hours=3)).strftime("%Y-%m-%dT%H:%M")}
    olga.post(f"/organizer/phases/{phase}", frozen)
    assert _measures(olga) == ["first"]
    unfreeze = f"/organizer/phases/{phase}/unfreeze"
    refused = olga.post(unfreeze)
    assert refused.status_code == 422
    assert "the scores that the freeze keeps back" in refused.text
    assert _measures(olga) == ["first"]
    olga.post(unfreeze, {"confirmed": "on"})
    assert _measures(olga) == ["second"]
    refused = olga.post(f"/organizer/phases/{phase}", {**fields, "count_rule": "last", "uses_ladder": "on"})
    assert refused.status_code == 422
    assert "With the Ladder the best submission counts." in refused.text


def test_a_name_that_changes_changes_on_the_board(site: Site) -> None:
    site.submission(site.phase(), site.ann, cmi=(0.4, 0.4))
    browser = site.browser()
    first = browser.get(BOARD)
    with site.db.write() as session:
        board_version.name_changed(session, [f"u{site.ann}"])
    assert browser.get(BOARD, If_None_Match=first.headers["ETag"]).status_code == 200


def test_a_score_in_steps_has_no_more_digits_than_it_has_on_any_page(site: Site) -> None:
    phase = site.phase(truth_public=False, score_step=1.0)
    first = site.submission(phase, cmi=(0.27, 0.27), name="first")
    site.submission(phase, site.bob, cmi=(0.25, 0.25), name="second")
    site.team("Band", site.ann)
    ann = site.browser("ann")
    shown = {
        "/": "best score 27</small>",
        "/my/submissions": '<td class="num">27 <small>as released',
        "/competitions/demo/team": '<td class="num">27</td>',
        f"/submissions/{first}": 'score 27"',
        f"/submissions/{first}/badge.svg": "· 27<",
        BOARD: '<td class="num score">27<svg',
        f"{BOARD}/history": '<td class="num">27</td>',
        f"/compare?a={first}": ", 25)</option>",
    }
    for path, text in shown.items():
        assert text in ann.get(path).text, path


def test_an_exact_score_has_two_digits(site: Site) -> None:
    site.submission(site.phase(), cmi=(0.27, 0.28))
    assert "best score 27.50</small>" in site.browser().get("/").text
    assert '<td class="num">27.50</td>' in site.browser("ann").get("/my/submissions").text
