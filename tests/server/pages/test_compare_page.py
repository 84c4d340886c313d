"""Two submissions side by side, for readers who may see both in full."""

import json
import re
from datetime import timedelta
from html import escape

import pytest

from model_zoo.manifest import NetworkTruth
from scoring import compare
from server.presentation.result_sentences import difference_sentence
from submissions.results.jackknives import jackknives_of
from tests.records import START
from tests.results import score, the_gap
from tests.server.site import Site


def _noise(network: NetworkTruth, place: int) -> float:
    return float(place * 7 % 5)


@pytest.fixture
def two(site: Site) -> tuple[int, int]:
    """A good measure of ann's and a bad one of bob's."""
    phase = site.phase()
    good = site.submission(phase, site.ann, cmi=(0.1, 0.2), name="Margins")
    bad = site.submission(phase, site.bob, cmi=(0.1, 0.2), name="Dice")
    score(site, good)
    score(site, bad, _noise)
    return good, bad


def _options(page: str) -> dict[str, list[str]]:
    """Of each select: the values it offers."""
    selects = re.findall(r'<select id="([ab])".*?</select>', page, re.S)
    bodies = re.findall(r'<select id="[ab]".*?</select>', page, re.S)
    return {name: re.findall(r'<option value="(\d+)"', body) for name, body in zip(selects, bodies, strict=True)}


def test_the_paired_test_in_a_sentence_and_in_numbers(site: Site, two: tuple[int, int]) -> None:
    good, bad = two
    with site.db.read() as session:
        found = jackknives_of(session, [good, bad])
    expected = compare(found[good], found[bad])
    page = site.browser().get(f"/compare?a={good}&b={bad}").text
    assert escape(difference_sentence("Margins", "Dice", expected)) in page
    assert expected.p_value <= 0.05
    assert f"{expected.difference:+.2f} <small>± {expected.standard_error:.1f}</small>" in page
    for zoo in found[good]:
        of_zoo = compare({zoo: found[good][zoo]}, {zoo: found[bad][zoo]})
        assert f"{of_zoo.difference:+.2f} <small>± {of_zoo.standard_error:.1f}</small>".replace("-", "−") in page
    mirrored = site.browser().get(f"/compare?a={bad}&b={good}").text
    assert escape(difference_sentence("Margins", "Dice", expected)) in mirrored


def test_the_form_offers_ones_own_and_the_leaders_but_never_one_twice(site: Site, two: tuple[int, int]) -> None:
    good, bad = two
    phase = site.phase("other", zoos=("digits-mlp",))
    older = site.submission(1, site.ann, cmi=(0.01, 0.01))
    site.submission(phase, site.ann, cmi=(0.5,))
    site.submission(1, site.bob, done=1)
    assert _options(site.browser("ann").get(f"/compare?a={good}").text) == {
        "a": [str(good), str(older), str(bad)],
        "b": [str(older), str(bad)],
    }
    assert _options(site.browser().get(f"/compare?a={good}&b={bad}").text) == {"a": [str(good)], "b": [str(bad)]}


def test_alone_in_its_phase_there_is_nothing_to_choose(site: Site) -> None:
    alone = site.submission(site.phase(), site.ann, cmi=(0.1, 0.2))
    page = site.browser().get(f"/compare?a={alone}").text
    assert "There is no other scored submission in this phase" in page
    assert "<select" not in page


def test_without_anything_to_compare_the_page_says_how(site: Site) -> None:
    assert "follow “Compare with another”" in site.browser().get("/compare").text


def test_measures_of_different_phases_are_not_compared(site: Site, two: tuple[int, int]) -> None:
    elsewhere = site.submission(site.phase("other"), site.ann, cmi=(0.3, 0.4))
    score(site, elsewhere)
    page = site.browser("olga").get(f"/compare?a={two[0]}&b={elsewhere}").text
    assert "in different phases" in page
    assert 'id="scores"' not in page


