"""The result on a submission's page and its downloads, for every reader: as much as they may see, and no more."""

import csv
import io
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from model_zoo.manifest import NetworkTruth
from server.charts.result_pictures import VALUES
from submissions.storage.records import EvaluationRecord, ShowsScores, StandingRecord, SubmissionRecord, utc_now
from tests.records import AXES, START, write_zoo
from tests.results import noticeable_zoo, score, the_gap
from tests.server.site import Site

ZOO, SECRET_ZOO = "noticeable", "hidden-noticeable"
DRAWINGS = ("cmi", "axes", "changes", "times", VALUES)
FILES = ("result.json", "result.csv")
SECRETS = ("learning rate", "seed", "test_examples")  # "width" is a word of every page


def _paths(submission: int, zoo: str, drawings: tuple[str, ...] = DRAWINGS) -> list[str]:
    base = f"/submissions/{submission}"
    pictures = [f"{base}/zoos/{zoo}/drawings/{one}" for one in drawings]
    return [
        *(f"{base}/{name}" for name in FILES),
        *(f"{one}{end}" for one in pictures for end in (".json", "/data.json", "/data.csv")),
        *([f"{base}/zoos/{zoo}/networks"] if VALUES in drawings else []),
    ]


def _scored(site: Site, **phase: Any) -> int:
    """A scored submission of ann's on a public zoo where every picture has something to show."""
    submission = site.submission(site.phase(zoos=(noticeable_zoo(site, ZOO),), **phase), site.ann, cmi=(0.1,))
    score(site, submission)
    return submission


def _upside_down(network: NetworkTruth, place: int) -> float:
    return -the_gap(network, place)


def test_the_page_tells_scores_beside_chance_and_hyperparameters(site: Site) -> None:
    submission = site.submission(site.phase(), site.ann, cmi=(0.1, 0.2))
    score(site, submission)
    with site.db.write() as session:
        session.execute(update(StandingRecord).values(rank_lowest=1, rank_highest=3))
    page = site.browser().get(f"/submissions/{submission}").text
    found = json.loads(site.browser().get(f"/submissions/{submission}/result.json").data)
    for zoo in found["zoos"]:
        assert f"{zoo['score']:.2f} <small>± {zoo['standard_error']:.1f}</small>" in page
        assert f"{zoo['report']['floor_mean']:.1f}, {zoo['report']['floor_95']:.1f}" in page
        assert f"{zoo['report']['oracle']:.1f}" in page
    assert "rank interval 1 to 3" in page
    assert "Better than chance (p" in page
    assert page.count('class="bullet"') == 3
    assert "wrong way round:" not in page


def test_the_page_says_over_how_many_changes_the_sign_error_is_taken(site: Site) -> None:
    for public, over in ((True, "over 2 of 68 changes"), (False, "over 2 changes")):
        zoo = noticeable_zoo(site, f"noticeable-{public}".lower(), truth_public=public)
        submission = site.submission(
            site.phase(f"phase-{public}".lower(), zoos=(zoo,), truth_public=public, is_revealed=True),
            site.ann,
            cmi=(0.1,),
        )
        score(site, submission)
        page = site.browser().get(f"/submissions/{submission}").text
        assert f"<small>{over} that noise cannot explain</small>" in page
        assert "<small>over 2</small></td>" in page


def test_a_measure_that_is_right_the_wrong_way_round_is_told(site: Site) -> None:
    submission = site.submission(site.phase(), site.ann, cmi=(0.1, 0.2))
    score(site, submission, _upside_down)
    page = site.browser().get(f"/submissions/{submission}").text
    assert "It orders the networks the wrong way round: larger values go with a smaller generalization gap" in page
    assert "reversed" in page


def test_what_was_scored_before_details_were_kept_says_so(site: Site) -> None:
    submission = site.submission(site.phase(), site.ann, cmi=(0.1, 0.2))
    page = site.browser().get(f"/submissions/{submission}")
    assert page.status_code == 200
    assert "A worker adds them within minutes" in page.text
    assert site.browser().get(f"/submissions/{submission}/zoos/digits-mlp/drawings/cmi.json").status_code == 404


