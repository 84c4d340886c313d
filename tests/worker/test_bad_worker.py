"""A worker that can do nothing, beside one that can: every submission is judged."""

from pathlib import Path

from submissions.settings import Settings
from submissions.storage.states import State
from tests.services import wait_until
from tests.worker.worker_processes import has_ended, prepared, worker


def test_what_a_worker_with_a_wrong_home_has_failed_is_scored_by_another_at_once(
    settings: Settings, tiny_zoo: Path, tmp_path: Path
) -> None:
    own = {"home": tmp_path / "wrong", "database_url": settings.effective_database_url, "worker_slots": 1}
    wrong = Settings(**(settings.model_dump() | own))
    wrong.make_home()
    with prepared(settings, tiny_zoo) as competition, worker(wrong) as bad:
        submission_id = competition.submit(competition.user())
        wait_until(lambda: [bool(run.tries) for run in competition.runs()] == [True] * 8, "a try of every run")
        assert competition.submission(submission_id).state is State.RUNNING
        with competition.db.write() as session:  # the bad worker's pause does not end in this test
            for run in competition.runs():
                assert run.not_before is not None
                session.merge(run).not_before = run.not_before.replace(year=run.not_before.year + 1)
        with worker(settings):
            wait_until(has_ended(competition, submission_id), "the submission")
        assert competition.submission(submission_id).state is State.SCORED
        assert competition.runs() == []  # each went with its value
        assert "our fault" in bad.log.read_text()
