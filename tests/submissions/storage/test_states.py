"""The transition table against its statement in the design."""

import pytest

from submissions.storage.states import SENTENCES, Event, Reason, State, next_state, sources

OPEN = {State.QUEUED, State.RUNNING}
ALLOWED = {
    Event.CLAIMED: ({State.QUEUED}, State.RUNNING),
    Event.SCORED: (OPEN, State.SCORED),
    Event.MEASURE_FAILED: (OPEN, State.FAILED),
    Event.USER_CANCELLED: (OPEN, State.CANCELLED),
    Event.GAVE_UP: (OPEN, State.BROKEN),
    Event.RERUN: ({State.SCORED, State.FAILED, State.BROKEN}, State.QUEUED),
    Event.ZOOS_CHANGED: ({*OPEN, State.SCORED, State.FAILED, State.BROKEN}, State.QUEUED),
}


@pytest.mark.parametrize("event", list(Event))
@pytest.mark.parametrize("state", list(State))
def test_an_event_moves_only_the_states_it_may(state: State, event: Event) -> None:
    before, after = ALLOWED[event]
    assert next_state(state, event) == (after if state in before else None)
    assert set(sources(event)) == before


def test_every_reason_has_a_sentence() -> None:
    assert set(SENTENCES) == set(Reason)
