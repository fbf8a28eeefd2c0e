"""Keep groups and silences."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "acknowledgement",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "ended_by",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="Whoever withdrew it, or what ended it",
        ),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_acknowledgement")),
    )
    op.create_index("ix_acknowledgement_fingerprint", "acknowledgement", ["fingerprint"], unique=False)
    op.create_table(
        "notify_alert",
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("labels", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("annotations", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "expires",
            sa.Boolean(),
            nullable=False,
            comment="Whether ends_at is only our guess, for want of news",
        ),
        sa.Column("generator_url", sa.Text(), nullable=False),
        sa.Column(
            "channels",
            postgresql.ARRAY(sa.Text()),
            nullable=True,
            comment="A rule's own, which win over the routing tree",
        ),
        sa.Column(
            "changes",
            postgresql.ARRAY(sa.DateTime(timezone=True)),
            nullable=False,
            comment="When it last began or ceased to fire, the newest first",
        ),
        sa.PrimaryKeyConstraint("fingerprint", name=op.f("pk_notify_alert")),
        comment="Every alert of ours or from outside, as notifications know it",
    )
    op.create_index("ix_notify_alert_ends_at", "notify_alert", ["ends_at"], unique=False)
    op.create_index(
        "ix_notify_alert_labels", "notify_alert", ["labels"], unique=False, postgresql_using="gin"
    )
    op.create_table(
        "notify_group",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("route", sa.Text(), nullable=False, comment="The key of its node in the routing tree"),
        sa.Column("labels", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("group_key", sa.Text(), nullable=False, comment="Named in notifications"),
        sa.Column("digest", sa.Uuid(), nullable=False, comment="Of group_key, which may be long"),
        sa.Column(
            "channels", postgresql.ARRAY(sa.Text()), nullable=True, comment="Of a rule that names its own"
        ),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("flushed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notify_group")),
        sa.UniqueConstraint("digest", name=op.f("uq_notify_group_digest")),
        comment="Alerts that are told together; one without members is kept for what was told of it",
    )
    op.create_index("ix_notify_group_due_at", "notify_group", ["due_at"], unique=False)
    op.create_table(
        "silence",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("matchers", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column(
            "intervals",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="The only times at which it holds, if it comes again and again",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_silence")),
    )
    op.create_index("ix_silence_ends_at", "silence", ["ends_at"], unique=False)
    op.create_table(
        "notify_log",
        sa.Column("group_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "step", sa.SmallInteger(), nullable=False, comment="0, or the number of an escalation's step"
        ),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("receiver", sa.Text(), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("part", sa.Text(), nullable=False),
        sa.Column(
            "firing", postgresql.ARRAY(sa.Text()), nullable=False, comment="What fired when it was told last"
        ),
        sa.Column(
            "resolved",
            postgresql.ARRAY(sa.Text()),
            nullable=False,
            comment="What was over when it was told last",
        ),
        sa.Column("told", postgresql.ARRAY(sa.Text()), nullable=False, comment="Whose end is still owed"),
        sa.Column(
            "fired",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="When it was last told that an alert fires",
        ),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"],
            ["notify_group.id"],
            name=op.f("fk_notify_log_group_id_notify_group"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "group_id", "step", "channel", "receiver", "position", "part", name=op.f("pk_notify_log")
        ),
        comment="What each destination was told of a group",
    )
    op.create_table(
        "notify_member",
        sa.Column("group_id", sa.BigInteger(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["fingerprint"],
            ["notify_alert.fingerprint"],
            name=op.f("fk_notify_member_fingerprint_notify_alert"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["group_id"],
            ["notify_group.id"],
            name=op.f("fk_notify_member_group_id_notify_group"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("group_id", "fingerprint", name=op.f("pk_notify_member")),
    )
    op.create_index("ix_notify_member_fingerprint", "notify_member", ["fingerprint"], unique=False)
    op.add_column(
        "outbox",
        sa.Column(
            "fingerprints",
            postgresql.ARRAY(sa.Text()),
            server_default="{}",
            nullable=False,
            comment="The alerts it tells of",
        ),
    )
    op.create_index(
        "ix_outbox_fingerprints", "outbox", ["fingerprints"], unique=False, postgresql_using="gin"
    )


def downgrade() -> None:
    op.drop_index("ix_outbox_fingerprints", table_name="outbox", postgresql_using="gin")
    op.drop_column("outbox", "fingerprints")
    op.drop_index("ix_notify_member_fingerprint", table_name="notify_member")
    op.drop_table("notify_member")
    op.drop_table("notify_log")
    op.drop_index("ix_silence_ends_at", table_name="silence")
    op.drop_table("silence")
    op.drop_index("ix_notify_group_due_at", table_name="notify_group")
    op.drop_table("notify_group")
    op.drop_index("ix_notify_alert_labels", table_name="notify_alert", postgresql_using="gin")
    op.drop_index("ix_notify_alert_ends_at", table_name="notify_alert")
    op.drop_table("notify_alert")
    op.drop_index("ix_acknowledgement_fingerprint", table_name="acknowledgement")
    op.drop_table("acknowledgement")
