"""the Ladder remembers everybody who was in a team; steps of shown scores, quota of a whole phase, late scores

A team's persons are its members and whoever has submitted for it. What the Ladder has shown so far stays as it is
until something of the entrant changes, and is then decided anew by the rule of this release; a change of the phase's
Ladder, step or freeze decides all of it anew. There is no way down.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "team_persons",
        sa.Column("team_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name=op.f("fk_team_persons_team_id_teams")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_team_persons_user_id_users")),
        sa.PrimaryKeyConstraint("team_id", "user_id", name=op.f("pk_team_persons")),
    )
    op.create_index(op.f("ix_team_persons_user_id"), "team_persons", ["user_id"], unique=False)

    with op.batch_alter_table("phases") as batch_op:
        batch_op.add_column(sa.Column("total_quota", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("score_step", sa.Double(), nullable=False, server_default="1"))
        batch_op.add_column(
            sa.Column(
                "shows_scores",
                sa.Enum("always", "after_close", name="showsscores", native_enum=False, length=20),
                nullable=False,
                server_default="always",
            )
        )

    with op.batch_alter_table("submissions") as batch_op:
        batch_op.add_column(sa.Column("lower_bound", sa.Double(), nullable=True))

    op.execute(
        """
        INSERT INTO team_persons (team_id, user_id)
        SELECT team_id, user_id FROM team_members
        UNION
        SELECT team_id, user_id FROM submissions WHERE team_id IS NOT NULL
        """
    )
