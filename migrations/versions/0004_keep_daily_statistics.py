"""Keep daily statistics, levels and figures of platforms."""

from collections.abc import Iterator

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
LEVELS = ("followers", "following", "posts", "likes", "comments", "shares", "views")


def levels() -> Iterator["sa.Column"]:
    for level in LEVELS:
        yield sa.Column(level, sa.Double(), nullable=True)
        yield sa.Column(f"{level}_at", sa.DateTime(timezone=True), nullable=True)


def upgrade() -> None:
    op.add_column("account", sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True))
    for column in levels():
        op.add_column("account", column)
    op.create_table_comment(
        "account",
        "Each scraped account: its outcomes, its freshness and its levels",
        existing_comment="Each scraped account: its outcomes and its freshness",
    )
    op.execute("UPDATE account SET seen_at = greatest(last_success_at, last_failure_at)")
    op.create_table(
        "daily_stats",
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False, comment="Of the fleet's time zone"),
        sa.Column("account_group", sa.Text(), nullable=False, comment="Empty for none"),
        sa.Column("succeeded", sa.BigInteger(), nullable=False),
        sa.Column("failed", sa.BigInteger(), nullable=False),
        sa.Column("timed", sa.BigInteger(), nullable=False, comment="Scrapes whose duration was told"),
        sa.Column(
            "duration_seconds", sa.Numeric(), nullable=False, comment="The sum of these; exact in any order"
        ),
        sa.Column("content", sa.Numeric(), nullable=False, comment="Pieces of content that were found"),
        *levels(),
        sa.PrimaryKeyConstraint("platform", "account", "day", "account_group", name=op.f("pk_daily_stats")),
        postgresql_partition_by="RANGE (day)",
        comment="What each account did on each day, kept with its events and computable from them",
    )
    op.create_index(
        "ix_daily_stats_day_platform_account", "daily_stats", ["day", "platform", "account"], unique=False
    )
    op.create_table(
        "platform_stats",
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("figures", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("platform", name=op.f("pk_platform_stats")),
        comment="What one writer last computed of each platform, for whoever shows it",
    )


def downgrade() -> None:
    op.drop_table("platform_stats")
    op.drop_table("daily_stats")
    op.create_table_comment(
        "account",
        "Each scraped account: its outcomes and its freshness",
        existing_comment="Each scraped account: its outcomes, its freshness and its levels",
    )
    for column in levels():
        op.drop_column("account", column.name)
    op.drop_column("account", "seen_at")
