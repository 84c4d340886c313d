"""what a phase tells of results on zoos with secret truth: what beyond scores, and whether it is revealed

Phases over such zoos tell scores in steps of one point from now on, so the scores that they show are rounded here.

There is no way down.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import func

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_TELLS = sa.Enum("scores", "metrics", "everything", name="tells", native_enum=False, length=20)
_ZOOS = sa.table("zoos", sa.column("id"), sa.column("truth_public", sa.Boolean()))
_LINKS = sa.table("phase_zoos", sa.column("phase_id"), sa.column("zoo_id"))
_PHASES = sa.table("phases", sa.column("board_version"))
_SUBMISSIONS = sa.table("submissions", sa.column("phase_id"), sa.column("shown_score"))
_STANDINGS = sa.table(
    "standings",
    *map(sa.column, ("phase_id", "shown_score", "standard_error", "rank_lowest", "rank_highest")),
)


def upgrade() -> None:
    with op.batch_alter_table("phases") as batch_op:
        batch_op.add_column(sa.Column("tells", _TELLS, nullable=False, server_default="scores"))
        batch_op.add_column(sa.Column("is_revealed", sa.Boolean(), nullable=False, server_default=sa.false()))
    secret = sa.select(_LINKS.c.phase_id).where(_LINKS.c.zoo_id == _ZOOS.c.id, _ZOOS.c.truth_public.is_(False))
    for table in (_SUBMISSIONS, _STANDINGS):
        rounded = {"shown_score": func.round(table.c.shown_score)}
        removed = dict.fromkeys(("standard_error", "rank_lowest", "rank_highest"))
        values = rounded | removed if table is _STANDINGS else rounded
        op.execute(sa.update(table).where(table.c.phase_id.in_(secret)).values(values))
    op.execute(sa.update(_PHASES).values(board_version=_PHASES.c.board_version + 1))
