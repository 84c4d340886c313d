"""pictures of results, drawn by workers, for the first view of a page"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "pictures",
        sa.Column("evaluation_id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("markup", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["evaluation_id"], ["evaluations.id"], name=op.f("fk_pictures_evaluation_id_evaluations")
        ),
        sa.PrimaryKeyConstraint("evaluation_id", "digest", name=op.f("pk_pictures")),
    )
    op.create_index(op.f("ix_pictures_digest"), "pictures", ["digest"])
