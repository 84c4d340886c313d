"""Migrations end at the schema of the records, on both databases; writers of SQLite wait for each other."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from submissions.leaderboard import standings
from submissions.storage.database import Database
from submissions.storage.migrations import migrate
from submissions.storage.records import (
    PhaseRecord,
    Purpose,
    Record,
    ShowsScores,
    StandingRecord,
    SubmissionRecord,
    TeamPersonRecord,
    TimeRule,
    UserRecord,
    ValueRecord,
    ZooNetworkRecord,
    ZooState,
)

pytestmark = pytest.mark.both_databases

NOW = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def test_the_migrated_schema_is_the_schema_of_the_records(any_db: Database) -> None:
    with any_db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Record.metadata) == []


def test_migrating_again_changes_nothing(any_db: Database) -> None:
    with any_db.write() as session:
        session.add(UserRecord(name="ada", name_key="ada"))
    migrate(any_db)
    with any_db.read() as session:
        assert session.scalars(select(UserRecord.name)).all() == ["ada"]


def test_what_an_older_release_has_stored_outlives_the_migration(empty_db: Database) -> None:
    migrate(empty_db, "0001")
    rows: dict[str, dict[str, object]] = {
        "users": {"name": "ada", "name_key": "ada", "role": "participant", "session_key": ""},
        "zoos": {"name": "z", "title": "Z", "folder": "z", "manifest_sha256": "0", "networks": 1, "truth_public": True},
        "competitions": {"slug": "c", "title": "C", "text": ""},
        "phases": {"competition_id": 1, "slug": "p", "title": "P", "opens_at": NOW, "wall_s": 1.0, "memory_bytes": 1}
        | {"scratch_bytes": 1, "log_bytes": 1, "processes": 1, "daily_quota": 1, "shows_logs": True, "hidden": False},
        "submissions": {"phase_id": 1, "user_id": 1, "name": "m", "filename": "m.py", "bundle_sha256": "0"}
        | {"state": "scored", "score": 12.346, "attempt": 1, "priority": 0}
        | {"is_baseline": False, "is_hidden": False, "is_disqualified": False},
        "evaluations": {"submission_id": 1, "zoo_id": 1, "attempt": 1, "position": 0, "networks": 1, "state": "scored"},
        "runs": {"evaluation_id": 1, "network_id": "n", "position": 0, "state": "done", "tries": 1},
        "measure_values": {"evaluation_id": 1, "network_id": "n", "value": 0.5, "wall_s": 0.1, "recorded_at": NOW},
    }
    with empty_db.write() as session:
        for table, row in rows.items():
            if table in ("users", "zoos", "competitions", "submissions"):
                row["created_at"] = NOW
            names = ", ".join(row)
            session.execute(text(f"INSERT INTO {table} ({names}) VALUES (:{names.replace(', ', ', :')})"), row)
    migrate(empty_db)
    with empty_db.read() as session:
        (submission,) = session.scalars(select(SubmissionRecord)).all()
        assert submission.spends_quota
        assert (submission.phase.time_rule, submission.phase.smoke_networks) == (TimeRule.PER_NETWORK, 2)
        assert (submission.entrant, submission.shown_score, submission.track) == ("u1", 12.35, "standard")
        (standing,) = session.scalars(select(StandingRecord)).all()
        assert (standing.entrant, standing.submission_id, standing.shown_score, standing.scored) == ("u1", 1, 12.35, 1)
        (evaluation,) = submission.evaluations
        assert evaluation.purpose is Purpose.SCORE
        assert session.scalars(select(ValueRecord.value)).all() == [0.5]
        zoo = evaluation.zoo
        assert (zoo.label, zoo.state, zoo.report, zoo.legacy_folder) == ("z@1", ZooState.READY, None, "z")
        assert (zoo.weight_bytes, zoo.bytes, zoo.source, zoo.created_by_id) == ({}, 0, "", None)
    with pytest.raises(IntegrityError), empty_db.write() as session:  # foreign keys are minded again
        session.execute(text("UPDATE measure_values SET evaluation_id = 99"))


def test_who_was_in_a_team_is_known_after_the_migration_as_far_as_it_can_be(empty_db: Database) -> None:
    migrate(empty_db, "0005")
    rows: list[tuple[str, dict[str, object]]] = [
        ("users", {"name": name, "name_key": name, "role": "participant", "created_at": NOW, "wants_mail": True})
        for name in ("ada", "bea", "cyd")
    ]
    rows += [
        ("competitions", {"slug": "c", "title": "C", "text": "", "created_at": NOW}),
        (
            "phases",
            {"competition_id": 1, "slug": "p", "title": "P", "opens_at": NOW, "wall_s": 1.0, "memory_bytes": 1}
            | {
                "scratch_bytes": 1,
                "log_bytes": 1,
                "processes": 1,
                "daily_quota": 1,
                "shows_logs": True,
                "hidden": False,
            },
        ),
        ("teams", {"competition_id": 1, "name": "t", "name_key": "t", "invite_key": "k", "created_at": NOW}),
        ("team_members", {"team_id": 1, "user_id": 1, "competition_id": 1, "joined_at": NOW}),
        *(
            (
                "submissions",
                {"phase_id": 1, "user_id": user, "name": "m", "filename": "m.py", "bundle_sha256": "0"}
                | {"state": "scored", "score": 12.3, "attempt": 1, "priority": 0, "team_id": 1, "created_at": NOW}
                | {"is_baseline": False, "is_hidden": False, "is_disqualified": False, "spends_quota": True},
            )
            for user in (1, 2)
        ),
    ]
    with empty_db.write() as session:
        for table, row in rows:
            names = ", ".join(row)
            session.execute(text(f"INSERT INTO {table} ({names}) VALUES (:{names.replace(', ', ', :')})"), row)
    migrate(empty_db)
    with empty_db.read() as session:
        persons = session.execute(select(TeamPersonRecord.team_id, TeamPersonRecord.user_id)).all()
        assert sorted(map(tuple, persons)) == [(1, 1), (1, 2)]
        phase = session.scalars(select(PhaseRecord)).one()
        assert (phase.score_step, phase.total_quota, phase.shows_scores) == (1.0, None, ShowsScores.ALWAYS)


def test_boards_of_an_older_release_are_marked_and_scores_told_before_a_late_ladder_too(empty_db: Database) -> None:
    migrate(empty_db, "0001")
    phase = {"competition_id": 1, "title": "P", "opens_at": NOW, "wall_s": 1.0, "memory_bytes": 1, "scratch_bytes": 1}
    phase |= {"log_bytes": 1, "processes": 1, "daily_quota": 1, "shows_logs": True, "hidden": False}
    submission = {"user_id": 1, "name": "m", "filename": "m.py", "bundle_sha256": "0", "state": "scored", "score": 12.3}
    submission |= {"attempt": 1, "priority": 0, "created_at": NOW, "is_baseline": False, "is_hidden": False}
    rows: list[tuple[str, dict[str, object]]] = [
        ("users", {"name": "ada", "name_key": "ada", "role": "participant", "session_key": "", "created_at": NOW}),
        ("competitions", {"slug": "c", "title": "C", "text": "", "created_at": NOW}),
        ("zoos", {"name": "z", "title": "Z", "folder": "z", "manifest_sha256": "0", "networks": 2, "created_at": NOW}),
    ]
    rows[-1][1]["truth_public"] = False
    rows += [("phases", phase | {"slug": slug}) for slug in ("late", "ladder", "none")]
    rows += [
        ("submissions", submission | {"phase_id": one, "finished_at": NOW + day * DAY, "is_disqualified": False})
        for one in (1, 2, 3)
        for day in (1, 3)
    ]
    _insert(empty_db, rows)
    migrate(empty_db, "0007")
    with empty_db.write() as session:
        session.execute(text("UPDATE phases SET uses_ladder = true WHERE id < 3"))
        session.execute(text("UPDATE zoos SET weight_bytes = :sizes"), {"sizes": '{"n1": 5, "n2": 6}'})
        session.execute(text("UPDATE submissions SET shown_score = 12.3"))
    acts = [(1, "title, uses_ladder"), (2, "title"), (3, "uses_ladder")]
    _insert(
        empty_db,
        [("acts", {"act": "changed", "at": NOW + 2 * DAY, "phase_id": one, "detail": said}) for one, said in acts],
    )
    migrate(empty_db)
    with empty_db.read() as session:
        told = session.execute(
            select(SubmissionRecord.phase_id, SubmissionRecord.finished_at, SubmissionRecord.was_told)
        )
        assert [(one, at) for one, at, was_told in told if was_told] == [(1, NOW + DAY)]
        assert {phase.has_old_board for phase in session.scalars(select(PhaseRecord))} == {True}
        networks = session.execute(select(ZooNetworkRecord.network_id, ZooNetworkRecord.weights_sha256)).all()
        assert sorted(map(tuple, networks)) == [("n1", None), ("n2", None)]
        assert set(session.scalars(select(SubmissionRecord.shown_score))) == {12.3}
    assert standings.catch_up(empty_db) == 3
    with empty_db.read() as session:
        assert not any(phase.has_old_board for phase in session.scalars(select(PhaseRecord)))


def _insert(db: Database, rows: list[tuple[str, dict[str, object]]]) -> None:
    with db.write() as session:
        for table, row in rows:
            names = ", ".join(row)
            session.execute(text(f"INSERT INTO {table} ({names}) VALUES (:{names.replace(', ', ', :')})"), row)


def test_a_block_that_raises_writes_nothing(any_db: Database) -> None:
    try:
        with any_db.write() as session:
            session.add(UserRecord(name="ada", name_key="ada"))
            session.flush()
            raise RuntimeError("halfway")
    except RuntimeError:
        pass
    with any_db.read() as session:
        assert session.scalars(select(UserRecord.name)).all() == []


def test_a_read_session_writes_nothing(any_db: Database) -> None:
    with any_db.read() as session:
        session.add(UserRecord(name="ada", name_key="ada"))
        session.flush()
    with any_db.read() as session:
        assert session.scalars(select(UserRecord.name)).all() == []


def test_times_come_back_in_utc(any_db: Database) -> None:
    made = UserRecord(name="ada", name_key="ada")
    with any_db.write() as session:
        session.add(made)
    with any_db.read() as session:
        read = session.scalars(select(UserRecord)).one()
        assert read.created_at == made.created_at
        assert read.created_at.utcoffset() is not None


def test_many_threads_that_read_and_then_write_all_succeed(any_db: Database) -> None:
    with any_db.write() as session:
        session.execute(text("CREATE TABLE counter (n INTEGER)"))
        session.execute(text("INSERT INTO counter VALUES (0)"))
    lock_clause = " FOR UPDATE" if any_db.engine.dialect.name == "postgresql" else ""

    def count_up() -> None:
        for _ in range(10):
            with any_db.write() as session:
                number = session.scalar(text(f"SELECT n FROM counter{lock_clause}"))
                session.execute(text("UPDATE counter SET n = :n"), {"n": (number or 0) + 1})

    threads = [threading.Thread(target=count_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with any_db.read() as session:
        assert session.scalar(text("SELECT n FROM counter")) == 40
