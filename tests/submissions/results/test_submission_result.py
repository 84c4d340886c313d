"""What a reader may know of a result: the read model behind pages, pictures, downloads and the API."""

from collections.abc import Callable

import pytest
from sqlalchemy.exc import NoResultFound

from model_zoo.manifest import NetworkTruth
from submissions.leaderboard.comparison import leading_offers, own_offers
from submissions.results.disclosure import Reader, Sight
from submissions.results.submission_result import Result, result
from submissions.storage.database import Database
from submissions.storage.records import StandingRecord, SubmissionRecord, Tells
from submissions.storage.roles import PERMISSIONS, Role
from tests.records import AXES, START, Records
from tests.results import noticeable_zoo, score

Seen = Callable[..., Result | None]
VISITOR = Reader()


@pytest.fixture
def seen(records: Records) -> Seen:
    def see(submission_id: int, reader: Reader = VISITOR) -> Result | None:
        with records.db.read() as session:
            return result(session, submission_id, reader)

    return see


def _reversed(network: NetworkTruth, place: int) -> float:
    return network.metrics["test_acc"]


def test_all_of_a_result_is_what_was_stored(records: Records, seen: Seen) -> None:
    submission_id = records.submission(records.phase(), cmi=(0.1, 0.2))
    score(records, submission_id)
    found = seen(submission_id)
    assert found is not None
    with records.db.read() as session:
        submission = session.get_one(SubmissionRecord, submission_id)
        stored = [one for one in submission.evaluations if one.attempt == submission.attempt]
        assert (found.score, found.standard_error) == (submission.score, submission.standard_error)
        assert found.counts
        for zoo, evaluation in zip(found.zoos, stored, strict=True):
            report = evaluation.report
            assert report is not None
            assert zoo.report is not None
            assert zoo.score == 100 * report["cmi"]["minimum"]
            assert [one.axes for one in zoo.report.sets if one.attains] == [tuple(report["cmi"]["attained_by"])]
            assert zoo.report.p_value == report["permutation"]["p_value"]
            assert zoo.report.floor_mean == 100 * report["references"]["random_floor"]["mean"]
            assert [one.axis for one in zoo.report.psi_by_axis] == list(AXES)
            assert zoo.direction == 1
    assert found.oracle == sum(zoo.report.oracle or 0.0 for zoo in found.zoos if zoo.report is not None) / 2


@pytest.mark.parametrize("is_owner", [False, True])
def test_a_part_of_a_result_is_the_released_score_or_nothing(records: Records, seen: Seen, is_owner: bool) -> None:
    submission_id = records.submission(records.phase(uses_ladder=True, freezes_at=START), cmi=(0.1, 0.2))
    score(records, submission_id)
    with records.db.write() as session:
        session.query(StandingRecord).update({"rank_lowest": 1, "rank_highest": 2})
        shown = session.get_one(SubmissionRecord, submission_id).shown_score
    found = seen(submission_id, Reader(is_owner))
    assert found is not None
    assert (found.zoos, found.standard_error, found.rank_lowest, found.rank_highest) == ((), None, None, None)
    assert found.score == (shown if is_owner else None)
    assert shown is not None


def test_of_a_secret_truth_scores_are_told_in_steps(records: Records, seen: Seen) -> None:
    phase = records.phase(zoos=("hidden", "also-hidden"), truth_public=False, score_step=5.0)
    submission_id = records.submission(phase, cmi=(0.1, 0.2))
    score(records, submission_id)
    for is_owner in (False, True):
        found = seen(submission_id, Reader(is_owner))
        assert found is not None
        assert (found.sight, found.step, found.standard_error, found.rank_lowest) == (Sight.STEPS, 5.0, None, None)
        numbers = [found.score, *(zoo.score for zoo in found.zoos)]
        assert all(number is not None and number % 5 == 0 for number in numbers)
        for zoo in found.zoos:
            assert (zoo.standard_error, zoo.kendall_tau, zoo.psi, zoo.times, zoo.report) == (None, None, None, (), None)
            assert zoo.in_steps
    whole = seen(submission_id, Reader(permissions=PERMISSIONS[Role.ORGANIZER]))
    assert whole is not None
    assert whole.sight is Sight.ALL
    assert all(zoo.report is not None and not zoo.in_steps for zoo in whole.zoos)


