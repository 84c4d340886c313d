"""Nobody appears under a name that looks like somebody else's: people, teams and aliases, through every door."""

import threading
from collections.abc import Callable
from itertools import product

import pytest
from sqlalchemy import select, text

from submissions.intake.submit import SubmissionRefused, submit
from submissions.people.account_deletion import delete_account
from submissions.people.accounts import AccountError, change_name, create_organizer, register
from submissions.people.teams import TeamRefused, create_team
from submissions.storage.database import Database
from submissions.storage.migrations import migrate
from submissions.storage.records import PhaseRecord, SubmissionRecord, TeamRecord, UserRecord, utc_now
from tests.factories import SQUARED_NORM, Competition, bundle_of
from tests.records import PASSWORD

pytestmark = pytest.mark.both_databases

REFUSED = (AccountError, TeamRefused, SubmissionRefused)
LOOKS_LIKE_PAOLO = ("PAOLO", "Раоlо", "pa0lo", "Paоlо", "ＰａｏＬｏ", "pao1o")


class Doors:
    """Every way to get a name, for a person who has none of these names yet."""

    def __init__(self, competition: Competition) -> None:
        self.competition = competition
        self._count = 0

    @property
    def _id(self) -> int:
        with self.competition.db.read() as session:
            return session.get_one(PhaseRecord, self.competition.phase_id).competition_id

    def _person(self) -> int:
        self._count += 1
        return self.competition.user(f"nobody.{'x' * self._count}")

    def register(self, name: str) -> None:
        register(self.competition.db, name, "someone@example.org", PASSWORD)

    def command(self, name: str) -> None:
        create_organizer(self.competition.db, name, PASSWORD)

    def rename(self, name: str) -> None:
        change_name(self.competition.db, self._person(), name)

    def team(self, name: str) -> None:
        create_team(self.competition.db, self._id, self._person(), name)

    def alias(self, name: str) -> None:
        competition = self.competition
        submit(
            *(competition.db, competition.store),
            phase_id=competition.phase_id,
            user_id=self._person(),
            name="m",
            bundle=bundle_of(SQUARED_NORM),
            alias=name,
        )


NAMES: dict[str, Callable[[Doors, str], None]] = {
    "register": Doors.register,
    "command": Doors.command,
    "rename": Doors.rename,
    "team": Doors.team,
    "alias": Doors.alias,
}


@pytest.mark.parametrize(("first", "second"), list(product(NAMES, NAMES)))
def test_no_door_gives_a_name_that_looks_like_another(competition: Competition, first: str, second: str) -> None:
    doors = Doors(competition)
    NAMES[first](doors, "Paolo")
    for name in LOOKS_LIKE_PAOLO:
        with pytest.raises(REFUSED, match="looks like"):
            NAMES[second](doors, name)
    NAMES[second](doors, "Paola")


@pytest.mark.parametrize("door", NAMES)
@pytest.mark.parametrize("name", ["gengap", "GENGАP", "Fisher-trace", "Deleted.account.3"])
def test_no_door_gives_a_name_of_the_sites_own(competition: Competition, door: str, name: str) -> None:
    with pytest.raises(REFUSED, match="looks like"):
        NAMES[door](Doors(competition), name)


def test_ones_own_name_is_free_for_ones_team_alias_and_another_spelling(competition: Competition) -> None:
    db = competition.db
    ada = competition.user("ada")
    assert change_name(db, ada, "ADA") == "ADA"
    with db.read() as session:
        competition_id = session.get_one(PhaseRecord, competition.phase_id).competition_id
    create_team(db, competition_id, ada, "Ada")


def test_the_name_of_a_deleted_account_and_a_former_name_are_free_again(competition: Competition) -> None:
    db = competition.db
    ada, bea = competition.user("ada"), competition.user("bea")
    change_name(db, bea, "cyd")
    register(db, "bеa", "other@example.org", PASSWORD)
    delete_account(db, ada, PASSWORD)
    register(db, "аda", "ada@example.org", PASSWORD)


def test_of_many_who_want_names_that_look_alike_at_once_one_gets_it(any_db: Database) -> None:
    started = threading.Barrier(len(LOOKS_LIKE_PAOLO))
    answers: list[bool] = []

    def take(name: str) -> None:
        started.wait()
        try:
            register(any_db, name, f"p{LOOKS_LIKE_PAOLO.index(name)}@example.org", PASSWORD)
            answers.append(True)
        except AccountError:
            answers.append(False)

    threads = [threading.Thread(target=take, args=(name,)) for name in LOOKS_LIKE_PAOLO]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [False] * (len(LOOKS_LIKE_PAOLO) - 1) + [True]


def test_names_that_look_alike_already_stay_and_get_no_company(empty_db: Database) -> None:
    migrate(empty_db, "0007")
    now = utc_now()
    with empty_db.write() as session:
        for name in ("paolo", "pao1o", "pa0lo"):
            session.execute(
                text(
                    "INSERT INTO users (name, name_key, role, created_at, wants_mail) "
                    "VALUES (:name, :name, 'participant', :now, true)"
                ),
                {"name": name, "now": now},
            )
    migrate(empty_db)
    with empty_db.read() as session:
        kept = session.execute(select(UserRecord.name, UserRecord.skeleton).order_by(UserRecord.id)).all()
        assert [tuple(row) for row in kept] == [("paolo", "paolo"), ("pao1o", None), ("pa0lo", None)]
        assert session.scalars(select(TeamRecord.skeleton)).all() == []
        assert session.scalars(select(SubmissionRecord.alias_skeleton)).all() == []
    for name in ("PAOIO", "PAO1O"):
        with pytest.raises(AccountError, match="looks like"):
            register(empty_db, name, "p@example.org", PASSWORD)
