"""Tell groups of alerts, to several receivers of a channel."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.alter_column("outbox", "event_id", nullable=True)
    op.add_column("outbox", sa.Column("receiver", sa.Text(), server_default="default", nullable=False))
    op.add_column(
        "outbox",
        sa.Column(
            "position",
            sa.SmallInteger(),
            server_default="0",
            nullable=False,
            comment="Among its configurations",
        ),
    )
    op.add_column(
        "outbox",
        sa.Column(
            "part",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="One of several who share one of these",
        ),
    )
    op.add_column(
        "outbox",
        sa.Column("instead_of", sa.BigInteger(), comment="The dead row whose fallback this is"),
    )
    op.add_column(
        "outbox",
        sa.Column(
            "digest_id", sa.BigInteger(), comment="The row that tells of this one together with others"
        ),
    )
    op.create_index(
        "ix_outbox_sent",
        "outbox",
        ["order_key", "id"],
        unique=False,
        postgresql_where="state = 'sent'",
    )


def downgrade() -> None:
    op.drop_index("ix_outbox_sent", table_name="outbox", postgresql_where="state = 'sent'")
    for name in ("digest_id", "instead_of", "part", "position", "receiver"):
        op.drop_column("outbox", name)
    op.alter_column("outbox", "event_id", nullable=False)
