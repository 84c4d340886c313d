"""what names look like, one account per verified address, and indexes for lists of submissions and notifications

Of names that look alike already, the oldest has the skeleton; the others have none, and stay as they are.

There is no way down.
"""

import sqlalchemy as sa
from alembic import op

from submissions.storage.name_keys import skeleton

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_USERS = sa.table("users", *map(sa.column, ("id", "name", "skeleton", "deleted_at")))
_TEAMS = sa.table("teams", *map(sa.column, ("id", "name", "skeleton", "competition_id")))
_SUBMISSIONS = sa.table("submissions", *map(sa.column, ("id", "alias", "alias_skeleton")))
_VERIFIED = sa.text("email_verified_at IS NOT NULL")


def upgrade() -> None:
    for table, column in (("users", "skeleton"), ("teams", "skeleton"), ("submissions", "alias_skeleton")):
        op.add_column(table, sa.Column(column, sa.Text(), nullable=True))
    persons = sa.select(_USERS.c.id, _USERS.c.name, sa.literal(0)).where(_USERS.c.deleted_at.is_(None))
    _fill(_USERS, persons)
    _fill(_TEAMS, sa.select(_TEAMS.c.id, _TEAMS.c.name, _TEAMS.c.competition_id))
    _fill_aliases()
    op.create_index(op.f("ix_users_skeleton"), "users", ["skeleton"], unique=True)
    op.create_index(op.f("ix_teams_skeleton_competition_id"), "teams", ["skeleton", "competition_id"], unique=True)
    op.create_index(op.f("ix_submissions_alias_skeleton"), "submissions", ["alias_skeleton"], unique=False)

    with op.batch_alter_table("users") as batch_op:
        batch_op.drop_constraint(op.f("uq_users_email"), type_="unique")
    op.create_index(op.f("ix_users_email"), "users", ["email"], unique=False)
    op.create_index(
        "ix_users_verified_email",
        "users",
        ["email"],
        unique=True,
        sqlite_where=_VERIFIED,
        postgresql_where=_VERIFIED,
    )

    op.create_index(op.f("ix_notifications_submission_id"), "notifications", ["submission_id"], unique=False)
    op.create_index(op.f("ix_submissions_parent_id"), "submissions", ["parent_id"], unique=False)
    op.create_index(op.f("ix_evaluations_zoo_id"), "evaluations", ["zoo_id"], unique=False)
    op.create_index(op.f("ix_submissions_bundle_sha256"), "submissions", ["bundle_sha256"], unique=False)


def _fill(table: sa.TableClause, rows: sa.Select[tuple[int, str, int]]) -> None:
    """Give each row the skeleton of its name, but for those where an older row of the same group has it."""
    connection, seen = op.get_bind(), set[tuple[str, int]]()
    for row_id, name, group in connection.execute(rows.order_by(table.c.id)).all():
        look = skeleton(name)
        if (look, group) not in seen:
            seen.add((look, group))
            connection.execute(sa.update(table).where(table.c.id == row_id).values(skeleton=look))


def _fill_aliases() -> None:
    connection = op.get_bind()
    aliases = sa.select(_SUBMISSIONS.c.alias).where(_SUBMISSIONS.c.alias.is_not(None)).distinct()
    for alias in connection.scalars(aliases).all():
        same = sa.update(_SUBMISSIONS).where(_SUBMISSIONS.c.alias == alias)
        connection.execute(same.values(alias_skeleton=skeleton(alias)))
