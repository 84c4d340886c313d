"""The pages of measures and public zoos: what visitors see of the baselines, and what a submission resembles."""

import re
from html import unescape

import pytest
from sqlalchemy import select

from server.presentation.result_sentences import similarity_sentence
from submissions.baselines import BASELINES, baseline_source
from submissions.baselines.descriptions import description, find_baseline
from submissions.results.similarity import Similar
from submissions.storage.records import ShowsScores, SubmissionRecord, ValueRecord
from tests.records import START
from tests.results import Measure, the_gap
from tests.server.api.clients import script
from tests.server.site import Site

BOARD = "/competitions/demo/main/leaderboard"


def _give(site: Site, submission: int, measure: Measure) -> None:
    """Replace the recorded values of a submission by those of a measure."""
    with site.db.write() as session:
        for evaluation in session.get_one(SubmissionRecord, submission).evaluations:
            networks = site.zoos.truth(evaluation.zoo.manifest_sha256).networks
            values = session.scalars(select(ValueRecord).where(ValueRecord.evaluation_id == evaluation.id))
            for place, value in enumerate(sorted(values, key=lambda one: one.network_id)):
                value.value = measure(networks[value.network_id], place)


def _ship(site: Site, phase: int, name: str, measure: Measure = the_gap, cmi: tuple[float, ...] = (0.2, 0.1)) -> int:
    submission = site.submission(phase, site.system, cmi=cmi, name=name, is_baseline=True)
    _give(site, submission, measure)
    return submission


def _text(site: Site, path: str, reader: str | None = None) -> str:
    answer = site.browser(reader).get(path)
    assert answer.status_code == 200, path
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())


def test_every_shipped_measure_is_listed_and_has_a_page_with_its_formula_and_code(site: Site) -> None:
    listed = site.browser().get("/measures").text
    for measure in BASELINES:
        assert f'href="/measures/{measure.slug}"' in listed
    assert len({measure.slug for measure in BASELINES}) == len(BASELINES)
    measure = BASELINES[0]
    page = _text(site, f"/measures/{measure.slug}")
    for said in vars(description(measure)).values():
        assert said in page
    assert "This measure has not been evaluated here." in page
    assert site.browser().get(f"/measures/{measure.slug}/code").data == baseline_source(measure.name)
    assert site.browser().get("/measures/no-such-measure").status_code == 404


def test_every_docstring_says_what_its_page_shows() -> None:
    assert [measure.name for measure in BASELINES if not all(vars(description(measure)).values())] == []


def test_search_engines_get_a_title_a_description_and_one_address(site: Site) -> None:
    site.phase()
    for path in ("/measures", "/measures/path-norm", "/zoos", "/zoos/digits-mlp"):
        page = site.browser().get(path).text.partition("</head>")[0]
        (title,) = re.findall(r"<title>(.*?)</title>", page)
        (about,) = re.findall(r'<meta name="description" content="(.*?)">', page)
        assert len(title) > len(" · Gengap")
        assert "Competitions in predicting" not in about  # the sentence of all other pages
        assert re.findall(r'<link rel="canonical" href="http://[^/]+(.*?)">', page) == [path]
    home = site.browser().get("/").text
    assert 'href="/measures"' in home
    assert 'href="/zoos"' in home


def test_what_the_server_has_recorded_is_on_the_pages_of_measure_and_zoo(site: Site) -> None:
    phase = site.phase()
    submission = _ship(site, phase, "Path norm", cmi=(0.2, 0.125))
    _ship(site, phase, "Jacobian norm")
    listed = _text(site, "/measures")
    assert "20.00 τ +0.45 earlier code 0.25 s" in listed
    assert listed.count("not evaluated here") == 2 * (len(BASELINES) - 2)
    for path in ("/measures/path-norm", "/zoos/digits-mlp"):
        page = _text(site, path)
        assert "20.00" in page
        assert "0.25 s" in page
        assert "earlier code" in page  # the test submits no file
    assert f'href="/submissions/{submission}"' in site.browser().get("/measures/path-norm").text
    chart = site.browser().get("/measures/path-norm/over-zoos.json").get_json()
    told = {(row["zoo"], row["metric"]): row["number"] for row in chart["data"]["values"]}
    assert told["Digits mlp", "CMI (score / 100)"] == 0.2
    assert told["Digits cnn", "CMI (score / 100)"] == 0.125
    costs = site.browser().get("/zoos/digits-mlp/scores-and-costs.json").get_json()
    assert [(row["name"], row["score"], row["seconds"]) for row in costs["data"]["values"]] == [
        ("Jacobian norm", 20, 0.25),
        ("Path norm", 20, 0.25),
    ]


