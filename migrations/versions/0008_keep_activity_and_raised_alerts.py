"""Keep what applications did under a correlation id, and alerts that they raised."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "activity",
        sa.Column("ts", sa.DateTime(timezone=True), nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("duration", sa.Double(), nullable=True, comment="Seconds"),
        sa.Column("fields", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        postgresql_partition_by="RANGE (ts)",
        comment="What applications did under each correlation id",
    )
    op.create_index("ix_activity_correlation_id", "activity", ["correlation_id"], unique=False)
    op.create_table(
        "raised_alert",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("labels", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("annotations", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("raised_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_raised_alert")),
        comment="Alerts that applications raised, and until when each fires unless it is raised again",
    )


def downgrade() -> None:
    op.drop_table("raised_alert")
    op.drop_table("activity")
