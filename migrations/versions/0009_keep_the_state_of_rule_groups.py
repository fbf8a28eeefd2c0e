"""Keep the state of rule groups, and what operators change of rules."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column(
        "alert",
        sa.Column(
            "rule_group",
            sa.Text(),
            nullable=False,
            server_default="",
            comment="The key of the rule's group",
        ),
    )
    op.add_column("alert", sa.Column("missing_since", sa.DateTime(timezone=True), nullable=True))
    op.alter_column("alert", "rule", comment="The rule's key: file, group, name and labels")
    op.create_index(
        "ix_alert_active", "alert", ["rule_group"], postgresql_where="state IN ('pending', 'firing')"
    )
    create_state()
    create_changes()


def create_state() -> None:
    op.create_table(
        "rule_group",
        sa.Column("key", sa.Text(), nullable=False, comment="File and name"),
        sa.Column("interval_seconds", sa.Double(), nullable=False),
        sa.Column("evaluated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False, comment="How long the last evaluation took"),
        sa.Column("evaluations", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column(
            "skipped", sa.BigInteger(), nullable=False, server_default="0", comment="Times that were let pass"
        ),
        sa.Column(
            "rules",
            postgresql.JSONB(),
            nullable=False,
            comment="Of each rule, by its key: how its last evaluation went",
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_rule_group")),
        comment="Each group's last evaluation: who evaluates it next goes on from here",
    )
    op.create_table(
        "rule_output",
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column(
            "series", sa.LargeBinary(), nullable=False, comment="As int32: those that the rule wrote last"
        ),
        sa.PrimaryKeyConstraint("rule", name=op.f("pk_rule_output")),
        comment="What rules wrote: each series that the next evaluation lacks gets a staleness marker",
    )


def create_changes() -> None:
    op.create_table(
        "rule_override",
        sa.Column("rule", sa.Text(), nullable=False, comment="The rule's name, or group/name"),
        sa.Column("enabled", sa.Boolean(), nullable=True, comment="NULL: as the file says"),
        sa.Column(
            "settings",
            postgresql.JSONB(),
            nullable=False,
            server_default="{}",
            comment="Parameters and times, by name",
        ),
        sa.PrimaryKeyConstraint("rule", name=op.f("pk_rule_override")),
        comment="What operators changed of rules, over what the files say",
    )
    op.create_table(
        "rule_audit",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("before", postgresql.JSONB(), nullable=False),
        sa.Column("after", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rule_audit")),
        comment="Who changed what of which rule, and when",
    )
    op.create_index("ix_rule_audit_rule", "rule_audit", ["rule"])


def downgrade() -> None:
    for table in ("rule_audit", "rule_override", "rule_output", "rule_group"):
        op.drop_table(table)
    op.drop_index("ix_alert_active", table_name="alert")
    op.alter_column("alert", "rule", comment=None)
    op.drop_column("alert", "missing_since")
    op.drop_column("alert", "rule_group")