def test_a_hidden_phase_and_a_hidden_zoo_have_no_page(site: Site) -> None:
    site.phase("hidden", zoos=("in-hidden",), hidden=True)
    site.zoo("secret", truth_public=False)
    phase = site.phase("main", competition="other", zoos=("secret", "open"))
    _ship(site, phase, "Path norm", cmi=(0.7, 0.2))
    for reader in (None, "ann", "olga"):
        browser = site.browser(reader)
        for name in ("in-hidden", "secret", "nowhere"):
            for page in ("", "/gap-by-axis.json", "/agreement.json", "/agreement.csv", "/scores-and-costs.json"):
                assert browser.get(f"/zoos/{name}{page}").status_code == 404
        for path in ("/zoos", "/measures", "/measures/path-norm", "/zoos/open"):
            page = browser.get(path).text
            assert "In hidden" not in page
            assert "Secret" not in page
            assert "70.00" not in page
    assert script(site).get("/public-zoos/secret").status_code == 404


def test_before_scores_are_shown_no_page_has_them(site: Site) -> None:
    phase = site.phase(shows_scores=ShowsScores.AFTER_CLOSE, closes_at=START.replace(year=2200))
    _ship(site, phase, "Path norm")
    assert "has not been evaluated here" in _text(site, "/measures/path-norm")
    assert "No baseline has been evaluated" in _text(site, "/zoos/digits-mlp")
    assert "There is nothing to show" in _text(site, f"{BOARD}/pictures")
    assert site.browser().get(f"{BOARD}/scores-and-costs.json").get_json()["data"]["values"] == []


def test_a_zoos_page_has_its_gaps_by_axis(site: Site) -> None:
    site.phase()
    networks = site.truth("digits-mlp").values()
    chart = site.browser().get("/zoos/digits-mlp/gap-by-axis.json").get_json()
    assert len(chart["data"]["values"]) == 3 * len(networks)
    wide = [one["metrics"] for one in networks if one["hyperparameters"]["width"] == 64]
    mean = sum(one["train_acc"] - one["test_acc"] for one in wide) / len(wide)
    assert f"64 {mean:+.4f}" in _text(site, "/zoos/digits-mlp")


def test_measures_that_agree_are_told_with_their_correlation(site: Site) -> None:
    phase = site.phase()
    _ship(site, phase, "Path norm")
    _ship(site, phase, "Jacobian norm", lambda network, place: -the_gap(network, place))
    assert "Jacobian norm −1.00 reversed" in _text(site, "/measures/path-norm")
    chart = site.browser().get("/zoos/digits-mlp/agreement.json").get_json()
    assert {row["rho"] for row in chart["data"]["values"]} == {1, -1}
    table = site.browser().get("/zoos/digits-mlp/agreement.csv").text.splitlines()
    assert table[0] in ("measure,Jacobian norm,Path norm", "measure,Path norm,Jacobian norm")
    assert site.browser().get("/zoos/digits-mlp/agreement.json?target=test_error").status_code == 404


def test_the_result_of_a_submission_names_the_baseline_that_it_resembles(site: Site) -> None:
    phase = site.phase()
    _ship(site, phase, "Path norm")
    _ship(site, phase, "Jacobian norm", lambda _network, place: float(place * 7 % 5))
    submission = site.submission(phase, site.ann, cmi=(0.2, 0.1), name="My idea")
    _give(site, submission, lambda network, place: 2 * the_gap(network, place))
    page = _text(site, f"/submissions/{submission}")
    assert page.count("Its order of these networks is almost that of a baseline: Path norm (ρ = +1.00).") == 2
    assert 'href="/measures/path-norm"' in site.browser().get(f"/submissions/{submission}").text
    told = script(site).get(f"/submissions/{submission}/zoos/digits-mlp/similar").get_json()
    assert [one["measure"] for one in told["items"]] == ["path-norm", "jacobian-norm"]
    assert told["items"][0]["rho"] == pytest.approx(1)


def test_where_a_result_is_not_told_neither_is_what_it_resembles(site: Site) -> None:
    phase = site.phase(uses_ladder=True)
    _ship(site, phase, "Path norm")
    submission = site.submission(phase, site.ann, cmi=(0.2, 0.1))
    for reader in (None, "ann", "bob"):
        assert "baseline" not in _text(site, f"/submissions/{submission}", reader)
        path = f"/submissions/{submission}/zoos/digits-mlp/similar"
        assert script(site, reader).get(path).status_code == 404
    assert "baseline" in _text(site, f"/submissions/{submission}", "olga")


def test_what_one_resembles_in_words() -> None:
    measure = find_baseline("path-norm")
    assert measure is not None
    said = [similarity_sentence([Similar(measure, rho)]) for rho in (0.99, -0.99, 0.8, 0.2)]
    assert said == [
        "Its order of these networks is almost that of a baseline: Path norm (ρ = +0.99).",
        "Its order of these networks is almost the reverse of that of a baseline: Path norm (ρ = −0.99).",
        "The most similar baseline is Path norm (ρ = +0.80).",
        "It resembles none of the baselines; the most similar one is Path norm (ρ = +0.20).",
    ]


