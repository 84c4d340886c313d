"""Boards in a few numbers: who counts, what leads, and a phase without a board."""

from submissions.leaderboard.summaries import BoardSummary, board_summaries
from tests.records import Records


def test_people_baselines_and_the_best_score_are_counted(records: Records) -> None:
    phase, empty = records.phase(), records.phase("empty")
    records.submission(phase, records.ann, cmi=(0.1, 0.3))
    records.submission(phase, records.ann, cmi=(0.2, 0.4))
    records.submission(phase, records.bob, cmi=(0.1, 0.1))
    records.submission(phase, records.system, cmi=(0.0, 0.1), is_baseline=True)
    records.submission(phase, records.system, cmi=(0.9, 0.9), is_baseline=True, is_reference=True)
    with records.db.read() as session:
        assert board_summaries(session, [phase, empty]) == {phase: BoardSummary(entrants=2, baselines=1, best=30.0)}


def test_what_is_hidden_does_not_count(records: Records) -> None:
    phase = records.phase()
    records.submission(phase, records.ann, cmi=(0.9, 0.9), is_hidden=True)
    with records.db.read() as session:
        assert board_summaries(session, [phase]) == {}
