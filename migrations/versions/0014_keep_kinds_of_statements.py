"""Keep the kinds of statements."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.create_table(
        "statement",
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False, comment="One of the kind, without its values"),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name="pk_statement"),
        comment="What the fingerprints of queries stand for",
    )
    op.create_index("ix_statement_seen_at", "statement", ["seen_at"])


def downgrade() -> None:
    op.drop_table("statement")
