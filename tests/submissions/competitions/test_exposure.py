"""What an organizer must confirm: every change that makes something visible, and no other."""

from datetime import timedelta
from typing import Any

import pytest

from submissions.competitions.exposure import UnconfirmedError, exposed_by_settings, require_confirmation
from submissions.competitions.phases import PhasePlan
from submissions.storage.records import ShowsScores, Tells
from tests.records import START

LATER, LATEST = (START + timedelta(days=days) for days in (1, 2))


def _said(before: dict[str, Any], after: dict[str, Any], secret_zoos: int) -> tuple[str, ...]:
    old, new = (PhasePlan("Phase", START).changed(settings).settings() for settings in (before, after))
    return tuple(exposed_by_settings(old, new, secret_zoos))


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
