"""boards are recomputed by the rules of this release; scores told before a Ladder; networks of zoos, to find copies

Until a worker has recomputed a phase's board, scores that its rules round are withheld (`board_rules`). Where the log
says that a phase has turned the Ladder on after it was opened, what was scored before that counts as told.

There is no way down.
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_ZOOS = sa.table("zoos", sa.column("id"), sa.column("weight_bytes", sa.JSON()))
_PHASES = sa.table("phases", *map(sa.column, ("id", "uses_ladder", "board_version")))
_ACTS = sa.table("acts", *map(sa.column, ("phase_id", "act", "at", "detail")))
_SUBMISSIONS = sa.table("submissions", *map(sa.column, ("phase_id", "finished_at", "was_told")))


def upgrade() -> None:
    with op.batch_alter_table("phases") as batch_op:
        batch_op.add_column(sa.Column("board_rules", sa.Integer(), nullable=False, server_default="0"))
    with op.batch_alter_table("submissions") as batch_op:
        batch_op.add_column(sa.Column("was_told", sa.Boolean(), nullable=False, server_default=sa.false()))
    networks = op.create_table(
        "zoo_networks",
        sa.Column("zoo_id", sa.Integer(), nullable=False),
        sa.Column("network_id", sa.String(64), nullable=False),
        sa.Column("weights_sha256", sa.String(64), nullable=True),
        sa.ForeignKeyConstraint(["zoo_id"], ["zoos.id"], name=op.f("fk_zoo_networks_zoo_id_zoos")),
        sa.PrimaryKeyConstraint("zoo_id", "network_id", name=op.f("pk_zoo_networks")),
    )
    for column in ("network_id", "weights_sha256"):
        op.create_index(op.f(f"ix_zoo_networks_{column}"), "zoo_networks", [column], unique=False)

    for zoo_id, weight_bytes in op.get_bind().execute(sa.select(_ZOOS.c.id, _ZOOS.c.weight_bytes)).all():
        rows = [{"zoo_id": zoo_id, "network_id": network_id} for network_id in weight_bytes or ()]
        op.bulk_insert(networks, rows)
    turned_on = sa.exists().where(
        _ACTS.c.phase_id == _SUBMISSIONS.c.phase_id,
        _ACTS.c.act == "changed",
        _ACTS.c.detail.contains("uses_ladder"),
        _ACTS.c.at > _SUBMISSIONS.c.finished_at,
    )
    with_ladder = sa.select(_PHASES.c.id).where(_PHASES.c.uses_ladder.is_(sa.true()))
    told = _SUBMISSIONS.c.phase_id.in_(with_ladder), turned_on
    op.execute(sa.update(_SUBMISSIONS).where(*told).values(was_told=sa.true()))
    op.execute(sa.update(_PHASES).values(board_version=_PHASES.c.board_version + 1))
