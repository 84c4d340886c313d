"""What scoring says is kept with each evaluation: all of it, in one transaction, computed before that begins."""

import json
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update
from sqlalchemy.orm import Session

import scoring
from model_zoo import ZooTruth, open_zoo
from model_zoo.checks.report import CheckReport, Numbers, ReferenceNumbers, ok
from model_zoo.store import ZooStore
from submissions.evaluation import outcomes, queue, score_computation
from submissions.results.jackknives import jackknives_of
from submissions.storage.database import Database
from submissions.storage.records import EvaluationRecord, StandingRecord, SubmissionRecord, ValueRecord
from submissions.storage.states import State
from submissions.zoos.registry import record_check
from tests.factories import Competition
from tests.records import Records, write_zoo

pytestmark = pytest.mark.both_databases

NETWORKS = 12


def _values(db: Database, evaluation_id: int) -> dict[str, float]:
    with db.read() as session:
        rows = session.scalars(select(ValueRecord).where(ValueRecord.evaluation_id == evaluation_id))
        return {row.network_id: row.value for row in rows}


def _truth(competition: Competition, evaluation_id: int) -> scoring.Truth:
    with competition.db.read() as session:
        zoo = session.get_one(EvaluationRecord, evaluation_id).zoo
    return scoring.Truth.from_gengap(competition.zoos.truth(zoo.manifest_sha256).model_dump())


def test_an_evaluation_keeps_everything_that_scoring_says(competition: Competition) -> None:
    submission_id = competition.submit(competition.user())
    competition.work_through()
    reports = {}
    for evaluation in competition.evaluations(submission_id):
        truth = _truth(competition, evaluation.id)
        report = scoring.report(truth, _values(competition.db, evaluation.id), draws=score_computation.draws(truth))
        reports[str(evaluation.zoo_id)] = report
        assert evaluation.report is not None
        assert evaluation.report | {"references": None} == report.as_json()
        assert report.permutation is not None
        assert report.noise is not None
        assert report.jackknife is not None
        assert report.sign_error is not None
        assert (evaluation.cmi, evaluation.kendall_tau) == (report.cmi.minimum, report.kendall.tau_a)
        assert evaluation.standard_error == report.jackknife.standard_error
        assert evaluation.granulated_kendall == report.granulated.psi
        assert evaluation.sign_error == report.sign_error.mean
    submission = competition.submission(submission_id)
    together = scoring.competition(reports)
    assert submission.score == pytest.approx(together.score, abs=1e-12)
    assert submission.standard_error == pytest.approx(together.standard_error, abs=1e-12)
    with competition.db.read() as session:
        assert jackknives_of(session, [submission_id]) == {submission_id: together.jackknives}


def test_what_chance_and_the_hyperparameters_get_is_made_once_for_a_zoo(competition: Competition) -> None:
    user = competition.user()
    first, second = competition.submit(user), competition.submit(user, name="again")
    competition.work_through()
    kept = []
    for evaluation in competition.evaluations(first):
        found = scoring.references(_truth(competition, evaluation.id), draws=score_computation.PERMUTATIONS)
        floor = {"mean": found.random_floor.mean, "percentile_95": found.random_floor.percentile_95}
        kept.append({"random_floor": floor, "hyperparameter_oracle": found.hyperparameter_oracle})
    for submission_id in (first, second):
        assert [(one.report or {})["references"] for one in competition.evaluations(submission_id)] == kept


def test_references_of_a_zoos_check_come_first(competition: Competition) -> None:
    submission_id = competition.submit(competition.user())
    row = ReferenceNumbers(target="gap", random_floor=3.0, random_floor_percentile_95=7.5, hyperparameter_oracle=25.0)
    for evaluation in competition.evaluations(submission_id):
        report = CheckReport(zoo="tiny", title="", manifest_sha256=None, items=[ok("a", "b")], numbers=_numbers(row))
        record_check(competition.db, evaluation.zoo_id, report)
    competition.work_through()
    for evaluation in competition.evaluations(submission_id):
        assert (evaluation.report or {})["references"] == {
            "random_floor": {"mean": 0.03, "percentile_95": 0.075},
            "hyperparameter_oracle": 0.25,
        }


