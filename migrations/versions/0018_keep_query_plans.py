"""Keep how databases execute the heaviest kinds of queries."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.create_table(
        "query_plan",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column(
            "shape", sa.Text(), nullable=False, comment="Equal for plans that do the same, whatever they cost"
        ),
        sa.Column("plan", ARRAY(sa.Text()), nullable=False, comment="A node a line"),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_query_plan"),
        comment="How databases execute the heaviest kinds of queries, each time that it changed",
    )
    op.create_index("ix_query_plan_fingerprint", "query_plan", ["fingerprint", "id"])


def downgrade() -> None:
    op.drop_table("query_plan")
