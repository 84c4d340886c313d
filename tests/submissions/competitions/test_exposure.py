"""What an organizer must confirm: every change that makes something visible, and no other."""

from datetime import timedelta
from typing import Any

import pytest

from model_zoo.checks.report import CheckReport, Item, Verdict
from scoring.decisions.ladder import down_to_step, in_steps
from submissions.competitions.exposure import (
    UnconfirmedError,
    exposed_by_settings,
    exposed_by_zoo,
    require_confirmation,
)
from submissions.competitions.phases import PhasePlan
from submissions.storage.records import ShowsScores, Tells, ZooRecord, utc_now
from tests.records import START

LATER, LATEST = (START + timedelta(days=days) for days in (1, 2))


def _said(
    before: dict[str, Any], after: dict[str, Any], secret_zoos: int, *, has_scores: bool = False
) -> tuple[str, ...]:
    old, new = (PhasePlan("Phase", START).changed(settings).settings() for settings in (before, after))
    return tuple(exposed_by_settings(old, new, secret_zoos, has_scores=has_scores))


def _said_of_zoo(*, truth_public: bool = False, key: Verdict | None = Verdict.OK, **settings: Any) -> tuple[str, ...]:
    zoo = ZooRecord(name="tiny", title="", manifest_sha256="", networks=4, truth_public=truth_public)
    items = [] if key is None else [Item(name="key", verdict=key, text="")]
    zoo.report = CheckReport(zoo="tiny", title="", manifest_sha256=None, items=items).model_dump(mode="json")
    return tuple(exposed_by_zoo(zoo, PhasePlan("Phase", START).changed(settings).settings()))


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ({"hidden": True}, {}, "Everybody sees the phase"),
        ({"uses_ladder": True}, {}, "Without the Ladder"),
        ({"freezes_at": LATER}, {}, "the freeze keeps back"),
        ({"freezes_at": LATER}, {"freezes_at": LATEST}, "the freeze keeps back"),
        ({"shows_scores": ShowsScores.AFTER_CLOSE}, {}, "not only after the phase closes"),
        ({}, {"shows_logs": True}, "print everything that it sees"),
        ({}, {"is_revealed": True}, "all numbers of every result"),
        (
            {"score_step": 5.0},
            {"score_step": 1.0},
            "up to 13 bits about the zoos with hidden truth, instead of",
        ),
        ({}, {"tells": Tells.METRICS}, "instead of up to 13 bits"),
        ({"tells": Tells.METRICS}, {"tells": Tells.EVERYTHING}, "give away everything that it sees"),
    ],
)
def test_a_protection_that_is_turned_off_is_named(before: dict[str, Any], after: dict[str, Any], words: str) -> None:
    (sentence,) = _said(before, after, 2)
    assert words in sentence
    assert _said(after, before, 2) == ()


@pytest.mark.parametrize(
    "after",
    [{"shows_logs": True}, {"is_revealed": True}, {"score_step": 0.5}, {"tells": Tells.METRICS}],
)
def test_without_a_secret_truth_there_is_nothing_to_confirm(after: dict[str, Any]) -> None:
    assert _said({}, after, 0) == ()


def test_an_earlier_end_that_shows_the_scores_is_named() -> None:
    later = {"shows_scores": ShowsScores.AFTER_CLOSE}
    (sentence,) = _said(later, later | {"closes_at": LATEST}, 0)
    assert "now" in sentence


def test_an_earlier_end_of_withheld_scores_is_named() -> None:
    now = utc_now()
    late, early = ({"shows_scores": ShowsScores.AFTER_CLOSE, "closes_at": now + timedelta(days=n)} for n in (9, 8))
    (sentence,) = _said(late, early, 0)
    assert f"from {early['closes_at']:%Y-%m-%d %H:%M} UTC on" in sentence
    assert _said(early, late, 0) == ()
    (without_end,) = _said(early | {"closes_at": None}, early, 0)
    assert without_end == sentence


@pytest.mark.parametrize(
    ("old", "new", "is_named"),
    [(1.0, 1.3, True), (1.3, 1.7, True), (1.0, 2.0, True), (1.0, 3.0, False), (1.0, 5.0, False), (1.0, 7.0, True)],
)
def test_larger_steps_with_new_boundaries_are_named_once_there_are_scores(
    old: float, new: float, is_named: bool
) -> None:
    before, after = {"score_step": old}, {"score_step": new}
    assert [f"Steps of {new:g} points" in one for one in _said(before, after, 1, has_scores=True)] == [True] * is_named
    assert _said(before, after, 1) == ()
    assert _said(before, after, 0, has_scores=True) == ()
    for told in ({"is_revealed": True}, {"tells": Tells.EVERYTHING}):
        assert _said(before | told, after | told, 1, has_scores=True) == ()


@pytest.mark.parametrize("old", [1.0, 1.3, 5.0])
@pytest.mark.parametrize("new", [1.3, 2.6, 3.0, 3.9, 5.0, 7.0, 9.1, 10.0, 15.0, 25.0])
def test_steps_that_are_not_named_tell_nothing_that_the_old_ones_did_not(old: float, new: float) -> None:
    if new <= old:
        return
    for rounded, uses_ladder in ((in_steps, False), (down_to_step, True)):
        told: dict[float, set[float]] = {}
        for score in (0.0125 + number / 40 for number in range(4000)):  # on no boundary
            told.setdefault(rounded(score, old), set()).add(rounded(score, new))
        before = {"uses_ladder": uses_ladder}
        said = _said(before | {"score_step": old}, before | {"score_step": new}, 1, has_scores=True)
        assert bool(said) is any(len(both) > 1 for both in told.values())


def test_a_zoo_tells_more_than_by_default_with_smaller_steps_or_more_metrics() -> None:
    assert _said_of_zoo(score_step=1.0) == _said_of_zoo(score_step=5.0) == ()
    assert _said_of_zoo(truth_public=True, score_step=0.1, tells=Tells.METRICS) == ()
    for told, bits in (({"score_step": 0.1}, "up to 10 bits"), ({"tells": Tells.EVERYTHING}, "everything")):
        (sentence,) = _said_of_zoo(**told)
        assert bits in sentence


@pytest.mark.parametrize("key", [Verdict.WARNING, None])
def test_a_hidden_zoo_whose_check_found_no_key_is_named(key: Verdict | None) -> None:
    (sentence,) = _said_of_zoo(key=key)
    assert "tiny@1 has a hidden truth, and no check has found its key" in sentence
    assert _said_of_zoo(key=key, truth_public=True) == ()


def test_smaller_steps_of_the_ladder_are_named_whatever_the_truth() -> None:
    ladder = {"uses_ladder": True, "score_step": 5.0}
    (sentence,) = _said(ladder, ladder | {"score_step": 1.0}, 0)
    assert "smaller steps" in sentence
    assert _said(ladder, ladder | {"score_step": 10.0}, 0) == ()


def test_smaller_steps_of_a_revealed_phase_show_nothing_more() -> None:
    revealed = {"is_revealed": True}
    assert _said(revealed, revealed | {"score_step": 0.5, "tells": Tells.EVERYTHING}, 1) == ()


def test_what_is_not_confirmed_is_refused_with_all_sentences() -> None:
    with pytest.raises(UnconfirmedError) as refused:
        require_confirmation(["One.", "Two."], confirmed=False)
    assert refused.value.exposed == ("One.", "Two.")
    assert refused.value.messages == {"confirmed": "Confirm what becomes visible. One. Two."}
    require_confirmation(["One."], confirmed=True)
    require_confirmation([], confirmed=False)