def test_a_running_submission_has_no_result(site: Site) -> None:
    submission = site.submission(site.phase(), site.ann, done=3)
    assert 'id="result"' not in site.browser("olga").get(f"/submissions/{submission}").text
    for path in _paths(submission, "digits-mlp"):
        assert site.browser("olga").get(path).status_code == 404, path


def test_downloads_of_all_numbers_agree(site: Site) -> None:
    submission = _scored(site)
    browser = site.browser()
    answer = browser.get(f"/submissions/{submission}/result.csv")
    assert answer.mimetype == "text/csv"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="submission-{submission}.csv"'
    rows = {(zoo, metric, of): value for zoo, metric, of, value in csv.reader(io.StringIO(answer.text))}
    found = json.loads(browser.get(f"/submissions/{submission}/result.json").data)
    assert float(rows["", "score", ""]) == found["score"]
    for zoo in found["zoos"]:
        assert float(rows[zoo["name"], "score", ""]) == zoo["score"]
        assert float(rows[zoo["name"], "p_value", ""]) == zoo["report"]["p_value"]
        for one in zoo["report"]["sets"]:
            assert float(rows[zoo["name"], "sets.cmi", " × ".join(one["axes"])]) == one["cmi"]
        errors = zoo["report"]["sign_errors"]
        for one in errors["changes"]:
            of = f"{one['axis']} {one['first']} {one['second']}"
            assert float(rows[zoo["name"], "sign_errors.changes.sign_error", of]) == one["sign_error"]
        assert errors["surviving"] == len(errors["changes"]) == 2
        assert errors["total"] == 1 + 1 + 66
        assert min(one["cmi"] for one in zoo["report"]["sets"]) == zoo["score"]


@pytest.mark.parametrize("drawing", DRAWINGS)
def test_a_pictures_downloads_have_the_numbers_of_its_table(site: Site, drawing: str) -> None:
    submission = _scored(site)
    browser, base = site.browser(), f"/submissions/{submission}/zoos/{ZOO}/drawings/{drawing}"
    header, *rows = csv.reader(io.StringIO(browser.get(f"{base}/data.csv").text))
    content = json.loads(browser.get(f"{base}/data.json").data)
    assert [[str("" if one[name] is None else one[name]) for name in header] for one in content] == rows
    assert json.loads(browser.get(f"{base}.json").data)["data"]["values"]


def test_values_beside_a_public_truth_are_a_page_and_coloured_by_any_axis(site: Site) -> None:
    submission = site.submission(site.phase(), site.ann, cmi=(0.1, 0.2))
    score(site, submission)
    browser, base = site.browser(), f"/submissions/{submission}/zoos/digits-mlp"
    page = browser.get(f"{base}/networks").text
    assert all(network in page for network in site.truth("digits-mlp"))
    assert page.count("<tr>") == 13
    shown = [
        json.loads(browser.get(f"{base}/drawings/values.json?axis={axis}").data)["encoding"]["color"]["title"]
        for axis in ("0", "1", "2", "7", "-1", "x")
    ]
    assert shown == [*AXES, "width", "width", "width"]


@dataclass(frozen=True)
class Phase:
    """A kind of phase, and who gets the whole result in it; the others read `instead`."""

    fields: dict[str, Any]
    whole: frozenset[str | None]
    instead: str


PEOPLE = (None, "ann", "bob", "olga")  # ann's submission; bob takes part, olga organizes
PHASES = {
    "open": Phase({}, frozenset(PEOPLE), ""),
    "ladder": Phase({"uses_ladder": True}, frozenset({"olga"}), "The score that this phase has released is <strong>"),
    "late": Phase(
        {"shows_scores": ShowsScores.AFTER_CLOSE, "closes_at": utc_now() + timedelta(days=99)},
        frozenset({"olga"}),
        "This phase shows scores after it closes",
    ),
    "frozen": Phase({"freezes_at": START - timedelta(days=1)}, frozenset({"ann", "olga"}), "The leaderboard is frozen"),
}


