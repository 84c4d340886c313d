"""faults of ours and lost workers are counted apart, with pauses and the workers that failed a run

`tries` was counted at each claim; from now on it counts the faults, so open runs begin at none.

There is no way down.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_RUNS = sa.table("runs", sa.column("state"), sa.column("tries"))


def upgrade() -> None:
    with op.batch_alter_table("runs") as batch_op:
        batch_op.drop_constraint(op.f("ck_runs_state"), type_="check")
        batch_op.add_column(sa.Column("losses", sa.Integer(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("failed_on", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("not_before", sa.DateTime(timezone=True), nullable=True))
    with op.batch_alter_table("runs") as batch_op:
        states = "state IN ('pending', 'paused', 'claimed', 'failed')"
        batch_op.create_check_constraint(op.f("ck_runs_state"), states)
    op.execute(sa.update(_RUNS).where(_RUNS.c.state.in_(("pending", "claimed"))).values(tries=0))
