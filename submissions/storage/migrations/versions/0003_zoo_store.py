"""zoos in the store, with versions and a check; jobs, uploads and acts

There is no way down: a zoo in the store has no folder that an older release could read. Restore a backup instead.
No file is moved here: the folder of a zoo is kept until `submissions.zoos.registry.adopt_folders` has put it into the store.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ZOO_STATES = ("arriving", "checking", "ready", "refused", "failed")
JOB_KINDS = ("upload", "folder", "pgdl", "recipe", "recheck")
JOB_STATES = ("queued", "running", "done", "failed")


def _enum(name: str, values: tuple[str, ...]) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, length=20)


def upgrade() -> None:
    with op.batch_alter_table("zoos") as batch_op:
        batch_op.alter_column(
            "folder", new_column_name="legacy_folder", existing_type=sa.String(length=1000), nullable=True
        )
        batch_op.add_column(sa.Column("version", sa.Integer(), nullable=False, server_default="1"))
        batch_op.add_column(sa.Column("weight_bytes", sa.JSON(), nullable=False, server_default="{}"))
        batch_op.add_column(sa.Column("bytes", sa.BigInteger(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("state", _enum("zoostate", ZOO_STATES), nullable=False, server_default="ready"))
        batch_op.add_column(sa.Column("report", sa.JSON(), nullable=True))
        batch_op.add_column(sa.Column("targets", sa.JSON(), nullable=False, server_default='["gap"]'))
        batch_op.add_column(sa.Column("source", sa.Text(), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("created_by_id", sa.Integer(), nullable=True))
        batch_op.create_foreign_key(op.f("fk_zoos_created_by_id_users"), "users", ["created_by_id"], ["id"])
        batch_op.drop_constraint(op.f("uq_zoos_name"), type_="unique")
        batch_op.create_unique_constraint(op.f("uq_zoos_name_version"), ["name", "version"])
        batch_op.create_unique_constraint(op.f("uq_zoos_manifest_sha256"), ["manifest_sha256"])
    with op.batch_alter_table("phases") as batch_op:
        batch_op.add_column(sa.Column("target", sa.String(length=80), nullable=False, server_default="gap"))
    op.create_table(
        "zoo_jobs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", _enum("jobkind", JOB_KINDS), nullable=False),
        sa.Column("arguments", sa.JSON(), nullable=False),
        sa.Column("state", _enum("jobstate", JOB_STATES), nullable=False),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("zoo_id", sa.Integer(), nullable=True),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("lease_owner", sa.String(length=100), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["zoo_id"], ["zoos.id"], name=op.f("fk_zoo_jobs_zoo_id_zoos")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_zoo_jobs_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_zoo_jobs")),
    )
    op.create_index(op.f("ix_zoo_jobs_state_lease_until"), "zoo_jobs", ["state", "lease_until"])
    op.create_table(
        "zoo_uploads",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("filename", sa.String(length=200), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("received", sa.BigInteger(), nullable=False),
        sa.Column("head_sha256", sa.String(length=64), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_zoo_uploads_user_id_users")),
        sa.ForeignKeyConstraint(["job_id"], ["zoo_jobs.id"], name=op.f("fk_zoo_uploads_job_id_zoo_jobs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_zoo_uploads")),
    )
    op.create_index(op.f("ix_zoo_uploads_user_id_created_at"), "zoo_uploads", ["user_id", "created_at"])
    op.create_table(
        "acts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("act", sa.String(length=40), nullable=False),
        sa.Column("zoo_id", sa.Integer(), nullable=True),
        sa.Column("phase_id", sa.Integer(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_acts_user_id_users")),
        sa.ForeignKeyConstraint(["zoo_id"], ["zoos.id"], name=op.f("fk_acts_zoo_id_zoos")),
        sa.ForeignKeyConstraint(["phase_id"], ["phases.id"], name=op.f("fk_acts_phase_id_phases")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_acts")),
    )
    op.create_index(op.f("ix_acts_zoo_id"), "acts", ["zoo_id"])
    op.create_index(op.f("ix_acts_phase_id"), "acts", ["phase_id"])
