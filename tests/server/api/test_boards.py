"""Leaderboards and results through the API: the numbers of the pages, no more than the reader may see."""

from datetime import timedelta

from submissions.leaderboard.standings import rebuild
from submissions.storage.records import SubmissionRecord, utc_now
from tests.records import START
from tests.server.api.clients import fields, script
from tests.server.site import Site

BOARD = "/competitions/demo/phases/main/leaderboard"


def _board(site: Site, phase: int) -> None:
    with site.db.write() as session:
        rebuild(session, phase)


def test_a_board_has_its_rows_in_order_and_marks_the_readers_own(site: Site) -> None:
    phase = site.phase()
    best = site.submission(phase, site.ann, name="Norms", cmi=(0.5, 0.3))
    second = site.submission(phase, site.bob, name="Margins", cmi=(0.2, 0.2))
    _board(site, phase)
    told = script(site, "bob").get(BOARD).get_json()
    rows = [(row["rank"], row["submission"], row["name"], row["by"], row["score"]) for row in told["items"]]
    assert rows == [(1, best, "Norms", "ann", 40.0), (2, second, "Margins", "bob", 20.0)]
    assert [row["is_own"] for row in told["items"]] == [False, True]
    assert [(cell["zoo"], cell["cmi"]) for cell in told["items"][0]["cells"]] == [
        ("digits-mlp", 50),
        ("digits-cnn", 30),
    ]
    assert (told["total"], told["entrants"], told["sort"], told["descending"]) == (2, 2, "score", True)
    assert not any(row["is_own"] for row in script(site).get(BOARD).get_json()["items"])


def test_a_board_is_sorted_searched_and_paged_on_the_server(site: Site) -> None:
    phase = site.phase()
    for user, name, cmi in ((site.ann, "Norms", 0.5), (site.bob, "Margins", 0.2), (site.olga, "Sharpness", 0.3)):
        site.submission(phase, user, name=name, cmi=(cmi, 1 - cmi))
    _board(site, phase)
    visitor = script(site)

    def names(query: str) -> list[str]:
        return [row["name"] for row in visitor.get(f"{BOARD}?{query}").get_json()["items"]]

    assert names("sort=cmi.digits-mlp") == ["Norms", "Sharpness", "Margins"]
    assert names("sort=name&descending=true") == ["Sharpness", "Norms", "Margins"]
    assert names("search=ann") == ["Norms"]
    assert names("sort=name&per_page=2&page=2") == ["Sharpness"]
    assert 'rel="next"' in visitor.get(f"{BOARD}?per_page=2").headers["Link"]
    assert visitor.get(f"{BOARD}?sort=nonsense").get_json()["sort"] == "score"
    assert fields(visitor.get(f"{BOARD}?per_page=0")) == {"per_page"}


def test_an_alias_hides_who_it_is_from_the_board(site: Site) -> None:
    phase = site.phase()
    site.submission(phase, site.ann, name="Norms", alias="Nobody", cmi=(0.5, 0.3))
    _board(site, phase)
    answer = script(site, "bob").get(BOARD)
    (row,) = answer.get_json()["items"]
    assert (row["by"], row["is_alias"]) == ("Nobody", True)
    assert "ann" not in answer.text
    assert f"u{site.ann}" not in answer.text
    assert "ann" not in script(site, "bob").get(f"/submissions/{row['submission']}").text
    assert script(site, "ann").get(BOARD).get_json()["items"][0]["is_own"] is True


def test_a_board_that_has_not_changed_is_not_sent_again(site: Site) -> None:
    phase = site.phase()
    site.submission(phase, site.ann, cmi=(0.5, 0.3))
    _board(site, phase)
    visitor = script(site)
    etag = visitor.get(BOARD).headers["ETag"]
    assert visitor.get(BOARD, If_None_Match=etag).status_code == 304
    site.submission(phase, site.bob, cmi=(0.6, 0.3))
    _board(site, phase)
    assert visitor.get(BOARD, If_None_Match=etag).status_code == 200


def test_the_history_tells_from_when_on_each_score_showed(site: Site) -> None:
    phase = site.phase()
    for hours, cmi in ((1, 0.2), (2, 0.1), (3, 0.4)):
        site.submission(phase, site.ann, name=f"After {hours}", cmi=(cmi, cmi), hours=hours)
    _board(site, phase)
    (course,) = script(site).get(f"{BOARD}/history").get_json()["items"]
    assert course["label"] == "ann"
    assert [(step["name"], step["score"]) for step in course["steps"]] == [("After 1", 20.0), ("After 3", 40.0)]
    assert course["steps"][0]["at"].startswith((START + timedelta(hours=1)).strftime("%Y-%m-%dT%H"))


def test_a_frozen_score_is_its_teams_alone(site: Site) -> None:
    phase = site.phase(freezes_at=START)
    submission = site.submission(phase, site.ann, cmi=(0.5, 0.3))
    path = f"/submissions/{submission}"
    assert script(site, "ann").get(path).get_json()["score"] == 40.0
    for name in (None, "bob"):
        told = script(site, name).get(path).get_json()
        assert (told["score"], told["sees"], told["zoos"][0]["cmi"]) == (None, "nothing", None)
        seen = script(site, name).get(f"{path}/result").get_json()
        assert (seen["sight"], seen["score"], seen["zoos"]) == ("nothing", None, [])


