"""smoke runs, repeats, failures kept by run, pooled time, workers

There is no way down: what is not scored has no place in the older schema. Restore a backup instead.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

REASONS = (
    "time_limit",
    "memory_limit",
    "not_finite",
    "not_a_number",
    "raised",
    "crashed",
    "import_error",
    "output_flood",
    "protocol",
    "missing_function",
)


def upgrade() -> None:
    with op.batch_alter_table("phases") as batch_op:
        batch_op.add_column(
            sa.Column(
                "time_rule",
                sa.Enum("per_network", "pooled", name="timerule", native_enum=False, length=20),
                nullable=False,
                server_default="per_network",
            )
        )
        batch_op.add_column(sa.Column("cpu_s", sa.Double(), nullable=True))
        batch_op.add_column(sa.Column("daily_smoke_failures", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("smoke_networks", sa.Integer(), nullable=False, server_default="2"))
        batch_op.add_column(sa.Column("smoke_zoo_id", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("repeat_networks", sa.Integer(), nullable=False, server_default="0"))
        batch_op.create_foreign_key(op.f("fk_phases_smoke_zoo_id_zoos"), "zoos", ["smoke_zoo_id"], ["id"])
    op.add_column("submissions", sa.Column("spends_quota", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.execute(
        sa.text("UPDATE submissions SET spends_quota = :yes").bindparams(sa.bindparam("yes", True, sa.Boolean()))
    )
    with op.batch_alter_table("evaluations") as batch_op:
        batch_op.add_column(
            sa.Column(
                "purpose",
                sa.Enum("smoke", "score", "repeat", name="purpose", native_enum=False, length=20),
                nullable=False,
                server_default="score",
            )
        )
        batch_op.drop_constraint(op.f("uq_evaluations_submission_id_zoo_id_attempt"), type_="unique")
        batch_op.create_unique_constraint(
            op.f("uq_evaluations_submission_id_zoo_id_attempt_purpose"),
            ["submission_id", "zoo_id", "attempt", "purpose"],
        )
        batch_op.create_index(op.f("ix_evaluations_state"), ["state"])
    op.create_table(
        "failures",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Enum(*REASONS, name="reason", native_enum=False, length=20), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("log", sa.Text(), nullable=True),
        sa.Column("wall_s", sa.Double(), nullable=True),
        sa.Column("cpu_s", sa.Double(), nullable=True),
        sa.Column("peak_bytes", sa.BigInteger(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_failures_run_id_runs")),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_failures")),
    )
    op.create_table(
        "workers",
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.Column("backend", sa.String(length=40), nullable=False),
        sa.Column("layers", sa.JSON(), nullable=False),
        sa.Column("refusal", sa.Text(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_workers")),
    )
