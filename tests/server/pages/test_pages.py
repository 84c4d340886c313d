"""What the reading pages say."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import event

from model_zoo import open_zoo
from submissions.people.tokens import create_token
from submissions.storage.records import UserRecord, utc_now
from submissions.storage.roles import Role
from submissions.storage.states import SENTENCES, Reason, State
from tests.records import START
from tests.server.site import Site

BOARD = "/competitions/demo/main/leaderboard"


def _text(html: str) -> str:
    """What a reader reads: without tags, spaces collapsed."""
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def _rows(html: str) -> list[list[str]]:
    body = html.split("<tbody>")[1].split("</tbody>")[0]
    return [
        [_text(cell) for cell in re.findall(r"<t[dh][ >].*?</t[dh]>", row, re.DOTALL)] for row in body.split("<tr")[1:]
    ]


def test_home_lists_competitions_with_phases_and_dates(site: Site) -> None:
    site.phase(closes_at=START + timedelta(days=9, hours=1))
    site.phase("next", opens_at=utc_now() + timedelta(days=400))
    home = _text(site.browser().get("/").text)
    assert "Predict the gap" in home
    assert "closed Main phase 1 Mar 2026, 12:00 UTC – 10 Mar 2026, 13:00 UTC" in home
    assert "upcoming Next phase" in home


def test_home_without_competitions_says_so(site: Site) -> None:
    assert "No competition is public yet." in site.browser().get("/").text


def test_a_competition_page_tells_limits_from_the_phase_and_cards_of_its_zoos(site: Site) -> None:
    site.phase(wall_s=7.0, memory_bytes=3 * 2**29, daily_quota=5)
    page = _text(site.browser().get("/competitions/demo").text)
    for told in (
        "Two zoos of networks on handwritten digits. Who orders them best?",
        "7 s of wall time, 1.5 GiB of memory",
        "5 submissions in 24 hours",
        "Digits mlp, Digits cnn",
        "Networks 12",
        "learning rate 0.1, 0.5",
        "UCI optical recognition CC BY 4.0",
    ):
        assert told in page


def test_a_card_of_a_secret_truth_names_no_axis(site: Site) -> None:
    site.phase(truth_public=False)
    page = _text(site.browser().get("/competitions/demo").text)
    assert "Truth hidden" in page
    assert "learning rate" not in page


def test_a_zoo_that_is_gone_from_the_store_takes_its_card_away_and_nothing_else(site: Site) -> None:
    submission = site.submission(site.phase(), cmi=(0.1, 0.2))
    site.zoos.delete(open_zoo(site.folder / "zoos" / "digits-mlp").manifest_sha256)
    browser = site.browser()
    page = _text(browser.get("/competitions/demo").text)
    assert "Digits cnn" in page
    assert "1297 unseen examples" in page
    assert browser.get(f"/submissions/{submission}").status_code == 200
    values = [f"/submissions/{submission}/zoos/{zoo}/drawings/values.json" for zoo in ("digits-cnn", "digits-mlp")]
    assert [browser.get(path).status_code for path in values] == [200, 404]


def test_the_leaderboard_is_ranked_and_says_what_the_number_means(site: Site) -> None:
    phase = site.phase()
    site.submission(phase, site.ann, cmi=(0.4, 0.5), name="Margins", standard_error=1.234)
    site.submission(phase, site.system, cmi=(0.1, 0.2), name="Norm", is_baseline=True, hours=30)
    site.submission(phase, site.bob, done=3, name="Slow")
    html = site.browser().get(BOARD).text
    assert _rows(html) == [
        [
            "1",
            "Margins ann",
            "45.00 ± 1.23",
            "–",
            "40.00",
            "+0.632",
            "–",
            "–",
            "50.00",
            "+0.707",
            "–",
            "–",
            "1 Mar 2026",
        ],
        ["2", "Norm baseline", "15.00", "–", "10.00", "+0.316", "–", "–", "20.00", "+0.447", "–", "–", "2 Mar 2026"],
    ]
    text = _text(html)
    assert "Higher is better." in text
    assert "1 submission is waiting or running" in text


def test_ones_own_row_is_marked_for_oneself_alone(site: Site) -> None:
    site.submission(site.phase(), site.ann, cmi=(0.4, 0.5))
    assert "you" in _rows(site.browser("ann").get(BOARD).text)[0][1]
    for name in (None, "bob"):
        assert _rows(site.browser(name).get(BOARD).text)[0][1] == "A measure ann"


def test_an_empty_board_says_so(site: Site) -> None:
    site.phase()
    assert "No measure has a score yet." in site.browser().get(BOARD).text


def test_names_are_text_and_never_markup(site: Site) -> None:
    name = "<script>alert(1)</script>"
    phase = site.phase()
    scored = site.submission(phase, cmi=(0.1, 0.1), name=name)
    site.submission(phase, site.bob, name=name)
    ann = site.browser("ann")
    for path in (BOARD, f"/submissions/{scored}", "/my/submissions"):
        page = ann.get(path).text
        assert "&lt;script&gt;alert(1)" in page
        assert "<script>alert" not in page


@pytest.mark.parametrize("reason", list(Reason))
def test_a_failure_is_told_to_all_and_its_detail_to_owner_and_organizers(site: Site, reason: Reason) -> None:
    submission = site.submission(site.phase(), reason=reason, detail="KeyError in measure.py, line 3")
    for name, sees in ((None, False), ("bob", False), ("ann", True), ("olga", True)):
        for path in (f"/submissions/{submission}", f"/submissions/{submission}/status"):
            page = site.browser(name).get(path).text.replace("&#39;", "'")
            assert SENTENCES[reason] in page
            assert ("KeyError" in page) == sees


@pytest.mark.parametrize("state", list(State))
def test_only_an_unfinished_submission_is_polled_refreshed_and_cancellable(site: Site, state: State) -> None:
    submission = site.submission(site.phase(), state=state)
    page = site.browser("ann").get(f"/submissions/{submission}").text
    is_open = state in (State.QUEUED, State.RUNNING)
    for part in ("hx-get=", 'http-equiv="refresh"', "htmx.min.js", "/cancel"):
        assert (part in page) == is_open


def test_the_polled_part_asks_for_the_whole_page_once_it_is_final(site: Site) -> None:
    phase = site.phase()
    running = site.submission(phase, done=2)
    scored = site.submission(phase, cmi=(0.1, 0.2))
    browser = site.browser()
    polled = browser.get(f"/submissions/{running}/status", HX_Request="true")
    assert "HX-Refresh" not in polled.headers
    assert polled.text.lstrip().startswith("<section")
    ended = browser.get(f"/submissions/{scored}/status", HX_Request="true")
    assert ended.headers["HX-Refresh"] == "true"
    assert "hx-get" not in ended.text


def test_cancelling_stops_the_submission_and_a_second_time_says_so(site: Site) -> None:
    submission = site.submission(site.phase(), done=2)
    ann = site.browser("ann")
    ann.post(f"/submissions/{submission}/cancel")
    assert site.states() == [State.CANCELLED]
    assert "Cancelled." in ann.get(f"/submissions/{submission}").text
    ann.post(f"/submissions/{submission}/cancel")
    assert "It had already ended" in ann.get(f"/submissions/{submission}").text


def test_a_scored_submission_shows_its_points_in_a_table_too(site: Site) -> None:
    submission = site.submission(site.phase(), cmi=(0.1, 0.2))
    page = site.browser().get(f"/submissions/{submission}").text
    assert page.count("drawings/values.json") == 2
    path = f"/submissions/{submission}/zoos/digits-mlp/networks"
    assert f'<a href="{path}">The same as a table</a>' in page
    table = site.browser().get(path).text
    for network, truth in site.truth("digits-mlp").items():
        gap = truth["metrics"]["train_acc"] - truth["metrics"]["test_acc"]
        assert f"<code>{network}</code>" in table
        assert f'<td class="num">{gap:.6g}</td>' in table


def test_a_secret_truth_is_nowhere_on_a_submissions_page(site: Site) -> None:
    submission = site.submission(site.phase(truth_public=False), cmi=(0.1, 0.2))
    page = site.browser("ann").get(f"/submissions/{submission}").text
    assert "drawings/values" not in page
    assert [network for network in site.truth("digits-mlp") if network in page] == []


@pytest.mark.parametrize("name", [None, "ann", "olga"])
def test_health_tells_the_database_and_only_organizers_the_queue(site: Site, name: str | None) -> None:
    queue = {"pending_runs": 0} if name == "olga" else {}
    assert site.browser(name).get("/healthz").json == {
        "database": "ok",
        **queue,
        "workers_that_take_work": 0,
        "workers": [],
    }


@pytest.mark.parametrize(
    ("name", "scopes", "sees"),
    [("olga", ["organize"], True), ("olga", ["read", "submit", "account"], False), ("ann", ["read"], False)],
)
def test_health_tells_the_queue_to_an_organizers_token_with_the_scope(
    site: Site, name: str, scopes: list[str], sees: bool
) -> None:
    _, token = create_token(site.db, getattr(site, name), "monitor", scopes)
    answers = {
        sent: site.browser().get("/healthz", Authorization=sent).json
        for sent in (f"Bearer {token}", f"Basic {token}", f"Bearer {token}x", "Bearer")
    }
    assert ["pending_runs" in (answer or {}) for answer in answers.values()] == [sees, False, False, False]


def test_a_token_of_somebody_who_is_no_organizer_any_more_does_not_tell_the_queue(site: Site) -> None:
    _, token = create_token(site.db, site.olga, "monitor", ["organize"])
    with site.db.write() as session:
        session.get_one(UserRecord, site.olga).role = Role.PARTICIPANT
    assert "pending_runs" not in (site.browser().get("/healthz", Authorization=f"Bearer {token}").json or {})


def test_health_is_503_without_a_database(site: Site) -> None:
    with site.db.write() as session:
        session.connection().exec_driver_sql("DROP TABLE workers")
    answer = site.browser().get("/healthz")
    assert (answer.status_code, answer.json) == (503, {"database": "unreachable"})


def test_health_costs_a_visitor_one_query(site: Site) -> None:
    asked: list[str] = []
    event.listen(site.db.engine, "before_cursor_execute", lambda _c, _cursor, statement, *_: asked.append(statement))
    site.browser().get("/healthz")
    assert [statement.split()[0] for statement in asked if statement != "BEGIN"] == ["SELECT"]


def test_our_own_fault_is_a_friendly_page_without_a_traceback(site: Site) -> None:
    submission = site.submission(site.phase(), cmi=(0.1, 0.2))
    with site.db.write() as session:
        session.connection().exec_driver_sql("DROP TABLE measure_values")
    answer = site.browser().get(f"/submissions/{submission}")
    assert answer.status_code == 500
    assert "Something broke here" in answer.text
    assert "measure_values" not in answer.text


def test_a_wrong_method_is_a_friendly_page(site: Site) -> None:
    answer = site.browser("ann").post("/my/submissions")
    assert answer.status_code == 405
    assert "Not possible" in answer.text
