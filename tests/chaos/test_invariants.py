"""Each promise is found broken where it is: damage is done to a database by hand, and named."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from submissions.intake.bundle_store import BundleStore
from submissions.storage.database import Database
from submissions.storage.states import Reason
from tests.chaos.invariants import excused, violations
from tests.chaos.measures import MEASURES, norms
from tests.chaos.traffic import Sent
from tests.factories import Competition, make_competition

pytestmark = pytest.mark.parametrize("any_db", ["sqlite"], indirect=True)
HEALTHY = next(measure for measure in MEASURES if measure.name == "healthy")
RAISES = next(measure for measure in MEASURES if measure.fails is Reason.RAISED and not measure.spends_quota)

DAMAGE = {
    "accepted means stored": "UPDATE submissions SET id = 99 WHERE id = 3",
    "one submission for one request": "UPDATE submissions SET name = 'healthy 0' WHERE id = 2",
    "none broken": "UPDATE submissions SET state = 'broken', score = NULL WHERE id = 2",
    "everything judged": "UPDATE submissions SET state = 'queued', score = NULL WHERE id = 2",
    "rightly judged": "UPDATE submissions SET state = 'failed', reason = 'raised', score = NULL WHERE id = 2",
    "scored by all values": "DELETE FROM measure_values WHERE evaluation_id IN (SELECT id FROM evaluations"
    " WHERE submission_id = 2 AND purpose = 'score')",
    "each value its own": "UPDATE measure_values SET value = value + 1 WHERE evaluation_id = 1",
    "equal measures, equal scores": "UPDATE submissions SET score = score / 2 WHERE id = 2",
    "quotas right": "UPDATE submissions SET spends_quota = 0 WHERE id = 2",
    "no lease left": "UPDATE runs SET state = 'claimed', lease_owner = 'somebody' WHERE id = 1",
    "one notice of each end": "DELETE FROM notifications WHERE submission_id = 2",
}


@pytest.fixture
def judged(any_db: Database, store: BundleStore, tiny_zoo: Path) -> tuple[Competition, list[Sent], dict[str, float]]:
    """Three submissions of a healthy measure, scored, and one that failed in its smoke run; nothing is wrong."""
    competition = make_competition(any_db, store, [tiny_zoo], smoke_networks=2)
    values = dict(norms(tiny_zoo))
    users = {person: competition.user(person) for person in ("person0", "person1")}
    sent = []
    for number in range(4):
        measure = RAISES if number == 3 else HEALTHY
        person, name = f"person{number % 2}", f"{measure.name} {number}"
        submission_id = competition.submit(users[person], measure.source(number, 0.0), name)
        sent.append(Sent(submission_id, name, person, number, measure, 1))
        while (claim := competition.claim()) is not None:
            for run in claim.runs:
                if measure is RAISES:
                    competition.fail(claim, run)
                    break
                competition.record(claim, run, values[run.network_id] + number)
    return competition, sent, values


def test_nothing_is_wrong_where_nothing_is(judged: tuple[Competition, list[Sent], dict[str, float]]) -> None:
    competition, sent, values = judged
    told = {"person0": {"spent": 2, "held": 0}, "person1": {"spent": 1, "held": 0}}
    assert violations(competition.db, sent, values, quotas=told) == []
    told["person1"] = {"spent": 2, "held": 0}
    assert {one.promise for one in violations(competition.db, sent, values, quotas=told)} == {"quotas right"}


@pytest.mark.parametrize("promise", DAMAGE)
def test_damage_is_found(judged: tuple[Competition, list[Sent], dict[str, float]], promise: str) -> None:
    competition, sent, values = judged
    with closing(sqlite3.connect(competition.db.url.removeprefix("sqlite:///"))) as connection, connection:
        connection.execute(DAMAGE[promise])
    assert promise in {one.promise for one in violations(competition.db, sent, values)}


def test_a_killed_measure_excuses_one_failure(any_db: Database) -> None:
    kills = [frozenset({1, 2}), frozenset({2, 3})]
    assert excused([1], kills) == {1}
    assert excused([1, 2], kills) == {1, 2}
    assert len(excused([1, 2, 3], kills)) == 2
    assert excused([4], kills) == set()
