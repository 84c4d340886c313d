"""Opening and changing phases: what is set is kept, what makes no sense is told, and who did it is on record."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from submissions.competitions.exposure import UnconfirmedError
from submissions.competitions.phases import (
    NewCompetition,
    PhaseError,
    PhasePlan,
    change_phase,
    open_phase,
    phase_list,
    plan_of,
    ready_zoos,
)
from submissions.people.accounts import create_organizer
from submissions.storage.audit import acts
from submissions.storage.database import Database
from submissions.storage.limits import Limits
from submissions.storage.records import (
    CompetitionRecord,
    PhaseRecord,
    ShowsScores,
    SubmissionRecord,
    TimeRule,
    ZooRecord,
    ZooState,
)
from tests.records import Records
from tests.scoring.jackknives import of_mean

MARCH = datetime(2027, 3, 1, tzinfo=UTC)
PLAN = PhasePlan(title="Final", opens_at=MARCH, closes_at=MARCH + timedelta(days=30))


@pytest.fixture
def records(any_db: Database, tmp_path: Path) -> Records:
    return Records(any_db, tmp_path)


def open_one(records: Records, *, plan: PhasePlan = PLAN, slug: str = "final", **changed: object) -> int:
    chosen: dict[str, object] = {
        "competition_slug": "spring",
        "phase_slug": slug,
        "plan": plan,
        "zoo_ids": [] if "zoo_ids" in changed else [records.zoo(name) for name in ("digits-mlp", "digits-cnn")],
        "user_id": None,
        "new_competition": NewCompetition("Spring", "Who orders them best?"),
    }
    return open_phase(records.db, **(chosen | changed))  # type: ignore[arg-type]


def messages_of(records: Records, **changed: object) -> dict[str, str]:
    with pytest.raises(PhaseError) as caught:
        open_one(records, **changed)  # type: ignore[arg-type]
    return caught.value.messages


def test_a_phase_is_opened_with_its_competition_over_zoos_in_order(records: Records) -> None:
    phase_id = open_one(records)
    with records.db.read() as session:
        phase = session.get_one(PhaseRecord, phase_id)
        assert (phase.competition.slug, phase.competition.title, phase.slug) == ("spring", "Spring", "final")
        assert [zoo.name for zoo in phase.zoos] == ["digits-mlp", "digits-cnn"]
        assert plan_of(phase) == PLAN


def test_a_second_phase_comes_into_the_competition_that_is_there(records: Records) -> None:
    open_one(records)
    open_one(records, slug="second", new_competition=None)
    with records.db.read() as session:
        assert len(session.scalars(select(CompetitionRecord)).all()) == 1
        assert {listed.phase.slug for listed in phase_list(session)} == {"final", "second"}


def test_who_opened_and_changed_what_is_on_record(records: Records) -> None:
    olga = create_organizer(records.db, "olga", "correct horse battery")
    phase_id = open_one(records, user_id=olga)
    change_phase(records.db, phase_id, replace(PLAN, daily_quota=3, hidden=True), user_id=olga)
    with records.db.read() as session:
        told = [(act.user_name, act.act, act.detail) for act in acts(session, phase_id=phase_id)]
    assert told == [
        ("olga", "changed", "daily_quota, hidden"),
        ("olga", "attached", ""),
        ("olga", "attached", ""),
        ("olga", "opened", "spring/final"),
    ]


def test_a_change_is_kept_whole_and_one_that_makes_no_sense_not_at_all(records: Records) -> None:
    phase_id = open_one(records)
    wanted = PhasePlan(
        title="Longer",
        opens_at=MARCH,
        limits=Limits(wall_s=1.5, memory_bytes=2**30, processes=3),
        time_rule=TimeRule.POOLED,
        daily_quota=1,
        smoke_networks=0,
        repeat_networks=5,
        shows_logs=True,
    )
    change_phase(records.db, phase_id, wanted, user_id=None)
    with pytest.raises(PhaseError):
        change_phase(records.db, phase_id, replace(wanted, title="Worse", limits=Limits(wall_s=-1.0)), user_id=None)
    with records.db.read() as session:
        assert plan_of(session.get_one(PhaseRecord, phase_id)) == wanted


def test_each_field_that_makes_no_sense_is_told(records: Records) -> None:
    plan = PhasePlan(
        title="",
        opens_at=MARCH,
        closes_at=MARCH,
        limits=Limits(wall_s=float("nan"), memory_bytes=1),
        daily_quota=0,
        total_quota=0,
        score_step=0.05,
        shows_scores=ShowsScores.AFTER_CLOSE,
        smoke_networks=-1,
        repeat_networks=1000,
    )
    told = messages_of(records, plan=plan, slug="Final phase", competition_slug="../x", zoo_ids=[])
    assert told.keys() == {
        *("title", "closes_at", "wall_s", "memory_bytes", "daily_quota", "smoke_networks", "repeat_networks"),
        *("total_quota", "score_step", "slug", "competition", "zoos"),
    }


@pytest.mark.parametrize(("step", "is_right"), [(0.1, True), (0.25, True), (25.0, True), (25.5, False), (0.333, False)])
def test_a_step_of_scores_has_bounds_and_two_decimals(step: float, is_right: bool) -> None:
    assert ("score_step" not in PhasePlan(title="P", opens_at=MARCH, score_step=step).faults()) == is_right


def test_scores_that_are_shown_after_the_end_need_an_end() -> None:
    plan = PhasePlan(title="P", opens_at=MARCH, shows_scores=ShowsScores.AFTER_CLOSE)
    assert plan.faults().keys() == {"shows_scores"}
    assert replace(plan, closes_at=MARCH + timedelta(days=1)).faults() == {}


def test_another_step_decides_anew_what_is_shown(records: Records) -> None:
    phase_id = records.phase(zoos=("digits-mlp",), uses_ladder=True)
    made = records.submission(phase_id, jackknives=[of_mean([0.233] * 4)])
    with records.db.read() as session:
        plan = plan_of(session.get_one(PhaseRecord, phase_id))
    for step, shown in ((1.0, 23.0), (5.0, 20.0), (0.1, 23.3)):
        change_phase(records.db, phase_id, replace(plan, score_step=step), user_id=None, confirmed=True)
        with records.db.read() as session:
            assert session.get_one(SubmissionRecord, made).shown_score == shown


def test_larger_steps_are_confirmed_once_a_submission_was_scored(records: Records) -> None:
    phase_id = records.phase(zoos=("secret",), truth_public=False)
    with records.db.read() as session:
        plan = plan_of(session.get_one(PhaseRecord, phase_id))
    for step in (1.3, 1.0):  # smaller again: confirmed
        change_phase(records.db, phase_id, replace(plan, score_step=step), user_id=None, confirmed=step == 1.0)
    made = records.submission(phase_id, cmi=(0.2,))
    records.next_attempt(made)  # the earlier attempt's score has been seen
    with pytest.raises(UnconfirmedError, match="other boundaries"):
        change_phase(records.db, phase_id, replace(plan, score_step=1.3), user_id=None)
    change_phase(records.db, phase_id, replace(plan, score_step=3.0), user_id=None)


def test_names_that_are_taken_or_unknown_are_told(records: Records) -> None:
    open_one(records)
    assert "There is a competition spring already" in messages_of(records, slug="next")["competition"]
    assert "has a phase final already" in messages_of(records, new_competition=None)["slug"]
    unknown = messages_of(records, competition_slug="autumn", new_competition=None)
    assert unknown["competition"] == "There is no competition autumn."


def test_a_zoo_that_is_not_ready_cannot_be_opened(records: Records) -> None:
    zoo_id = records.zoo("digits-mlp")
    with records.db.write() as session:
        session.get_one(ZooRecord, zoo_id).state = ZooState.REFUSED
    with records.db.read() as session:
        assert ready_zoos(session) == ()
    assert "refused" in messages_of(records, zoo_ids=[zoo_id])["zoos"]
    assert "no zoo with id 999" in messages_of(records, zoo_ids=[999])["zoos"]
    with records.db.read() as session:
        assert session.scalars(select(PhaseRecord)).all() == []


def test_a_phase_asks_only_for_what_all_of_its_zoos_can_tell(records: Records) -> None:
    wanted = replace(PLAN, target="loss_gap")
    assert "has no target loss_gap; it has gap" in messages_of(records, plan=wanted)["zoos"]
    phase_id = open_one(records)
    with pytest.raises(PhaseError, match="has no target loss_gap; it has gap"):
        change_phase(records.db, phase_id, wanted, user_id=None)
    _offer(records, "loss_gap")
    change_phase(records.db, phase_id, wanted, user_id=None)
    with records.db.read() as session:
        assert session.get_one(PhaseRecord, phase_id).target == "loss_gap"


def test_a_phase_with_submissions_keeps_its_target(records: Records) -> None:
    phase_id = open_one(records)
    _offer(records, "loss_gap")
    records.submission(phase_id)
    with pytest.raises(PhaseError, match="has submissions already"):
        change_phase(records.db, phase_id, replace(PLAN, target="loss_gap"), user_id=None)
    change_phase(records.db, phase_id, replace(PLAN, title="Last"), user_id=None)


def _offer(records: Records, target: str) -> None:
    with records.db.write() as session:
        for zoo in session.scalars(select(ZooRecord)):
            zoo.targets = [*zoo.targets, target]