def test_the_ladder_shows_its_own_team_no_more_than_the_released_score(site: Site) -> None:
    phase = site.phase(uses_ladder=True)
    submission = site.submission(phase, site.ann, cmi=(0.512, 0.3))
    with site.db.write() as session:
        session.get_one(SubmissionRecord, submission).shown_score = 40.0
    ann, olga, path = script(site, "ann"), script(site, "olga"), f"/submissions/{submission}"
    told = ann.get(path).get_json()
    assert (told["score"], told["sees"], told["zoos"][0]["cmi"]) == (40.0, "shown_score", None)
    assert ann.get(f"{path}/result").get_json()["zoos"] == []
    assert olga.get(path).get_json()["score"] == 40.6


def test_a_result_is_told_in_full_and_compared_with_another(site: Site) -> None:
    phase = site.phase()
    first = site.submission(phase, site.ann, cmi=(0.5, 0.3))
    second = site.submission(phase, site.bob, cmi=(0.2, 0.2))
    visitor = script(site)
    told = visitor.get(f"/submissions/{first}/result").get_json()
    assert (told["sight"], told["score"], [zoo["score"] for zoo in told["zoos"]]) == ("all", 40.0, [50.0, 30.0])
    both = visitor.get(f"/submissions/{first}/comparison/{second}").get_json()
    assert (both["first"]["score"], both["second"]["score"], len(both["zoos"])) == (40.0, 20.0, 2)


def test_values_stand_beside_a_public_truth_and_no_other(site: Site) -> None:
    public, secret = site.phase(), site.phase("secret", zoos=("secret-mlp",), truth_public=False)
    submission = site.submission(public, site.ann, cmi=(0.5, 0.3))
    visitor = script(site)
    told = visitor.get(f"/submissions/{submission}/zoos/digits-mlp/values").get_json()
    assert (told["target"], told["axes"], len(told["items"])) == ("gap", ["width", "learning rate", "weight.decay"], 12)
    assert told["items"][0]["hyperparameters"].keys() == set(told["axes"])
    assert visitor.get(f"/submissions/{submission}/zoos/none/values").status_code == 404
    hidden = site.submission(secret, site.ann, cmi=(0.5,))
    for name in (None, "ann", "olga"):
        assert script(site, name).get(f"/submissions/{hidden}/zoos/secret-mlp/values").status_code == 404


def test_what_has_no_score_has_no_result_and_no_comparison(site: Site) -> None:
    phase, other_phase = site.phase(), site.phase("other")
    scored, running = site.submission(phase, site.ann, cmi=(0.5, 0.3)), site.submission(phase, site.bob, done=1)
    elsewhere = site.submission(other_phase, site.ann, cmi=(0.5, 0.3))
    hidden = site.submission(phase, site.bob, cmi=(0.1, 0.1), is_hidden=True)
    visitor = script(site)
    assert visitor.get(f"/submissions/{running}/result").status_code == 409
    assert visitor.get(f"/submissions/{scored}/comparison/{running}").status_code == 409
    assert visitor.get(f"/submissions/{scored}/comparison/{elsewhere}").status_code == 409
    assert visitor.get(f"/submissions/{scored}/comparison/{hidden}").status_code == 404
    assert visitor.get(f"/submissions/{scored}/comparison/999999").status_code == 404


def test_a_waiting_submission_is_told_its_place(site: Site) -> None:
    phase = site.phase(closes_at=utc_now() + timedelta(days=1))
    source = {"name": "Norms", "source": "def complexity(model, dataset):\n    return 1.0\n"}
    ids = [
        script(site, name).post("/competitions/demo/phases/main/submissions", source).get_json()["id"]
        for name in ("ann", "bob")
    ]
    visitor = script(site)
    assert [visitor.get(f"/submissions/{one}/forecast").get_json()["place"] for one in ids] == [1, 2]
    scored = site.submission(phase, site.ann, cmi=(0.5, 0.3))
    assert visitor.get(f"/submissions/{scored}/forecast").get_json()["place"] is None


def test_citation_and_badge_are_those_of_the_pages(site: Site) -> None:
    phase = site.phase()
    best = site.submission(phase, site.ann, name="Norms", cmi=(0.5, 0.3))
    waiting = site.submission(phase, site.bob, done=1)
    _board(site, phase)
    visitor, browser = script(site), site.browser()
    page = browser.get("/competitions/demo/main/leaderboard.bib").text
    assert visitor.get(f"{BOARD}/citation").get_json() == {"bibtex": page}
    told = visitor.get(f"/submissions/{best}/badge").get_json()
    assert told["svg"] == browser.get(f"/submissions/{best}/badge.svg").text
    assert told["address"] == f"http://localhost/submissions/{best}/badge.svg"
    assert told["leads_to"] == f"http://localhost/submissions/{best}"
    assert visitor.get(f"/submissions/{waiting}/badge").status_code == 409
