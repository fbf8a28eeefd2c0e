"""Keep what each place finds of targets that are checked from several."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.create_table(
        "probe_location",
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("duration", sa.Double(), nullable=False, comment="Seconds"),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("target", "location", name="pk_probe_location"),
        comment="What each place found last, of targets that are checked from several",
    )


def downgrade() -> None:
    op.drop_table("probe_location")