def _numbers(row: ReferenceNumbers) -> Numbers:
    return Numbers(networks=[], axes=[], references=[row])


class _Meeting(Database):
    """A database whose first two writers begin only once both have come: both have looked before either writes."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._barrier: threading.Barrier | None = threading.Barrier(2, timeout=60)

    @contextmanager
    def write(self) -> Iterator[Session]:
        barrier = self._barrier
        if barrier is not None:
            barrier.wait()
            self._barrier = None
        with super().write() as session:
            yield session


def test_of_two_last_values_at_once_one_scores(competition: Competition) -> None:
    submission_id = competition.submit(competition.user())
    claims: list[queue.Claim] = []
    while (claim := competition.claim(f"w{len(claims)}", batch=1)) is not None:
        claims.append(claim)
    of_zoo = [claim for claim in claims if claim.evaluation_id == claims[0].evaluation_id]
    for claim in of_zoo[2:]:
        assert competition.record(claim, claim.runs[0])
    meeting = _Meeting(competition.db.engine.url.render_as_string(hide_password=False))
    both = Competition(meeting, competition.store, competition.zoos, competition.phase_id)
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda claim: both.record(claim, claim.runs[0], 7.0), of_zoo[:2])) == [True, True]
    meeting.close()
    scored = [one for one in competition.evaluations(submission_id) if one.state is State.SCORED]
    assert [one.id for one in scored] == [claims[0].evaluation_id]
    values = _values(competition.db, scored[0].id)
    assert len(values) == scored[0].networks
    assert scored[0].cmi == scoring.report(_truth(competition, scored[0].id), values).cmi.minimum


class _OtherWriter(ZooStore):
    """A store that lets somebody else write to the database while the truth is fetched for a score."""

    def __init__(self, zoos: ZooStore, db: Database, submission_id: int) -> None:
        self._inner = zoos
        self._db = db
        self._submission_id = submission_id

    def truth(self, manifest_sha256: str) -> ZooTruth:
        with self._db.write() as session:
            session.get_one(SubmissionRecord, self._submission_id).name += "!"
        return self._inner.truth(manifest_sha256)


def test_a_score_is_computed_while_others_may_write(competition: Competition) -> None:
    submission_id = competition.submit(competition.user(), name="measure")
    zoos = _OtherWriter(competition.zoos, competition.db, submission_id)
    slow = Competition(competition.db, competition.store, zoos, competition.phase_id)
    assert slow.work_through() == 20
    assert competition.submission(submission_id).name == "measure!!"
    assert competition.submission(submission_id).state is State.SCORED


def test_a_submission_cancelled_while_its_score_is_computed_stays_cancelled(competition: Competition) -> None:
    submission_id = competition.submit(competition.user())

    class Cancelling(_OtherWriter):
        def truth(self, manifest_sha256: str) -> ZooTruth:
            outcomes.cancel(competition.db, submission_id)
            return self._inner.truth(manifest_sha256)

    zoos = Cancelling(competition.zoos, competition.db, submission_id)
    late = Competition(competition.db, competition.store, zoos, competition.phase_id)
    claim = late.claim()
    assert claim is not None
    assert [late.record(claim, run) for run in claim.runs] == [True] * (len(claim.runs) - 1) + [False]
    assert competition.submission(submission_id).state is State.CANCELLED
    assert {one.cmi for one in competition.evaluations(submission_id)} == {None}


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> ZooTruth:
    return open_zoo(write_zoo(tmp_path_factory.mktemp("zoo"), "digits-mlp")).truth()


@pytest.fixture(scope="module")
def one_scored(shared_db: Database, tmp_path_factory: pytest.TempPathFactory) -> int:
    """A scored submission on one zoo."""
    records = Records(shared_db, tmp_path_factory.mktemp("records"))
    return records.submission(records.phase(zoos=("digits-mlp",)), cmi=(0.5,))


@settings(max_examples=30)
@given(values=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=NETWORKS, max_size=NETWORKS))
def test_a_jackknife_comes_back_from_the_database_to_the_last_bit(
    shared_db: Database, truth: ZooTruth, one_scored: int, values: list[float]
) -> None:
    by_network = dict(zip(sorted(truth.networks), values, strict=True))
    stored = score_computation.score_evaluation(truth, "gap", by_network, references={})
    expected = scoring.report(scoring.Truth.from_gengap(truth.model_dump()), by_network).jackknife
    with shared_db.read() as session:
        session.execute(update(EvaluationRecord).values(**vars(stored)))
        (zoos,) = jackknives_of(session, [one_scored]).values()
    assert list(zoos.values()) == [expected]


def _forget(db: Database, submission_id: int) -> None:
    """Take away what was not kept before."""
    with db.write() as session:
        session.get_one(SubmissionRecord, submission_id).standard_error = None
        session.execute(
            update(EvaluationRecord).values(report=None, standard_error=None, granulated_kendall=None, sign_error=None)
        )


def _told(competition: Competition, submission_id: int) -> Mapping[str, object]:
    return {
        "submission": competition.submission(submission_id).standard_error,
        "evaluations": [
            {name: getattr(one, name) for name in score_computation.Scored.__dataclass_fields__}
            for one in competition.evaluations(submission_id)
        ],
    }


def test_what_was_scored_before_reports_were_kept_gets_its_own(competition: Competition) -> None:
    submission_id = competition.submit(competition.user())
    competition.work_through()
    told = _told(competition, submission_id)
    _forget(competition.db, submission_id)
    rescoring = score_computation.Rescoring(competition.db, competition.zoos)
    assert [rescoring.step(1), rescoring.step(1), rescoring.step(1)] == [1, 1, 0]
    assert json.dumps(_told(competition, submission_id)) == json.dumps(told)
    with competition.db.read() as session:
        (standing,) = session.scalars(select(StandingRecord))
        assert standing.standard_error == pytest.approx(competition.submission(submission_id).standard_error, abs=0.01)


def test_an_evaluation_whose_zoo_cannot_be_read_is_tried_once(competition: Competition, tmp_path: Path) -> None:
    submission_id = competition.submit(competition.user())
    competition.work_through()
    _forget(competition.db, submission_id)
    empty = ZooStore(str(tmp_path / "nothing"), tmp_path / "no-cache", 2**30)
    rescoring = score_computation.Rescoring(competition.db, empty)
    assert [rescoring.step(1), rescoring.step(1), rescoring.step(1)] == [0, 0, 0]
    assert competition.submission(submission_id).state is State.SCORED
    assert competition.submission(submission_id).standard_error is None


@pytest.mark.parametrize(
    ("shape", "permutations", "test_sets"),
    [((2, 2, 2, 3, 2, 2), 1000, 300), ((2,) * 9, 625, 300), ((3,) * 7, 0, 0), ((100, 10), 0, 0)],
)
def test_large_zoos_get_fewer_draws_or_none(shape: tuple[int, ...], permutations: int, test_sets: int) -> None:
    coordinates = np.stack(np.unravel_index(np.arange(np.prod(shape)), shape), axis=1)
    axes = {f"axis {i}": list(range(size)) for i, size in enumerate(shape)}
    truth = scoring.Truth.from_arrays(
        [f"n{i}" for i in range(len(coordinates))], np.arange(len(coordinates), dtype=np.float64), axes, coordinates
    )
    assert score_computation.draws(truth) == scoring.Draws(permutations, test_sets)
