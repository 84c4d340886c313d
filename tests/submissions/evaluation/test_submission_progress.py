"""What pages tell about a submission, on both databases."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.exc import NoResultFound

from submissions.evaluation.submission_progress import Progress, progress
from submissions.results.disclosure import Reader
from submissions.results.values_and_targets import zoo_points
from submissions.storage.records import PhaseRecord, SubmissionRecord, TeamRecord
from submissions.storage.roles import NOTHING as NOTHING_MORE
from submissions.storage.roles import PERMISSIONS, Role
from submissions.storage.states import SENTENCES, Reason, State
from tests.records import START, Records


def _progress(records: Records, submission_id: int, *, is_owner: bool = False) -> Progress:
    with records.db.read() as session:
        return progress(session, submission_id, Reader(is_owner))


def test_a_running_submission_tells_its_values_per_zoo(records: Records) -> None:
    told = _progress(records, records.submission(records.phase(), done=5, name="slow"))
    assert (told.name, told.user_name, told.state, told.score) == ("slow", "ann", State.RUNNING, None)
    assert [(zoo.name, zoo.done, zoo.networks, zoo.cmi) for zoo in told.zoos] == [
        ("digits-mlp", 5, 12, None),
        ("digits-cnn", 5, 12, None),
    ]
    assert (told.done, told.networks) == (10, 24)
    assert (told.zoos[0].mean_wall_s, told.zoos[0].longest_wall_s) == (0.25, 0.25)


def test_a_waiting_submission_has_no_values_and_no_times(records: Records) -> None:
    told = _progress(records, records.submission(records.phase()))
    assert (told.state, told.done, told.networks) == (State.QUEUED, 0, 24)
    assert (told.started_at, told.finished_at, told.zoos[0].mean_wall_s) == (None, None, None)


def test_scores_come_rounded(records: Records) -> None:
    told = _progress(records, records.submission(records.phase(), cmi=(0.123456, 0.3)))
    assert told.score == 21.17
    assert [(zoo.cmi, zoo.kendall_tau) for zoo in told.zoos] == [(12.35, 0.351), (30.0, 0.548)]


@pytest.mark.parametrize("reason", list(Reason))
def test_a_failure_has_its_sentence_for_all_and_its_detail_for_few(records: Records, reason: Reason) -> None:
    submission = records.submission(records.phase(), reason=reason, detail="KeyError in measure.py, line 3")
    told = _progress(records, submission)
    assert (told.sentence, told.detail) == (SENTENCES[reason], None)
    assert _progress(records, submission, is_owner=True).detail == "KeyError in measure.py, line 3"


def test_a_new_attempt_starts_from_nothing(records: Records) -> None:
    submission = records.submission(records.phase(zoos=("digits-mlp",)), cmi=(0.3,))
    records.next_attempt(submission)
    told = _progress(records, submission)
    assert (told.attempt, told.state, told.done, told.networks) == (2, State.QUEUED, 0, 12)


def test_an_unknown_submission_is_an_error(records: Records) -> None:
    with pytest.raises(NoResultFound):
        _progress(records, 7)


def test_points_pair_each_value_with_the_true_gap(records: Records) -> None:
    submission = records.submission(records.phase(), cmi=(0.3, 0.3))
    with records.db.read() as session:
        points = zoo_points(session, records.zoos, submission, "digits-mlp")
    assert points is not None
    assert points.axes == ("width", "learning rate", "weight.decay")
    assert [point.value for point in points.points] == [1.5 * index - 3 for index in range(12)]
    truth = records.truth("digits-mlp")
    for point in points.points:
        metrics = truth[point.network_id]["metrics"]
        assert point.truth == round(metrics["train_acc"] - metrics["test_acc"], 12)
        assert point.hyperparameters == truth[point.network_id]["hyperparameters"]


def test_a_secret_truth_an_unscored_zoo_and_another_zoo_have_no_points(records: Records) -> None:
    public = records.phase()
    secret = records.phase("secret", zoos=("hidden-mlp",), truth_public=False)
    running = records.submission(public, done=12)
    scored = records.submission(secret, cmi=(0.4,))
    with records.db.read() as session:
        assert zoo_points(session, records.zoos, running, "digits-mlp") is None
        assert zoo_points(session, records.zoos, scored, "hidden-mlp") is None
        assert zoo_points(session, records.zoos, scored, "digits-mlp") is None


OWNER, ORGANIZER, OTHER = "owner", "organizer", "other"
WHOLE, RELEASED, NOTHING = (21.17, 12.35, 0.351), (15.0, None, None), (None, None, None)
# What each reader sees of the score, the first zoo's score and its tau, by how the phase shows scores.
SEEN: dict[str, dict[str, tuple[float | None, ...]]] = {
    "plain": {OWNER: WHOLE, ORGANIZER: WHOLE, OTHER: WHOLE},
    "ladder": {OWNER: RELEASED, ORGANIZER: WHOLE, OTHER: RELEASED},
    "frozen": {OWNER: WHOLE, ORGANIZER: WHOLE, OTHER: NOTHING},
    "frozen ladder": {OWNER: RELEASED, ORGANIZER: WHOLE, OTHER: NOTHING},
    "frozen later": {OWNER: WHOLE, ORGANIZER: WHOLE, OTHER: WHOLE},
}
SCORED_AT = START + timedelta(seconds=42)
PHASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "ladder": {"uses_ladder": True},
    "frozen": {"freezes_at": SCORED_AT},
    "frozen ladder": {"uses_ladder": True, "freezes_at": SCORED_AT},
    "frozen later": {"freezes_at": SCORED_AT + timedelta(seconds=1)},
}


@pytest.mark.parametrize("reader", [OWNER, ORGANIZER, OTHER])
@pytest.mark.parametrize("kind", SEEN)
def test_a_reader_sees_of_a_score_what_the_phase_shows_them(records: Records, kind: str, reader: str) -> None:
    released = {"shown_score": 15.0, "lower_bound": 15.0, "is_released": True}
    submission = records.submission(records.phase(**PHASES[kind]), cmi=(0.123456, 0.3), **released)  # type: ignore[arg-type]
    with records.db.read() as session:
        permissions = PERMISSIONS[Role.ORGANIZER] if reader is ORGANIZER else NOTHING_MORE
        told = progress(session, submission, Reader(reader is OWNER, permissions))
    zoo = told.zoos[0]
    assert (told.score, zoo.cmi, zoo.kendall_tau) == SEEN[kind][reader]
    assert told.state is State.SCORED
    assert zoo.done == 12


def test_others_see_an_alias_or_the_team_and_the_owner_sees_both(records: Records) -> None:
    phase = records.phase()
    with records.db.write() as session:
        competition_id = session.get_one(PhaseRecord, phase).competition_id
        team = TeamRecord(competition_id=competition_id, name="Norms", name_key="norms", invite_key="k")
        session.add(team)
        session.flush()
        team_id = team.id
    alone = records.submission(phase)
    together = records.submission(phase, team_id=team_id)
    masked = records.submission(phase, team_id=team_id, alias="Moriarty", parent_id=alone)
    assert [_progress(records, one).user_name for one in (alone, together, masked)] == ["ann", "Norms", "Moriarty"]
    seen = _progress(records, masked)
    assert (seen.alias, seen.team_name, seen.parent_id) == (None, None, None)
    own = _progress(records, masked, is_owner=True)
    assert (own.user_name, own.alias, own.team_name, own.parent_id) == ("ann", "Moriarty", "Norms", alone)


def test_a_layer_holds_where_it_held_in_every_sandbox(records: Records) -> None:
    submission = records.submission(records.phase(), done=3)
    assert _progress(records, submission).layers == {}
    vectors = [{"seccomp": True, "landlock": True}, {"seccomp": True, "landlock": False}]
    with records.db.write() as session:
        for evaluation, vector in zip(session.get_one(SubmissionRecord, submission).evaluations, vectors, strict=True):
            evaluation.layers = vector
    assert _progress(records, submission).layers == {"seccomp": True, "landlock": False}