def test_a_shipped_measure_is_submitted_from_its_page(site: Site) -> None:
    site.phase()
    site.phase("closed", closes_at=START.replace(year=2026, month=4))
    page = site.browser().get("/measures/path-norm").text
    (address,) = re.findall(r'href="([^"]+/submit\?[^"]+)"', page)
    assert site.browser().get(unescape(address)).status_code == 302  # to log in first
    ann = site.browser("ann")
    form = unescape(ann.get(unescape(address)).text)
    assert baseline_source("Path norm").decode() in form
    assert 'value="Path norm"' in form
    assert 'name="filename" value="path_norm.py"' in form
    fields = {"name": "Path norm", "code": baseline_source("Path norm").decode(), "filename": "path_norm.py"}
    assert ann.post(unescape(address).partition("?")[0], fields).status_code == 302
    with site.db.read() as session:
        (sent,) = session.scalars(select(SubmissionRecord))
        assert (sent.name, sent.filename, sent.is_baseline) == ("Path norm", "path_norm.py", False)
    assert ann.get(unescape(address).replace("path-norm", "no-measure")).status_code == 404


def test_a_board_in_pictures_has_entrants_and_baselines_with_their_costs(site: Site) -> None:
    phase = site.phase()
    own, shipped = site.submission(phase, site.ann, cmi=(0.4, 0.2), name="My idea"), _ship(site, phase, "Path norm")
    _ship(site, phase, "Jacobian norm", cmi=(0.1, 0.1))
    page = _text(site, f"{BOARD}/pictures")
    assert "1 My idea ann 30.00 0.25 s 2 Path norm baseline 15.00 0.25 s" in page
    assert "How far the baselines agree on Digits mlp" in page
    chart = site.browser().get(f"{BOARD}/scores-and-costs.json").get_json()
    assert [(row["name"], row["kind"]) for row in chart["data"]["values"]] == [
        ("My idea", "submission"),
        ("Path norm", "baseline"),
        ("Jacobian norm", "baseline"),
    ]
    told = script(site).get("/competitions/demo/phases/main/leaderboard/costs").get_json()["items"]
    assert [one["submission"] for one in told[:2]] == [own, shipped]
    assert f'href="{BOARD}/pictures"' in site.browser().get(BOARD).text


def test_the_api_tells_the_same_as_the_pages(site: Site) -> None:
    phase = site.phase()
    submission = _ship(site, phase, "Path norm", cmi=(0.2, 0.125))
    site.phase("errors", zoos=("digits-mlp",), target="test_error")
    visitor = script(site)
    first, second = (visitor.get(f"/measures?per_page=50&page={page}").get_json() for page in (1, 2))
    assert [one["name"] for one in first["items"] + second["items"]] == [one.slug for one in BASELINES]
    one = visitor.get("/measures/path-norm").get_json()
    assert one["code"].encode() == baseline_source("Path norm")
    found = {(result["zoo"], result["target"]): result for result in one["results"]}
    assert found.keys() == {("digits-mlp", "gap"), ("digits-cnn", "gap")}
    assert found["digits-cnn", "gap"]["score"] == 12.5
    assert found["digits-cnn", "gap"]["submission"] == submission
    assert found["digits-cnn", "gap"]["seconds"] == 0.25
    zoos = visitor.get("/public-zoos").get_json()
    assert [(zoo["name"], zoo["target"], len(zoo["results"])) for zoo in zoos["items"]] == [
        ("digits-cnn", "gap", 1),
        ("digits-mlp", "gap", 1),
        ("digits-mlp", "test_error", 0),
    ]
    targets = visitor.get("/public-zoos/digits-mlp").get_json()["items"]
    assert [zoo["target"] for zoo in targets] == ["gap", "test_error"]
    agreement = visitor.get("/public-zoos/digits-mlp/agreement").get_json()
    assert (agreement["measures"], agreement["rho"]) == (["path-norm"], [[pytest.approx(1)]])
    assert visitor.get("/public-zoos/digits-mlp/agreement?target=loss").status_code == 404


def test_a_zoo_with_two_targets_has_both_on_its_page(site: Site) -> None:
    site.phase()
    phase = site.phase("errors", zoos=("digits-mlp",), target="test_error")
    _ship(site, phase, "Path norm", cmi=(0.3,))
    page = _text(site, "/zoos/digits-mlp")
    assert "Measures that predict the generalization gap" in page
    assert "Measures that predict the test error" in page
    assert "Digits mlp (test error)" in _text(site, "/measures/path-norm")
    chart = site.browser().get("/zoos/digits-mlp/scores-and-costs.json?target=test_error").get_json()
    assert [row["score"] for row in chart["data"]["values"]] == [30]
