"""Submitting while somebody else changes what it depends on, on PostgreSQL: what its locks are for."""

from collections.abc import Callable
from pathlib import Path

import pytest

from model_zoo.store import ZooStore
from submissions.competitions.phase_zoos import attach_zoo
from submissions.intake.bundle_store import BundleStore
from submissions.intake.submit import SubmissionRefused
from submissions.people.teams import create_team, join_team
from submissions.storage.database import Database
from submissions.storage.records import PhaseRecord, TeamRecord
from submissions.zoos.registry import register_zoo
from tests.factories import Competition, make_competition
from tests.overlap import overlap

pytestmark = pytest.mark.parametrize("any_db", ["postgresql"], indirect=True)


@pytest.fixture
def scarce(any_db: Database, store: BundleStore, tiny_zoo: Path) -> Competition:
    """A phase over the tiny zoo that takes one submission a day."""
    return make_competition(any_db, store, [tiny_zoo], daily_quota=1, smoke_networks=0)


def submitting(competition: Competition, user_id: int) -> Callable[[], int | str]:
    """An upload by this person: the submission's id, or why there is none."""

    def submit() -> int | str:
        try:
            return competition.submit(user_id)
        except SubmissionRefused as refused:
            return str(refused)

    return submit


def test_two_members_of_a_team_do_not_share_a_quotas_rest(scarce: Competition) -> None:
    ada, bea = scarce.user("ada"), scarce.user("bea")
    with scarce.db.read() as session:
        competition_id = session.get_one(PhaseRecord, scarce.phase_id).competition_id
    team = create_team(scarce.db, competition_id, ada, "gaps")
    with scarce.db.read() as session:
        key = session.get_one(TeamRecord, team).invite_key
    join_team(scarce.db, key, bea)
    first, second = overlap(scarce.db, submitting(scarce, ada), submitting(scarce, bea))
    assert isinstance(first, int)
    assert str(second).startswith("Your team's 1 submissions of the last 24 hours in this phase are used or reserved")


def test_a_person_alone_does_not_share_a_quotas_rest_with_themselves(scarce: Competition) -> None:
    ada = scarce.user()
    first, second = overlap(scarce.db, submitting(scarce, ada), submitting(scarce, ada))
    assert isinstance(first, int)
    assert str(second).startswith("Your 1 submissions of the last 24 hours in this phase are used or reserved")


def test_people_who_submit_at_once_do_not_wait_for_each_other(scarce: Competition) -> None:
    """The phase, which both hold, is shared: the second ends while the first has yet to commit."""
    ada, bob = scarce.user("ada"), scarce.user("bob")
    ended: list[str] = []

    def submit(user_id: int, name: str) -> None:
        scarce.submit(user_id)
        ended.append(name)

    overlap(scarce.db, lambda: submit(ada, "ada"), lambda: submit(bob, "bob"))
    assert ended == ["bob", "ada"]


def test_a_zoo_that_is_attached_while_somebody_submits_is_among_the_submissions_zoos(
    scarce: Competition, zoos: ZooStore, other_zoo: Path
) -> None:
    """The upload has seen the phase's zoos when the organizer comes, and is not yet in the database."""
    other = register_zoo(scarce.db, zoos, other_zoo)
    submission, run_again = overlap(
        scarce.db,
        submitting(scarce, scarce.user()),
        lambda: attach_zoo(scarce.db, scarce.phase_id, other, None, confirmed=True),
        at="INSERT INTO submissions",
    )
    assert isinstance(submission, int)
    assert run_again == 1
    attempt = scarce.submission(submission).attempt
    current = [evaluation for evaluation in scarce.evaluations(submission) if evaluation.attempt == attempt]
    assert [evaluation.networks for evaluation in current] == [8, 12]
