"""What everybody is told of the shipped measures: results on public zoos of public phases, and nothing else."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event

from submissions.baselines import BASELINES, Baseline, baseline_source
from submissions.competitions.phase_zoos import detach_zoo
from submissions.leaderboard import board_page
from submissions.leaderboard.board_costs import board_costs
from submissions.leaderboard.model import Query
from submissions.results.known_measures import ZooResults, known_results, mean_seconds, newest, phases_for
from submissions.storage.database import Database
from submissions.storage.records import PhaseRecord, ShowsScores, SubmissionRecord, ValueRecord, utc_now
from tests.records import START, Records
from tests.results import score

pytestmark = pytest.mark.both_databases

NORM = "Squared norm"
LONG_AFTER = START + timedelta(days=36500)


def _known(records: Records) -> tuple[ZooResults, ...]:
    with records.db.read() as session:
        return known_results(session)


def _told(records: Records) -> list[tuple[str, str, list[int]]]:
    """Of each zoo: its name, its target, and the submissions that are told."""
    return [(one.zoo.name, one.zoo.target, [result.submission_id for result in one.results]) for one in _known(records)]


def _shipped(records: Records, phase: int, name: str = NORM, *, cmi: tuple[float, ...] = (0.2,), **fields: Any) -> int:
    values = {"is_baseline": True, "name": name, **fields}
    return records.submission(phase, records.system, cmi=cmi, **values)


@contextmanager
def _counted(db: Database) -> Iterator[list[str]]:
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        statements.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    yield statements
    event.remove(db.engine, "before_cursor_execute", note)


def test_the_shipped_measures_are_listed_best_first_and_nobody_elses(records: Records) -> None:
    phase = records.phase(zoos=("zoo",))
    worse, better = _shipped(records, phase, "Path norm", cmi=(0.1,)), _shipped(records, phase, cmi=(0.3,))
    records.submission(phase, records.ann, cmi=(0.9,), name="Squared norm")
    _shipped(records, phase, "A measure of the organizers", cmi=(0.8,))
    _shipped(records, phase, "Jacobian norm", is_hidden=True)
    _shipped(records, phase, "Gradient variance", is_disqualified=True)
    (one,) = _known(records)
    assert [(result.submission_id, result.measure.name, result.score) for result in one.results] == [
        (better, NORM, 30.0),
        (worse, "Path norm", 10.0),
    ]
    assert (one.zoo.name, one.zoo.networks, one.zoo.phase_ids) == ("zoo", 12, (phase,))


@pytest.mark.parametrize(
    "settings",
    [
        {"hidden": True},
        {"truth_public": False},
        {"truth_public": False, "is_revealed": True},  # not even then: the zoo's truth is no public one
        {"zoos": ()},
    ],
    ids=["hidden phase", "hidden truth", "revealed", "no zoo"],
)
def test_what_is_not_public_is_no_public_zoo(records: Records, settings: dict[str, Any]) -> None:
    zoos: tuple[str, ...] = settings.get("zoos", ("zoo",))
    phase = records.phase(**{"zoos": zoos, **settings})
    _shipped(records, phase, cmi=(0.2,) * len(zoos) or (0.2,))
    assert _told(records) == []


@pytest.mark.parametrize(
    "settings",
    [
        {"shows_scores": ShowsScores.AFTER_CLOSE, "closes_at": LONG_AFTER},
        {"freezes_at": START},
    ],
    ids=["scores after the close", "frozen"],
)
def test_what_a_phase_withholds_is_not_told_here_either(records: Records, settings: dict[str, Any]) -> None:
    _shipped(records, records.phase(zoos=("zoo",), **settings))
    assert _told(records) == [("zoo", "gap", [])]


def test_beside_a_secret_zoo_results_on_the_public_one_are_told(records: Records) -> None:
    records.zoo("secret", truth_public=False)
    phase = records.phase(zoos=("secret", "open"))
    submission = _shipped(records, phase, cmi=(0.7, 0.2))
    assert _told(records) == [("open", "gap", [submission])]


def test_the_ladder_withholds_nothing_of_the_shipped_measures(records: Records) -> None:
    submission = _shipped(records, records.phase(zoos=("zoo",), uses_ladder=True))
    assert _told(records) == [("zoo", "gap", [submission])]


def test_a_zoo_that_the_phase_has_left_is_gone(records: Records) -> None:
    phase = records.phase(zoos=("zoo", "other"))
    submission = _shipped(records, phase, cmi=(0.2, 0.3))
    with records.db.write() as session:  # the board waits for no worker here
        left = session.get_one(PhaseRecord, phase).zoos[1].id
    detach_zoo(records.db, phase, left, None)
    assert [name for name, *_ in _told(records)] == ["zoo"]
    assert all(submission not in told for _, _, told in _told(records))  # it is evaluated again


def test_each_target_has_results_of_its_own(records: Records) -> None:
    gap = _shipped(records, records.phase(zoos=("zoo",)))
    other = _shipped(records, records.phase("errors", zoos=("zoo",), target="test_error"))
    assert _told(records) == [("zoo", "gap", [gap]), ("zoo", "test_error", [other])]


def test_a_result_of_todays_code_goes_before_a_newer_one_of_other_code(records: Records) -> None:
    digest = hashlib.sha256(baseline_source(NORM)).hexdigest()
    first, second = records.phase(zoos=("zoo",)), records.phase("second", zoos=("zoo",))
    newer = _shipped(records, second, hours=2)
    assert _told(records) == [("zoo", "gap", [newer])]
    current = _current(records, first, digest)
    _shipped(records, second, hours=3)
    assert _told(records) == [("zoo", "gap", [current])]
    assert [result.is_current for result in _known(records)[0].results] == [True]


def _current(records: Records, phase: int, digest: str) -> int:
    submission = _shipped(records, phase)
    with records.db.write() as session:
        session.get_one(SubmissionRecord, submission).bundle_sha256 = digest
    return submission


def test_pages_show_the_newest_version_of_a_zoo(records: Records) -> None:
    records.phase(zoos=("zoo",))
    second = records.next_version("zoo")
    phase = records.phase("second", zoos=("other",))
    with records.db.write() as session:
        session.get_one(PhaseRecord, phase).zoo_links[0].zoo_id = second
    listed = _known(records)
    assert [(one.zoo.name, one.zoo.version) for one in listed] == [("zoo", 2), ("zoo", 1)]
    assert [(one.zoo.name, one.zoo.version) for one in newest(listed)] == [("zoo", 2)]


def test_chance_comes_from_what_scoring_has_recorded(records: Records) -> None:
    phase = records.phase(zoos=("zoo",))
    assert [one.zoo.chance for one in _known(records)] == [None]
    submission = _shipped(records, phase)
    score(records, submission)
    (one,) = _known(records)
    with records.db.read() as session:
        report = session.get_one(SubmissionRecord, submission).evaluations[0].report
    assert report is not None
    assert one.zoo.chance is not None
    assert one.zoo.chance.random_floor == 100 * report["references"]["random_floor"]["mean"]
    assert one.results[0].tau_error == report["kendall"]["standard_error_a"]
    with records.db.read() as session:
        assert mean_seconds(session, [one.results[0].evaluation_id]) == {one.results[0].evaluation_id: 0.25}


@pytest.mark.parametrize("others", [1, 30])
def test_the_cost_does_not_grow_with_the_submissions(records: Records, others: int) -> None:
    phase = records.phase(zoos=("zoo",))
    _shipped(records, phase)
    for hours in range(others):
        records.submission(phase, records.ann, cmi=(0.2,), hours=hours)
    with _counted(records.db) as statements:
        assert len(_known(records)[0].results) == 1
    assert len([one for one in statements if one.startswith("SELECT")]) == 3


def test_a_measure_is_offered_to_open_public_phases_that_have_what_it_needs(records: Records) -> None:
    records.phase("upcoming", zoos=("zoo",), opens_at=LONG_AFTER)
    records.phase("closed", zoos=("zoo",), closes_at=START + timedelta(hours=1))
    records.phase("hidden", zoos=("zoo",), hidden=True)
    phase = records.phase("open", zoos=("zoo",))

    def offered(measure: Baseline) -> list[int]:
        with records.db.read() as session:
            return [one.id for one in phases_for(session, measure)]

    needing = next(one for one in BASELINES if one.needs)
    assert offered(BASELINES[0]) == [phase]
    assert offered(needing) == []
    with records.db.write() as session:
        session.get_one(PhaseRecord, phase).zoos[0].offers = list(needing.needs)
    assert offered(needing) == [phase]


def _costs(records: Records, phase_id: int) -> dict[int, float]:
    with records.db.read() as session:
        phase = session.get_one(PhaseRecord, phase_id)
        return dict(board_costs(session, phase, board_page.page(session, phase_id, Query(size=None))))


def test_a_boards_costs_are_those_on_public_zoos(records: Records) -> None:
    records.zoo("secret", truth_public=False)
    phase = records.phase(zoos=("secret", "open"))
    own, shipped = records.submission(phase, records.ann, cmi=(0.5, 0.5)), _shipped(records, phase, cmi=(0.1, 0.1))
    with records.db.write() as session:
        secret = session.get_one(SubmissionRecord, own).evaluations[0].id
        for value in session.query(ValueRecord).where(ValueRecord.evaluation_id == secret):
            value.wall_s = 1000.0
    assert _costs(records, phase) == {own: 0.25, shipped: 0.25}


def test_with_the_ladder_only_shipped_measures_have_a_cost(records: Records) -> None:
    phase = records.phase(zoos=("zoo",), uses_ladder=True)
    records.submission(phase, records.ann, cmi=(0.5,))
    shipped = _shipped(records, phase)
    assert _costs(records, phase) == {shipped: 0.25}


def test_a_board_that_is_withheld_tells_no_costs(records: Records) -> None:
    closing = utc_now() + timedelta(hours=1)
    phase = records.phase(zoos=("zoo",), shows_scores=ShowsScores.AFTER_CLOSE, closes_at=closing)
    records.submission(phase, records.ann, cmi=(0.5,))
    assert _costs(records, phase) == {}
