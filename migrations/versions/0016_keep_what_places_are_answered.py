"""Keep what each place was answered, of targets that are checked from several."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    answer = sa.Column(
        "answer", sa.Text(), nullable=False, server_default="", comment="What it was answered, redacted"
    )
    op.add_column("probe_location", answer)


def downgrade() -> None:
    op.drop_column("probe_location", "answer")
