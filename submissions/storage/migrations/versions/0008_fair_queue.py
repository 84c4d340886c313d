"""fair shares of the workers between entrants; runs are rows only while they are needed

What waits or is at work goes on: its runs stay, everybody's share begins at zero. Runs that are done are removed, but for
those on which a measure failed; their values stay. There is no way down.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_WAITING = sa.text("waiting > 0")
_OPEN = "('queued', 'running')"


def upgrade() -> None:
    op.create_table(
        "queue_shares",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("phase_id", sa.Integer(), nullable=False),
        sa.Column("entrant", sa.String(length=24), nullable=False),
        sa.Column("tier", sa.Integer(), nullable=False),
        sa.Column("used_s", sa.Double(), nullable=False, server_default="0"),
        sa.Column("network_s", sa.Double(), nullable=False, server_default="1"),
        sa.Column("waiting", sa.Integer(), nullable=False, server_default="0"),
        sa.CheckConstraint("waiting >= 0", name=op.f("ck_queue_shares_waiting")),
        sa.ForeignKeyConstraint(["phase_id"], ["phases.id"], name=op.f("fk_queue_shares_phase_id_phases")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_queue_shares")),
        sa.UniqueConstraint("phase_id", "entrant", "tier", name=op.f("uq_queue_shares_phase_id_entrant_tier")),
    )
    with op.batch_alter_table("evaluations") as batch_op:
        batch_op.add_column(sa.Column("share_id", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("waiting", sa.Integer(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("next_position", sa.Integer(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("order_seed", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("network_ids", sa.JSON(), nullable=True))
        batch_op.create_foreign_key(op.f("fk_evaluations_share_id_queue_shares"), "queue_shares", ["share_id"], ["id"])
        batch_op.create_check_constraint(op.f("ck_evaluations_waiting"), "waiting >= 0")
    with op.batch_alter_table("runs") as batch_op:
        batch_op.drop_constraint(op.f("ck_runs_state"), type_="check")
    _convert()
    with op.batch_alter_table("runs") as batch_op:
        batch_op.create_check_constraint(op.f("ck_runs_state"), "state IN ('pending', 'claimed', 'failed')")
    order = ["share_id", "purpose", "submission_id", "position"]
    where = {"postgresql_where": _WAITING, "sqlite_where": _WAITING}
    op.create_index("ix_evaluations_waiting", "evaluations", order, **where)
    op.create_index("ix_queue_shares_waiting", "queue_shares", ["tier", "used_s", "id"], **where)


def _convert() -> None:
    op.execute("DELETE FROM runs WHERE state IN ('done', 'dropped') AND id NOT IN (SELECT run_id FROM failures)")
    op.execute("UPDATE runs SET state = 'failed' WHERE state IN ('done', 'dropped')")
    op.execute("UPDATE evaluations SET next_position = networks")
    tier = "CASE WHEN s.is_baseline THEN 2 ELSE 0 END + CASE WHEN e.purpose = 'repeat' THEN 1 ELSE 0 END"
    op.execute(
        f"""
        INSERT INTO queue_shares (phase_id, entrant, tier)
        SELECT DISTINCT s.phase_id, s.entrant, {tier}
        FROM submissions s JOIN evaluations e ON e.submission_id = s.id AND e.attempt = s.attempt
        WHERE e.state IN {_OPEN}
        """  # noqa: S608  (constants of this module)
    )
    op.execute(
        f"""
        UPDATE evaluations SET share_id = (
            SELECT q.id FROM submissions s JOIN evaluations e ON e.submission_id = s.id
            JOIN queue_shares q ON q.phase_id = s.phase_id AND q.entrant = s.entrant AND q.tier = {tier}
            WHERE e.id = evaluations.id AND e.attempt = s.attempt
        )
        WHERE state IN {_OPEN}
        """  # noqa: S608  (constants of this module)
    )
    # Repeats wait for the score, scored networks for the smoke run.
    op.execute(
        f"""
        UPDATE evaluations SET waiting = (
            SELECT COUNT(*) FROM runs WHERE runs.evaluation_id = evaluations.id AND runs.state = 'pending'
        )
        WHERE share_id IS NOT NULL AND EXISTS (
            SELECT 1 FROM submissions s WHERE s.id = evaluations.submission_id AND (
                (evaluations.purpose = 'repeat' AND s.state = 'scored')
                OR (evaluations.purpose = 'smoke' AND s.state IN {_OPEN})
                OR (evaluations.purpose = 'score' AND s.state IN {_OPEN} AND NOT EXISTS (
                    SELECT 1 FROM evaluations smoke WHERE smoke.submission_id = s.id AND smoke.attempt = s.attempt
                    AND smoke.purpose = 'smoke' AND smoke.state IN {_OPEN}
                ))
            )
        )
        """  # noqa: S608  (constants of this module)
    )
    op.execute(
        "UPDATE queue_shares SET waiting = (SELECT COALESCE(SUM(e.waiting), 0) FROM evaluations e"
        " WHERE e.share_id = queue_shares.id)"
    )