def test_of_a_phase_with_both_kinds_of_zoo_the_public_ones_are_told_in_full(records: Records, seen: Seen) -> None:
    records.zoo("hidden", truth_public=False)
    submission_id = records.submission(records.phase(zoos=("digits-mlp", "hidden")), cmi=(0.1, 0.2))
    score(records, submission_id)
    found = seen(submission_id)
    assert found is not None
    assert found.sight is Sight.STEPS
    assert [(zoo.in_steps, zoo.report is None) for zoo in found.zoos] == [(False, False), (True, True)]


def test_an_organizer_may_widen_what_is_told(records: Records, seen: Seen) -> None:
    phase = records.phase(zoos=("hidden",), truth_public=False, tells=Tells.METRICS)
    submission_id = records.submission(phase, cmi=(0.1,))
    score(records, submission_id)
    found = seen(submission_id)
    assert found is not None
    (zoo,) = found.zoos
    assert zoo.kendall_tau is not None
    assert zoo.kendall_tau == round(zoo.kendall_tau, 3)
    assert (zoo.score, zoo.standard_error, zoo.report) == (round(zoo.score), None, None)


def test_axes_of_a_secret_truth_have_letters_for_all_but_organizers(records: Records, seen: Seen) -> None:
    submission_id = records.submission(
        records.phase(zoos=("hidden",), truth_public=False, is_revealed=True), cmi=(0.1,)
    )
    score(records, submission_id)
    organizer = Reader(permissions=PERMISSIONS[Role.ORGANIZER])
    for reader, names in ((VISITOR, ["axis A", "axis B", "axis C"]), (organizer, list(AXES))):
        sees_secrets = reader is organizer
        found = seen(submission_id, reader)
        assert found is not None
        (zoo,) = found.zoos
        assert zoo.report is not None
        assert zoo.names_axes == sees_secrets
        assert [one.axis for one in zoo.report.psi_by_axis] == names
        assert {axis for one in zoo.report.sets for axis in one.axes} == set(names)
        assert zoo.report.sign_errors is not None
        assert {one.axis for one in zoo.report.sign_errors.by_axis} == set(names)


def test_changes_are_named_where_the_axes_may_be(records: Records, seen: Seen) -> None:
    for public, expected in ((True, [("width", "16", "32"), ("learning rate", "0.1", "0.5")]), (False, [])):
        zoo = noticeable_zoo(records, f"zoo-{public}".lower(), truth_public=public)
        submission_id = records.submission(
            records.phase(f"phase-{public}", zoos=(zoo,), truth_public=public, is_revealed=True), cmi=(0.1,)
        )
        score(records, submission_id)
        found = seen(submission_id)
        assert found is not None
        report = found.zoos[0].report
        assert report is not None
        assert report.sign_errors is not None
        assert (report.sign_errors.surviving, report.sign_errors.total) == (2, 68 if public else None)
        assert report.sign_errors.cdf[-1].share == 1
        assert [(one.axis, one.first, one.second) for one in report.sign_errors.changes] == expected


def test_a_reversed_measure_has_its_direction(records: Records, seen: Seen) -> None:
    submission_id = records.submission(records.phase(), cmi=(0.1, 0.2))
    score(records, submission_id, _reversed)
    found = seen(submission_id)
    assert found is not None
    assert [zoo.direction for zoo in found.zoos] == [-1, -1]


def test_there_is_no_result_before_the_score(records: Records, seen: Seen) -> None:
    assert seen(records.submission(records.phase(), done=3)) is None
    with pytest.raises(NoResultFound):
        seen(4711)


def test_offers_are_of_the_phase_and_scored(any_db: Database, records: Records) -> None:
    phase, other = records.phase(), records.phase("other")
    best = records.submission(phase, records.bob, cmi=(0.5, 0.6), name="best")
    good = records.submission(phase, records.ann, cmi=(0.3, 0.4), name="good")
    older = records.submission(phase, records.ann, cmi=(0.1, 0.1), name="older")
    records.submission(phase, records.ann, done=2)
    records.submission(phase, records.system, cmi=(0.9, 0.9), is_hidden=True, is_baseline=True)
    records.submission(other, records.ann, cmi=(0.7, 0.7))
    with any_db.read() as session:
        assert [one.submission_id for one in own_offers(session, phase, records.ann, VISITOR)] == [older, good]
        assert [(one.submission_id, one.score) for one in leading_offers(session, phase, VISITOR)] == [
            (best, 55.0),
            (good, 35.0),
        ]
