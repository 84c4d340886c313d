"""Every role has its row of the table, and the database accepts whatever role the table has."""

from sqlalchemy import text

from submissions.storage.database import Database
from submissions.storage.records import UserRecord
from submissions.storage.roles import PERMISSIONS, Permission, Role


def test_every_role_has_a_row_and_organizers_may_do_everything() -> None:
    assert PERMISSIONS.keys() == set(Role)
    assert PERMISSIONS[Role.ORGANIZER] == set(Permission)
    assert PERMISSIONS[Role.PARTICIPANT] == set()


def test_the_database_accepts_a_role_that_no_migration_knows(any_db: Database) -> None:
    with any_db.write() as session:
        session.add(UserRecord(name="wanda", name_key="wanda"))
        session.flush()
        session.execute(text("UPDATE users SET role = 'warden'"))
        assert session.scalar(text("SELECT role FROM users")) == "warden"
