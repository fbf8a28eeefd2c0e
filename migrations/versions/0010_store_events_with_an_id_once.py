"""Store events with an id once."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_table(
        "event_seen",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event_seen")),
        comment="Events that their sender may send again, kept for longer than one is accepted late",
    )
    op.create_index("ix_event_seen_seen_at", "event_seen", ["seen_at"], unique=False, postgresql_using="brin")


def downgrade() -> None:
    op.drop_index("ix_event_seen_seen_at", table_name="event_seen", postgresql_using="brin")
    op.drop_table("event_seen")
