"""Keep which processes were asked for a snapshot of their memory, and what came of it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    instant = sa.DateTime(timezone=True)
    op.create_table(
        "memory_snapshot",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("process", sa.Text(), nullable=False),
        sa.Column("asked_at", instant, nullable=False),
        sa.Column("until", instant, nullable=False),
        sa.Column("taken_at", instant, nullable=True),
        sa.Column("result", JSONB(), nullable=False, server_default="{}"),
        sa.PrimaryKeyConstraint("id", name="pk_memory_snapshot"),
        comment="Which lines of a process allocated what it kept, over a few tasks",
    )
    op.create_index("ix_memory_snapshot_asked_at", "memory_snapshot", ["asked_at"])


def downgrade() -> None:
    op.drop_table("memory_snapshot")