@pytest.mark.parametrize("kind", PHASES)
@pytest.mark.parametrize("person", PEOPLE)
def test_every_door_shows_as_much_of_a_result_as_the_reader_may_see(site: Site, kind: str, person: str | None) -> None:
    phase = PHASES[kind]
    submission = _scored(site, **phase.fields)
    with site.db.read() as session:
        exact = f"{session.get_one(SubmissionRecord, submission).score:.2f}"
    browser = site.browser(person)
    page = browser.get(f"/submissions/{submission}").text
    if person in phase.whole:
        assert exact in page
        assert {browser.get(path).status_code for path in _paths(submission, ZOO)} == {200}
    else:
        assert exact not in page
        assert "CMI for each pair" not in page
        assert phase.instead in page
        assert {browser.get(path).status_code for path in _paths(submission, ZOO)} == {404}


def test_a_hidden_phase_has_results_for_organizers_alone(site: Site) -> None:
    submission = _scored(site, hidden=True)
    for person, status in ((None, 404), ("ann", 404), ("olga", 200)):
        browser = site.browser(person)
        assert {browser.get(path).status_code for path in _paths(submission, ZOO)} == {status}


@pytest.fixture
def secret(site: Site) -> int:
    """A scored submission on a zoo whose truth is secret."""
    zoo = noticeable_zoo(site, SECRET_ZOO, truth_public=False)
    submission = site.submission(site.phase(zoos=(zoo,), truth_public=False, is_revealed=True), site.ann, cmi=(0.1,))
    score(site, submission)
    return submission


@pytest.mark.parametrize("person", [None, "ann", "bob"])
def test_nothing_of_a_secret_truth_is_told(site: Site, secret: int, person: str | None) -> None:
    browser = site.browser(person)
    networks = tuple(site.truth(SECRET_ZOO))
    texts = [browser.get(f"/submissions/{secret}").text]
    for path in _paths(secret, SECRET_ZOO, ("cmi", "axes", "changes", "times")):
        answer = browser.get(path)
        assert answer.status_code == 200, path
        texts.append(answer.text)
    for text in texts:
        assert [one for one in (*SECRETS, *networks) if one in text] == []
    assert "axis A × axis C" in texts[2]
    for path in _paths(secret, SECRET_ZOO, (VALUES,))[len(FILES) :]:
        assert browser.get(path).status_code == 404, path


def test_organizers_know_the_axes_of_a_secret_truth(site: Site, secret: int) -> None:
    browser = site.browser("olga")
    for path in _paths(secret, SECRET_ZOO, ("cmi", "axes")):
        assert "learning rate" in browser.get(path).text, path
    for path in _paths(secret, SECRET_ZOO, (VALUES,))[len(FILES) :]:
        assert browser.get(path).status_code == 404, path


def test_no_time_is_told_to_the_last_digit(site: Site, secret: int) -> None:
    rows = csv.reader(io.StringIO(site.browser().get(f"/submissions/{secret}/result.csv").text))
    times = [row for row in rows if row[1].startswith("times")]
    assert times == [[SECRET_ZOO, "times.to_s", "0.25", "0.3"], [SECRET_ZOO, "times.networks", "0.25", "48"]]


def test_a_page_over_four_large_zoos_stays_light(site: Site) -> None:
    axes = {
        "batch size": [8, 32, 512],
        "depth": [2, 4],
        "dropout": [0, 1],
        "rate": [1, 2],
        "decay": [0, 1],
        "width": [1, 2],
    }
    names = ("one", "two", "three", "four")
    for name in names:
        write_zoo(site.folder / "zoos" / name, name, axes=axes)
    submission = site.submission(site.phase(zoos=names), site.ann, cmi=(0.1, 0.2, 0.3, 0.4))
    score(site, submission)
    answer = site.browser("ann").get(f"/submissions/{submission}")
    assert answer.text.count("<details class=") == 4
    assert len(answer.data) <= 60 * 1024


def test_an_attempt_before_is_not_shown(site: Site) -> None:
    submission = site.submission(site.phase(), site.ann, cmi=(0.1, 0.2))
    score(site, submission)
    site.next_attempt(submission, cmi=(0.7, 0.8))
    with site.db.read() as session:
        attempts = session.query(EvaluationRecord).filter_by(submission_id=submission).count()
    found = json.loads(site.browser().get(f"/submissions/{submission}/result.json").data)
    assert attempts == 4
    assert [round(zoo["score"]) for zoo in found["zoos"]] == [70, 80]
