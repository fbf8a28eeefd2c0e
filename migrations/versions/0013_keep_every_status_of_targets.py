"""Keep every status that targets were of, and what excuses a failed check."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    instant = sa.DateTime(timezone=True)
    op.add_column(
        "probe_target",
        sa.Column("depends_on", sa.ARRAY(sa.Text()), nullable=False, server_default="{}"),
    )
    op.add_column(
        "probe_target",
        sa.Column("recheck_at", instant, nullable=True),
    )
    op.add_column(
        "probe_target",
        sa.Column(
            "excused",
            sa.Integer(),
            nullable=False,
            server_default="0",
            comment="Failed checks that do not count",
        ),
    )
    op.add_column(
        "probe_target",
        sa.Column(
            "successes", sa.Integer(), nullable=False, server_default="0", comment="In a row while it is down"
        ),
    )
    op.add_column("probe_target", sa.Column("failing_since", instant, nullable=True))
    op.alter_column("probe_target", "failures", comment="Failed checks in a row, that count")
    op.create_index(
        "ix_probe_target_recheck_at",
        "probe_target",
        ["recheck_at"],
        postgresql_where=sa.text("recheck_at IS NOT NULL"),
    )
    op.create_table(
        "probe_status",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("started_at", instant, nullable=False),
        sa.Column("ended_at", instant, nullable=True),
        sa.Column("reason", sa.Text(), nullable=False, server_default=""),
        sa.Column("detail", sa.Text(), nullable=False, server_default=""),
        sa.Column(
            "answer",
            sa.Text(),
            nullable=False,
            server_default="",
            comment="The first that showed it, redacted",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_probe_status"),
        comment="Every time that a target was of one status",
    )
    op.create_index("ix_probe_status_target", "probe_status", ["target", "started_at"])
    op.create_index(
        "ix_probe_status_open",
        "probe_status",
        ["target"],
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    # What is known of the past: since when each target has been of its present status.
    op.execute(
        "INSERT INTO probe_status (target, status, started_at, reason, detail)"
        " SELECT name, status, status_since, reason, detail FROM probe_target WHERE checked_at IS NOT NULL"
    )


def downgrade() -> None:
    op.drop_table("probe_status")
    op.drop_index("ix_probe_target_recheck_at", "probe_target")
    for column in ("failing_since", "successes", "excused", "recheck_at", "depends_on"):
        op.drop_column("probe_target", column)
    op.alter_column("probe_target", "failures", comment="Failed checks in a row")