def test_what_has_no_score_is_not_compared(site: Site, two: tuple[int, int]) -> None:
    running = site.submission(1, site.bob, done=1, name="Slow")
    for path in (f"/compare?a={running}", f"/compare?a={two[0]}&b={running}"):
        page = site.browser().get(path).text
        assert "Slow has no score yet" in page
        assert 'id="scores"' not in page


def test_without_what_the_test_needs_nothing_is_claimed(site: Site, two: tuple[int, int]) -> None:
    old = site.submission(1, site.bob, cmi=(0.3, 0.4), name="Old")
    page = site.browser().get(f"/compare?a={two[0]}&b={old}").text
    assert "cannot be tested yet: a worker must first add" in page
    assert "35.00" in page


def test_two_of_one_name_are_told_apart(site: Site) -> None:
    phase = site.phase()
    first, second = (site.submission(phase, site.ann, cmi=(0.1, 0.2), name="Same") for _ in range(2))
    score(site, first)
    score(site, second, _noise)
    assert (
        f"Same (#{first}) is better than Same (#{second})" in site.browser().get(f"/compare?a={first}&b={second}").text
    )


@pytest.mark.parametrize("query", ["a=0", "a=x", "a=-1", "a=99999", "a=99999999999999999999", "a=1&b=99999", "a=²"])
def test_what_does_not_exist_is_not_compared(site: Site, two: tuple[int, int], query: str) -> None:
    assert site.browser().get(f"/compare?{query}").status_code == 404
    assert site.browser().get(f"/compare/digits-mlp.json?{query}").status_code == 404


@pytest.mark.parametrize(
    ("fields", "readers"),
    [
        ({"uses_ladder": True}, {"olga"}),
        ({"freezes_at": START - timedelta(days=1)}, {"olga"}),
        ({}, {"ann", "bob", "olga"}),
    ],
)
def test_only_who_sees_both_in_full_may_compare(site: Site, fields: dict[str, object], readers: set[str]) -> None:
    phase = site.phase(**fields)  # type: ignore[arg-type]
    both = site.submission(phase, site.ann, cmi=(0.1, 0.2)), site.submission(phase, site.bob, cmi=(0.1, 0.2))
    for submission in both:
        score(site, submission)
    for person in ("ann", "bob", "olga"):
        browser = site.browser(person)
        page = browser.get(f"/compare?a={both[0]}&b={both[1]}").text
        chart = browser.get(f"/compare/digits-mlp.json?a={both[0]}&b={both[1]}").status_code
        assert ('id="scores"' in page, chart) == ((True, 200) if person in readers else (False, 404)), person
        assert ("are not shown in full" in page) == (person not in readers)


def test_a_hidden_submission_is_compared_by_its_owner_and_organizers(site: Site, two: tuple[int, int]) -> None:
    hidden = site.submission(1, site.ann, cmi=(0.1, 0.2), is_hidden=True)
    answers = [
        site.browser(person).get(f"/compare?a={two[1]}&b={hidden}").status_code
        for person in (None, "bob", "ann", "olga")
    ]
    assert answers == [404, 404, 200, 200]


def test_value_against_value_on_public_zoos_alone(site: Site, two: tuple[int, int]) -> None:
    good, bad = two
    answer = site.browser().get(f"/compare/digits-mlp.json?a={good}&b={bad}")
    values = json.loads(answer.data)["data"]["values"]
    gaps = [one["metrics"]["train_acc"] - one["metrics"]["test_acc"] for one in site.truth("digits-mlp").values()]
    assert sorted(round(row["target"], 9) for row in values) == sorted(round(gap, 9) for gap in gaps)
    phase = site.phase("secret", zoos=("hidden-mlp",), truth_public=False)
    secret = [site.submission(phase, site.ann, cmi=(0.1,)) for _ in range(2)]
    for submission in secret:
        score(site, submission, the_gap)
    page = site.browser("olga").get(f"/compare?a={secret[0]}&b={secret[1]}").text
    assert 'id="scores"' in page
    assert 'id="values"' not in page
    path = f"/compare/hidden-mlp.json?a={secret[0]}&b={secret[1]}"
    assert site.browser("olga").get(path).status_code == 404
