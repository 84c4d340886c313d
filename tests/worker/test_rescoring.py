"""A worker gives evaluations that were scored before reports were kept theirs."""

from pathlib import Path

import pytest
from sqlalchemy import update

from submissions.settings import Settings
from submissions.storage.records import EvaluationRecord
from submissions.storage.states import State
from tests.services import wait_until
from tests.worker.worker_processes import prepared, worker


@pytest.mark.thorough
def test_a_sweep_reports_what_was_scored_before(settings: Settings, tiny_zoo: Path, other_zoo: Path) -> None:
    with prepared(settings, tiny_zoo, other_zoo) as competition:
        submission_id = competition.submit(competition.user())
        competition.work_through()
        reports = [evaluation.report for evaluation in competition.evaluations(submission_id)]
        with competition.db.write() as session:
            session.execute(update(EvaluationRecord).values(report=None, granulated_kendall=None, standard_error=None))

        def told() -> list[object]:
            return [evaluation.report for evaluation in competition.evaluations(submission_id)]

        with worker(settings):
            wait_until(lambda: None not in told(), "both reports")
        assert told() == reports
        assert None not in reports
        assert competition.submission(submission_id).state is State.SCORED
