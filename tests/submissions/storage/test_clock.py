"""The time of the database: asked for, kept between two answers, corrected only where an answer contradicts it."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from submissions.storage import clock, database
from submissions.storage.clock import ASK_EVERY_S, Clock, utc_now
from submissions.storage.database import Database

S = timedelta(seconds=1)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NO_CONNECTION: None = None


class Machine:
    """A machine whose own clock and counter a test sets, and the clock of the database that it asks."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall, self.counted_s, self.database = NOON, 1000.0, NOON
        self.takes_s, self.looks_first = 0.0, False
        machine = self

        class Shown(datetime):
            @classmethod
            def now(cls, _tz: object = None) -> datetime:  # type: ignore[override]
                return machine.wall

        monkeypatch.setattr(clock, "datetime", Shown)
        monkeypatch.setattr(time, "clock_gettime", lambda _: self.counted_s)
        monkeypatch.setattr(clock, "ask", lambda _: self._answer())
        self.clock = Clock()

    def _answer(self) -> datetime:
        """The database looks at its clock at the beginning or the end of the time that it takes."""
        early = self.database
        self.pass_s(self.takes_s)
        return early if self.looks_first else self.database

    def pass_s(self, seconds: float) -> None:
        self.wall, self.database = self.wall + seconds * S, self.database + seconds * S
        self.counted_s += seconds

    def keep(self) -> datetime:
        self.clock.keep(NO_CONNECTION)  # type: ignore[arg-type]
        return self.clock.now()


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


def test_the_databases_time_replaces_the_machines(machine: Machine) -> None:
    machine.database = NOON + timedelta(days=1)
    assert machine.clock.now() == NOON
    assert machine.keep() == NOON + timedelta(days=1)
    machine.pass_s(7.5)
    assert machine.clock.now() == NOON + timedelta(days=1, seconds=7.5)


def test_setting_the_machines_clock_changes_nothing(machine: Machine) -> None:
    machine.keep()
    machine.wall -= timedelta(hours=1)
    assert machine.clock.now() == NOON


def test_the_database_is_asked_at_first_and_every_few_seconds(machine: Machine) -> None:
    assert machine.clock.is_due
    machine.keep()
    assert not machine.clock.is_due
    machine.pass_s(ASK_EVERY_S - 0.001)
    assert not machine.clock.is_due
    machine.pass_s(0.001)
    assert machine.clock.is_due


def test_a_database_whose_clock_was_set_is_followed(machine: Machine) -> None:
    machine.keep()
    for shift in (60 * S, -60 * S):
        machine.database += shift
        machine.pass_s(ASK_EVERY_S)
        assert machine.keep() == machine.database


def test_the_time_does_not_jump_by_what_an_answer_cannot_tell(machine: Machine) -> None:
    """SQLite's answers are cut to milliseconds, and those of a network take a moment."""
    machine.keep()
    for shift in (-0.001, 0.002, -0.04):
        machine.database += shift * S
        machine.pass_s(ASK_EVERY_S)
        before = machine.clock.now()
        assert machine.keep() == before


@pytest.mark.parametrize("looks_first", [False, True])
def test_a_database_that_was_frozen_does_not_move_the_time(machine: Machine, looks_first: bool) -> None:
    machine.keep()
    machine.pass_s(ASK_EVERY_S)
    machine.takes_s, machine.looks_first = 60.0, looks_first
    assert machine.keep() == machine.database
    assert machine.clock.is_due, "the answer was slow"


@pytest.mark.parametrize("looks_first", [False, True])
def test_a_first_answer_that_took_long_is_out_by_half_of_that_at_most(machine: Machine, looks_first: bool) -> None:
    machine.database, machine.takes_s, machine.looks_first = NOON + timedelta(days=1), 4.0, looks_first
    assert abs(machine.keep() - machine.database) <= 2 * S
    machine.takes_s = 0.0
    assert machine.keep() == machine.database


@pytest.mark.both_databases
@pytest.mark.parametrize("shift", [60 * S, -60 * S, timedelta(days=1), -timedelta(days=1)], ids=str)
def test_with_a_wrong_clock_the_first_transaction_finds_the_right_time(
    any_db: Database, monkeypatch: pytest.MonkeyPatch, shift: timedelta
) -> None:
    class Shifted(datetime):
        @classmethod
        def now(cls, _tz: object = None) -> datetime:  # type: ignore[override]
            return datetime.now(UTC) + shift

    with monkeypatch.context() as patch:
        patch.setattr(clock, "datetime", Shifted)
        wrong = Clock()
    monkeypatch.setattr(clock, "CLOCK", wrong)
    monkeypatch.setattr(database, "CLOCK", wrong)
    assert abs(utc_now() - datetime.now(UTC) - shift) < 5 * S
    with any_db.read() as session:
        session.execute(text("SELECT 1"))
        assert abs(utc_now() - datetime.now(UTC)) < 5 * S


@pytest.mark.both_databases
@pytest.mark.parametrize("ahead_s", [90.0, -86400.0])
def test_the_skew_is_how_far_the_machine_is_ahead(
    any_db: Database, monkeypatch: pytest.MonkeyPatch, ahead_s: float
) -> None:
    own: Callable[[], float] = time.time
    monkeypatch.setattr(time, "time", lambda: own() + ahead_s)
    with any_db.engine.connect() as connection:
        assert clock.skew_s(connection) == pytest.approx(ahead_s, abs=5)


@pytest.mark.parametrize("any_db", ["sqlite"], indirect=True)
def test_a_transaction_goes_on_where_the_time_cannot_be_asked_for(
    any_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "CLOCK", Clock())
    monkeypatch.setitem(clock._QUERIES, "sqlite", "SELECT nothing FROM nowhere")
    with any_db.read() as session:
        assert session.scalar(text("SELECT 1")) == 1
