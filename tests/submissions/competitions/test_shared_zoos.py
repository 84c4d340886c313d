"""Two phases over one hidden zoo: the second must not show what the first withholds, unless that is confirmed."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from submissions.competitions.exposure import UnconfirmedError
from submissions.competitions.phase_zoos import attach_zoo, detach_zoo, replace_zoo
from submissions.competitions.phases import PhasePlan, change_phase, open_phase, plan_of
from submissions.storage.database import Database
from submissions.storage.records import PhaseRecord, ShowsScores, Tells, ZooNetworkRecord, ZooRecord, utc_now
from tests.records import START, Records

WITHHELD = {"shows_scores": ShowsScores.AFTER_CLOSE, "closes_at": utc_now() + timedelta(days=9)}
FROZEN = {"freezes_at": START + timedelta(days=1)}
KEYED = {"items": [{"name": "key", "verdict": "ok", "text": "", "advice": ""}]}


@pytest.fixture
def records(any_db: Database, tmp_path: Path) -> Records:
    return Records(any_db, tmp_path)


def _changed(records: Records, zoo_id: int, **values: Any) -> int:
    with records.db.write() as session:
        for name, value in values.items():
            setattr(session.get_one(ZooRecord, zoo_id), name, value)
    return zoo_id


def _zoo(records: Records, name: str = "secret") -> int:
    return _changed(records, records.zoo(name, truth_public=False), report=KEYED)


def _newer(records: Records, *, truth_public: bool) -> int:
    return _changed(records, records.next_version("secret"), truth_public=truth_public, report=KEYED)


def _open(records: Records, zoo_id: int, settings: dict[str, Any]) -> int:
    return open_phase(
        records.db,
        competition_slug="demo",
        phase_slug="second",
        plan=PhasePlan("Second", START).changed(settings),
        zoo_ids=[zoo_id],
        user_id=None,
    )


def _refused(act: Callable[[], object]) -> str:
    with pytest.raises(UnconfirmedError) as refused:
        act()
    (sentence,) = refused.value.exposed
    return sentence


@pytest.mark.parametrize(
    ("theirs", "own", "words"),
    [
        ({"uses_ladder": True}, {}, "Without the Ladder"),
        (WITHHELD, {}, "not only after the phase closes"),
        (FROZEN, {}, "the freeze keeps back"),
        ({}, {"score_step": 1.3}, "Steps of 1.3 points have other boundaries than steps of 1"),
        ({"score_step": 5.0}, {}, "instead of up to"),
    ],
)
def test_a_second_phase_that_shows_what_the_first_withholds_is_confirmed(
    records: Records, theirs: dict[str, Any], own: dict[str, Any], words: str
) -> None:
    _zoo(records)
    records.phase("first", zoos=("secret",), truth_public=False, **theirs)
    for zoo_id in (_zoo(records), _newer(records, truth_public=False)):  # another version of the zoo is no way around
        sentence = _refused(partial(_open, records, zoo_id, own))
        assert sentence.startswith("The phase demo/first uses secret@1 too")
        assert words in sentence
    phase = records.phase("other", zoos=("open",), **own)
    assert words in _refused(lambda: attach_zoo(records.db, phase, _zoo(records), None))
    _open(records, _zoo(records), theirs)
    attach_zoo(records.db, phase, _zoo(records), None, confirmed=True)


def test_a_change_is_confirmed_once_and_not_again(records: Records) -> None:
    _zoo(records)
    records.phase("first", zoos=("secret",), truth_public=False, uses_ladder=True)
    second = records.phase("second", zoos=("secret",), truth_public=False, uses_ladder=True)
    with records.db.read() as session:
        plan = plan_of(session.get_one(PhaseRecord, second)).changed({"uses_ladder": False})
    with pytest.raises(UnconfirmedError) as refused:
        change_phase(records.db, second, plan, user_id=None)
    assert [one.startswith("The phase demo/first uses secret@1 too") for one in refused.value.exposed] == [False, True]
    change_phase(records.db, second, plan, user_id=None, confirmed=True)
    change_phase(records.db, second, plan.changed({"title": "The second"}), user_id=None)
    with pytest.raises(UnconfirmedError):
        change_phase(records.db, second, plan.changed({"tells": Tells.METRICS}), user_id=None)


def test_phases_over_other_zoos_ask_nothing(records: Records) -> None:
    _zoo(records)
    records.phase("first", zoos=("secret", "open"), truth_public=False, uses_ladder=True)
    _changed(records, records.zoo("open"), truth_public=True)
    _open(records, records.zoo("open"), {"score_step": 0.1})
    attach_zoo(records.db, records.phase("other", zoos=("open",)), _zoo(records, "own"), None)


def test_a_zoo_replaced_by_a_version_that_tells_more_is_confirmed(records: Records) -> None:
    old = _zoo(records)
    second = records.phase("second", zoos=("secret",), truth_public=False, score_step=0.5)
    newer = _newer(records, truth_public=False)
    assert "up to 8 bits about secret@2" in _refused(lambda: replace_zoo(records.db, second, old, newer, None))


def test_a_public_version_of_a_zoo_that_phases_hide_is_confirmed(records: Records) -> None:
    old = _zoo(records)
    phases = [records.phase(slug, zoos=("secret",), truth_public=False) for slug in ("first", "second")]
    newer = _newer(records, truth_public=True)
    other = records.phase("other", zoos=("open",))
    acts: list[Callable[[], object]] = [
        lambda: replace_zoo(records.db, phases[0], old, newer, None),
        lambda: attach_zoo(records.db, other, newer, None),
    ]
    for act in acts:
        sentence = _refused(act)
        assert sentence.startswith("The truth of secret@2 is public")
        assert sentence.endswith(
            "hide the truth of a version or copy of this zoo: demo/first (secret@1), demo/second (secret@1)."
        )
    for phase in phases:
        replace_zoo(records.db, phase, old, newer, None, confirmed=True)
    assert "demo/first (secret@1), demo/second (secret@1)" in _refused(acts[1])  # they have hidden it before
    attach_zoo(records.db, other, newer, None, confirmed=True)


def _copied(records: Records, zoo_id: int, *, ids: bool) -> int:
    """A public zoo under another name, with the ids of a zoo's networks, or with their weights."""
    copy = records.zoo("copy")
    with records.db.write() as session:
        networks = session.scalars(select(ZooNetworkRecord).where(ZooNetworkRecord.zoo_id == zoo_id)).all()
        for place, network in enumerate(networks):
            network.weights_sha256 = f"{place:064}"
            if ids:
                session.add(ZooNetworkRecord(zoo_id=copy, network_id=network.network_id))
            else:
                session.add(
                    ZooNetworkRecord(zoo_id=copy, network_id=f"copy {place}", weights_sha256=network.weights_sha256)
                )
    return copy


