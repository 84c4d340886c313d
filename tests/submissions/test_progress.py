"""What pages tell about a submission, on both databases."""

import pytest
from sqlalchemy.exc import NoResultFound

from submissions.points import zoo_points
from submissions.progress import Progress, progress, submissions_of
from submissions.states import SENTENCES, Reason, State
from tests.records import Records


def _progress(records: Records, submission_id: int, *, with_detail: bool = False) -> Progress:
    with records.db.read() as session:
        return progress(session, submission_id, with_detail=with_detail)


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
    assert _progress(records, submission, with_detail=True).detail == "KeyError in measure.py, line 3"


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
        assert point.truth == metrics["train_acc"] - metrics["test_acc"]
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


def test_a_users_list_is_their_own_newest_first(records: Records) -> None:
    phase = records.phase()
    older = records.submission(phase, records.ann, cmi=(0.1, 0.2))
    records.submission(phase, records.bob)
    newer = records.submission(phase, records.ann, reason=Reason.CRASHED, hours=1)
    with records.db.read() as session:
        listed = submissions_of(session, records.ann)
    assert [(one.submission_id, one.state, one.reason, one.score) for one in listed] == [
        (newer, State.FAILED, Reason.CRASHED, None),
        (older, State.SCORED, None, 15.0),
    ]
    assert listed[0].phase_title == "Main phase"
