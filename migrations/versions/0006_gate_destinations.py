"""Gate each destination, and count what was written."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "notify_gate",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("receiver", sa.Text(), nullable=False),
        sa.Column("position", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("tokens", sa.Double(), nullable=False),
        sa.Column("refilled_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("token_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("open_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("channel", "receiver", "position", name=op.f("pk_notify_gate")),
        comment="Each destination's token bucket and circuit breaker",
    )
    op.create_index(
        "ix_outbox_grouped",
        "outbox",
        ["order_key", "digest_id"],
        unique=False,
        postgresql_where="state = 'grouped'",
    )
    # What tells of an event outlives it: the accounts must balance.
    op.drop_constraint("fk_outbox_event_id_alert_event", "outbox", type_="foreignkey")
    op.create_foreign_key(
        "fk_outbox_event_id_alert_event", "outbox", "alert_event", ["event_id"], ["id"], ondelete="SET NULL"
    )
    op.create_table(
        "outbox_uncounted",
        sa.Column("rows", sa.BigInteger(), nullable=False),
        comment="How many rows of the outbox are older than their being counted",
    )
    op.execute("INSERT INTO outbox_uncounted SELECT count(*) FROM outbox")


def downgrade() -> None:
    op.drop_constraint("fk_outbox_event_id_alert_event", "outbox", type_="foreignkey")
    op.create_foreign_key(
        "fk_outbox_event_id_alert_event", "outbox", "alert_event", ["event_id"], ["id"], ondelete="CASCADE"
    )
    op.drop_index("ix_outbox_grouped", table_name="outbox", postgresql_where="state = 'grouped'")
    op.drop_table("notify_gate")
    op.drop_table("outbox_uncounted")