@pytest.mark.parametrize("ids", [True, False])
def test_a_public_copy_of_a_zoo_that_a_phase_has_hidden_is_confirmed(records: Records, ids: bool) -> None:
    hidden = _zoo(records)
    first = records.phase("first", zoos=("secret", "own"), truth_public=False)
    copy, other = _copied(records, hidden, ids=ids), records.phase("other", zoos=("open",))
    acts: list[Callable[[], object]] = [
        lambda: attach_zoo(records.db, other, copy, None),
        lambda: _open(records, copy, {}),
    ]
    for act in acts:
        assert _refused(act).endswith("of a version or copy of this zoo: demo/first (secret@1).")
    detach_zoo(records.db, first, hidden, None)
    for act in acts:  # what the phase has hidden is still secret
        assert _refused(act).endswith("of a version or copy of this zoo: demo/first (secret@1).")


@pytest.mark.parametrize("ids", [True, False])
def test_a_hidden_zoo_whose_copy_has_been_public_is_confirmed(records: Records, ids: bool) -> None:
    hidden = _zoo(records)
    copy, other = _copied(records, hidden, ids=ids), records.phase("other", zoos=("open",))
    _open(records, hidden, {})
    attach_zoo(records.db, other, copy, None, confirmed=True)
    sentence = _refused(lambda: attach_zoo(records.db, other, hidden, None))
    assert "phases have used it: copy@1. Who has downloaded it" in sentence
