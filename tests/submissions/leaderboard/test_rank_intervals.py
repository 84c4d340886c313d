"""Rank intervals on record: those that scoring finds, kept apart from the versions of a board."""

from sqlalchemy import select

from scoring import Jackknife
from scoring import rank_intervals as found_by_scoring
from submissions.leaderboard import board_page, rank_intervals, standings
from submissions.storage.records import PhaseRecord, StandingRecord, SubmissionRecord
from tests.records import Records
from tests.scoring.jackknives import of_mean

SHARED = (0.0, 0.02, -0.02, 0.01, -0.01, 0.03)


def _around(mean: float, spread: float = 0.1) -> Jackknife:
    return of_mean([mean + number * spread for number in SHARED])


def _intervals(records: Records, phase_id: int) -> dict[str, tuple[int | None, int | None]]:
    with records.db.read() as session:
        rows = session.scalars(select(StandingRecord).where(StandingRecord.phase_id == phase_id))
        return {row.entrant: (row.rank_lowest, row.rank_highest) for row in rows}


def _is_current(records: Records, phase_id: int) -> bool:
    with records.db.read() as session:
        phase = session.get_one(PhaseRecord, phase_id)
        return phase.intervals_version == phase.board_version


def test_intervals_are_what_scoring_finds_of_the_submissions_that_count(records: Records) -> None:
    phase = records.phase()
    jackknives = {
        f"e{place}": {"a": _around(mean), "b": _around(mean, 1 - 2 * (place % 2))}
        for place, mean in enumerate((0.5, 0.49, 0.3, 0.1))
    }
    for entrant, by_zoo in jackknives.items():
        records.submission(phase, entrant=entrant, jackknives=list(by_zoo.values()))
    records.submission(phase, entrant="e0", cmi=(0.1, 0.1))
    assert not _is_current(records, phase)
    assert rank_intervals.catch_up(records.db) == 1
    expected = {entrant: (one.lowest, one.highest) for entrant, one in found_by_scoring(jackknives).items()}
    assert len(set(expected.values())) > 1
    assert _intervals(records, phase) == expected
    assert _is_current(records, phase)
    assert rank_intervals.catch_up(records.db) == 0


def test_after_a_change_the_others_keep_theirs_until_new_ones_are_there(records: Records) -> None:
    phase = records.phase(zoos=("digits-mlp",))
    records.submission(phase, records.ann, jackknives=[_around(0.3)])
    records.submission(phase, records.bob, jackknives=[_around(0.1)])
    rank_intervals.catch_up(records.db)
    ann, bob = f"u{records.ann}", f"u{records.bob}"
    assert _intervals(records, phase) == {ann: (1, 1), bob: (2, 2)}
    records.submission(phase, records.bob, jackknives=[_around(0.5)])
    assert _intervals(records, phase) == {ann: (1, 1), bob: (None, None)}
    with records.db.read() as session:
        board = board_page.page(session, phase)
    assert board.has_old_intervals
    assert [(row.rank, row.lowest, row.highest) for row in board.rows] == [(1, None, None), (2, 1, 2)]
    rank_intervals.catch_up(records.db)
    assert _intervals(records, phase) == {ann: (2, 2), bob: (1, 1)}


def test_what_has_no_jackknife_and_what_is_only_for_reading_are_left_out(records: Records) -> None:
    phase = records.phase(zoos=("digits-mlp",))
    records.submission(phase, entrant="e1", jackknives=[_around(0.3)])
    records.submission(phase, entrant="e2", cmi=(0.2,))
    records.submission(phase, entrant="b1", is_baseline=True, is_reference=True, jackknives=[_around(0.5)])
    rank_intervals.catch_up(records.db)
    assert _intervals(records, phase) == {"e1": (1, 1), "e2": (None, None), "b1": (None, None)}
    assert _is_current(records, phase)


def test_of_submissions_on_different_networks_most_are_compared(records: Records) -> None:
    phase = records.phase(zoos=("digits-mlp",))
    for entrant, mean in (("e1", 0.3), ("e2", 0.1)):
        records.submission(phase, entrant=entrant, jackknives=[_around(mean)])
    records.submission(phase, entrant="old", jackknives=[of_mean([0.1, 0.2, 0.3])])
    rank_intervals.catch_up(records.db)
    assert _intervals(records, phase) == {"e1": (1, 1), "e2": (2, 2), "old": (None, None)}


def test_an_empty_board_is_up_to_date_at_once(records: Records) -> None:
    phase = records.phase(zoos=("digits-mlp",))
    submission = records.submission(phase, records.ann, jackknives=[_around(0.3)])
    with records.db.write() as session:
        one = session.get_one(SubmissionRecord, submission)
        one.is_hidden = True
        standings.update(session, one)
    rank_intervals.catch_up(records.db)
    assert _is_current(records, phase)
    assert _intervals(records, phase) == {}
