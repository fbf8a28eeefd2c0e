"""Tell which batches are new, and which times their samples cover."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column(
        "ingest_batch",
        sa.Column(
            "first_us",
            sa.BigInteger(),
            nullable=True,
            comment="The earliest of its samples' times, in Unix microseconds",
        ),
    )
    op.add_column(
        "ingest_batch",
        sa.Column("last_us", sa.BigInteger(), nullable=True, comment="The latest; -1 if it has no samples"),
    )
    op.add_column(
        "ingest_batch",
        sa.Column(
            "xid",
            sa.BigInteger(),
            nullable=True,
            comment="Of the transaction, by which a reader knows what it has not seen yet",
        ),
    )
    # Not with the column: the table would be written anew, and every batch would have one number.
    op.alter_column("ingest_batch", "xid", server_default=sa.text("((pg_current_xact_id())::text)::bigint"))
    op.create_index("ix_ingest_batch_xid", "ingest_batch", ["xid"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_ingest_batch_xid", table_name="ingest_batch")
    op.drop_column("ingest_batch", "xid")
    op.drop_column("ingest_batch", "last_us")
    op.drop_column("ingest_batch", "first_us")
