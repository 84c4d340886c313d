"""people with sessions, tokens, teams and mail; standings, announcements, what scoring says of an evaluation

There is no way down. The standings of what was scored before begin as the best submission of each entrant.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "mails",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("address", sa.String(length=254), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mails")),
    )
    with op.batch_alter_table("mails") as batch_op:
        batch_op.create_index(batch_op.f("ix_mails_next_try_at"), ["next_try_at"], unique=False)

    op.create_table(
        "announcements",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("competition_id", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["competition_id"], ["competitions.id"], name=op.f("fk_announcements_competition_id_competitions")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_announcements_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_announcements")),
    )
    with op.batch_alter_table("announcements") as batch_op:
        batch_op.create_index(batch_op.f("ix_announcements_competition_id_at"), ["competition_id", "at"], unique=False)

    op.create_table(
        "api_tokens",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("hint", sa.String(length=16), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_api_tokens_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_tokens")),
        sa.UniqueConstraint("token_sha256", name=op.f("uq_api_tokens_token_sha256")),
    )
    with op.batch_alter_table("api_tokens") as batch_op:
        batch_op.create_index(batch_op.f("ix_api_tokens_user_id"), ["user_id"], unique=False)

    op.create_table(
        "sessions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("key_sha256", sa.String(length=64), nullable=False),
        sa.Column("browser", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_sessions_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
        sa.UniqueConstraint("key_sha256", name=op.f("uq_sessions_key_sha256")),
    )
    with op.batch_alter_table("sessions") as batch_op:
        batch_op.create_index(batch_op.f("ix_sessions_user_id"), ["user_id"], unique=False)

    op.create_table(
        "teams",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("competition_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("name_key", sa.String(length=40), nullable=False),
        sa.Column("invite_key", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["competition_id"], ["competitions.id"], name=op.f("fk_teams_competition_id_competitions")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_teams")),
        sa.UniqueConstraint("competition_id", "name_key", name=op.f("uq_teams_competition_id_name_key")),
        sa.UniqueConstraint("invite_key", name=op.f("uq_teams_invite_key")),
    )
    op.create_table(
        "team_members",
        sa.Column("team_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("competition_id", sa.Integer(), nullable=False),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["competition_id"], ["competitions.id"], name=op.f("fk_team_members_competition_id_competitions")
        ),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name=op.f("fk_team_members_team_id_teams")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_team_members_user_id_users")),
        sa.PrimaryKeyConstraint("team_id", "user_id", name=op.f("pk_team_members")),
        sa.UniqueConstraint("user_id", "competition_id", name=op.f("uq_team_members_user_id_competition_id")),
    )
    op.create_table(
        "notifications",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("submission_id", sa.Integer(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["submission_id"], ["submissions.id"], name=op.f("fk_notifications_submission_id_submissions")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_notifications_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifications")),
    )
    with op.batch_alter_table("notifications") as batch_op:
        batch_op.create_index(batch_op.f("ix_notifications_user_id_read_at"), ["user_id", "read_at"], unique=False)

    op.create_table(
        "standings",
        sa.Column("phase_id", sa.Integer(), nullable=False),
        sa.Column("entrant", sa.String(length=24), nullable=False),
        sa.Column("submission_id", sa.Integer(), nullable=False),
        sa.Column("shown_score", sa.Double(), nullable=False),
        sa.Column("standard_error", sa.Double(), nullable=True),
        sa.Column("scored", sa.Integer(), nullable=False),
        sa.Column("rank_lowest", sa.Integer(), nullable=True),
        sa.Column("rank_highest", sa.Integer(), nullable=True),
        sa.Column("track", sa.String(length=20), nullable=False),
        sa.Column("is_reference", sa.Boolean(), nullable=False),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["phase_id"], ["phases.id"], name=op.f("fk_standings_phase_id_phases")),
        sa.ForeignKeyConstraint(
            ["submission_id"], ["submissions.id"], name=op.f("fk_standings_submission_id_submissions")
        ),
        sa.PrimaryKeyConstraint("phase_id", "entrant", name=op.f("pk_standings")),
    )
    with op.batch_alter_table("standings") as batch_op:
        batch_op.create_index(
            batch_op.f("ix_standings_phase_id_shown_score_is_reference"),
            ["phase_id", "shown_score", "is_reference"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_standings_phase_id_track_is_reference"), ["phase_id", "track", "is_reference"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_standings_submission_id"), ["submission_id"], unique=False)

    with op.batch_alter_table("competitions") as batch_op:
        batch_op.add_column(sa.Column("rules", sa.Text(), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("team_members", sa.Integer(), nullable=False, server_default="5"))

    with op.batch_alter_table("evaluations") as batch_op:
        batch_op.add_column(sa.Column("standard_error", sa.Double(), nullable=True))
        batch_op.add_column(sa.Column("granulated_kendall", sa.Double(), nullable=True))
        batch_op.add_column(sa.Column("sign_error", sa.Double(), nullable=True))
        batch_op.add_column(sa.Column("report", sa.JSON(), nullable=True))

    with op.batch_alter_table("phases") as batch_op:
        batch_op.add_column(
            sa.Column(
                "count_rule",
                sa.Enum("best", "last", "chosen", name="countrule", native_enum=False, length=20),
                nullable=False,
                server_default="best",
            )
        )
        batch_op.add_column(sa.Column("uses_ladder", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.add_column(sa.Column("freezes_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("board_version", sa.Integer(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("intervals_version", sa.Integer(), nullable=False, server_default="0"))

    with op.batch_alter_table("submissions") as batch_op:
        batch_op.add_column(sa.Column("entrant", sa.String(length=24), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("standard_error", sa.Double(), nullable=True))
        batch_op.add_column(sa.Column("shown_score", sa.Double(), nullable=True))
        batch_op.add_column(sa.Column("team_id", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("parent_id", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("description", sa.Text(), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("link", sa.String(length=300), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("alias", sa.String(length=40), nullable=True))
        batch_op.add_column(sa.Column("track", sa.String(length=20), nullable=False, server_default="standard"))
        batch_op.add_column(sa.Column("needs", sa.JSON(), nullable=False, server_default="[]"))
        batch_op.add_column(sa.Column("is_reference", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.add_column(sa.Column("is_chosen", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.add_column(sa.Column("is_released", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.create_index(
            batch_op.f("ix_submissions_phase_id_entrant_state"), ["phase_id", "entrant", "state"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_submissions_team_id"), ["team_id"], unique=False)
        batch_op.create_foreign_key(batch_op.f("fk_submissions_team_id_teams"), "teams", ["team_id"], ["id"])
        batch_op.create_foreign_key(
            batch_op.f("fk_submissions_parent_id_submissions"), "submissions", ["parent_id"], ["id"]
        )

    with op.batch_alter_table("users") as batch_op:
        batch_op.drop_column("session_key")  # whoever is logged in logs in once more: sessions have a table now
        batch_op.add_column(sa.Column("email_verified_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("wants_mail", sa.Boolean(), nullable=False, server_default=sa.true()))
        batch_op.add_column(sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True))

    with op.batch_alter_table("zoos") as batch_op:
        batch_op.add_column(sa.Column("offers", sa.JSON(), nullable=False, server_default="[]"))

    _enter_standings()


def _enter_standings() -> None:
    op.execute("UPDATE submissions SET entrant = 'u' || user_id WHERE NOT is_baseline")
    op.execute("UPDATE submissions SET entrant = 'b' || id WHERE is_baseline")
    connection = op.get_bind()
    submissions = sa.table("submissions", sa.column("id"), sa.column("score"), sa.column("shown_score"))
    scored = connection.execute(
        sa.select(submissions.c.id, submissions.c.score).where(submissions.c.score.is_not(None))
    )
    for submission_id, score in scored.all():
        change = sa.update(submissions).where(submissions.c.id == submission_id).values(shown_score=round(score, 2))
        connection.execute(change)
    op.execute(
        """
        INSERT INTO standings (
            phase_id, entrant, submission_id, shown_score, scored, track, is_reference, submitted_at, updated_at
        )
        SELECT phase_id, entrant, id, shown_score, scored, track, is_reference, created_at, finished_at
        FROM (
            SELECT phase_id, entrant, id, shown_score, COALESCE(finished_at, created_at) AS finished_at,
                track, is_reference, created_at,
                ROW_NUMBER() OVER (PARTITION BY phase_id, entrant ORDER BY score DESC, created_at, id) AS place,
                COUNT(*) OVER (PARTITION BY phase_id, entrant) AS scored
            FROM submissions
            WHERE state = 'scored' AND score IS NOT NULL AND NOT is_hidden AND NOT is_disqualified
        ) AS placed
        WHERE place = 1
        """
    )
    op.execute("UPDATE phases SET board_version = 1")
