"""Keep the pings of jobs."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.create_table(
        "heartbeat",
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("succeeded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failed", sa.Boolean(), nullable=False, server_default="false"),
        sa.Column("exit_code", sa.SmallInteger(), nullable=True),
        sa.Column("said", sa.Text(), nullable=False, server_default=""),
        sa.Column("run_seconds", sa.Double(), nullable=True, comment="Of the last run with both ends known"),
        sa.PrimaryKeyConstraint("target", name="pk_heartbeat"),
    )


def downgrade() -> None:
    op.drop_table("heartbeat")
