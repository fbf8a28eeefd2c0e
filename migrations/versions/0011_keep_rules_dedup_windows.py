"""Keep the dedup windows of rules with their alerts."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column(
        "notify_alert",
        sa.Column(
            "dedup_window",
            sa.Interval(),
            nullable=True,
            comment="A rule's own, which wins over the routing tree",
        ),
    )


def downgrade() -> None:
    op.drop_column("notify_alert", "dedup_window")
