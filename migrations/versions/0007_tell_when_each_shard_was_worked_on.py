"""Tell when each shard of the rollups was worked on."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "rollup_shard",
        sa.Column("shard", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("ticked_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("shard", name=op.f("pk_rollup_shard")),
        comment="When each shard's marks were last worked on",
    )


def downgrade() -> None:
    op.drop_table("rollup_shard")
