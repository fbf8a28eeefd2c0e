"""Every table. Migrations make them; a test holds that the two agree."""

from datetime import datetime
from typing import Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB

NAMING: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
metadata = MetaData(naming_convention=NAMING)


def _instant(name: str, *, nullable: bool = False) -> "Column[datetime]":
    return Column(name, DateTime(timezone=True), nullable=nullable)


def _created() -> "Column[datetime]":
    return Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now())


# --- metrics ---------------------------------------------------------------------------------------

series = Table(
    "series",
    metadata,
    Column("id", Integer, Identity(always=True), primary_key=True),
    Column("name", Text, nullable=False),
    Column("labels", JSONB, nullable=False),
    Column("kind", Text, nullable=False),
    _created(),
    UniqueConstraint("name", "labels"),
)

samples = Table(
    "samples",
    metadata,
    Column("series_id", Integer, nullable=False),
    _instant("ts"),
    Column("value", Double, nullable=False),
    Index("ix_samples_ts", "ts", postgresql_using="brin", postgresql_with={"pages_per_range": "32"}),
    postgresql_partition_by="RANGE (ts)",
)

ingest_batch = Table(
    "ingest_batch",
    metadata,
    Column("day", Date, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("samples", Integer, nullable=False),
    Column("rejected", Integer, nullable=False),
    _created(),
    postgresql_partition_by="RANGE (day)",
)

ingest_rejects = Table(
    "ingest_rejects",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("batch_id", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("sample", JSONB, nullable=False),
    _created(),
    Index("ix_ingest_rejects_created_at", "created_at"),
)

dirty_slice = Table(
    "dirty_slice",
    metadata,
    Column("shard", SmallInteger, nullable=False),
    _instant("slice"),
    comment="Append-only: each ingest transaction marks the 5-minute slices that it touched",
)

rollup_5m = Table(
    "rollup_5m",
    metadata,
    Column("series_id", Integer, primary_key=True),
    Column("bucket", DateTime(timezone=True), primary_key=True),
    Column("n", BigInteger, nullable=False),
    Column("sum", Double, nullable=False),
    Column("m2", Double, nullable=False, comment="Sum of squared distances from the mean"),
    Column("min", Double, nullable=False),
    Column("max", Double, nullable=False),
    _instant("first_ts"),
    Column("first_value", Double, nullable=False),
    _instant("last_ts"),
    Column("last_value", Double, nullable=False),
    Column("increase", Double, comment="Reset-adjusted growth inside the bucket; counters only"),
    Column("p50", Double),
    Column("p90", Double),
    Column("p95", Double),
    Column("p99", Double),
    Column("histogram", LargeBinary),
    Index(
        "ix_rollup_5m_bucket", "bucket", postgresql_using="brin", postgresql_with={"pages_per_range": "16"}
    ),
    postgresql_partition_by="RANGE (bucket)",
)

account = Table(
    "account",
    metadata,
    Column("platform", Text, primary_key=True),
    Column("account", Text, primary_key=True),
    Column("account_group", Text),
    Column("succeeded", BigInteger, nullable=False),
    Column("failed", BigInteger, nullable=False),
    _instant("last_success_at", nullable=True),
    _instant("last_failure_at", nullable=True),
    Column("last_failure_reason", Text),
    comment="Each scraped account: its outcomes and its freshness",
)

# --- probes ----------------------------------------------------------------------------------------

probe_target = Table(
    "probe_target",
    metadata,
    Column("name", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("interval_seconds", Double, nullable=False),
    _instant("due_at"),
    Column("status", Text, nullable=False),
    _instant("status_since"),
    Column("failures", Integer, nullable=False, comment="Failed checks in a row"),
    _instant("checked_at", nullable=True),
    Column("reason", Text, nullable=False, server_default=""),
    Column("detail", Text, nullable=False, server_default=""),
    Index("ix_probe_target_due_at", "due_at"),
)

# --- alerts ----------------------------------------------------------------------------------------

alert = Table(
    "alert",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("rule", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("labels", JSONB, nullable=False),
    Column("annotations", JSONB, nullable=False),
    Column("state", Text, nullable=False),
    _instant("active_at"),
    _instant("fired_at", nullable=True),
    _instant("resolved_at", nullable=True),
    _instant("evaluated_at"),
    Column("value", Double),
    UniqueConstraint("rule", "fingerprint"),
    CheckConstraint("state IN ('inactive', 'pending', 'firing', 'resolved')", name="state"),
)

alert_event = Table(
    "alert_event",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("alert_id", BigInteger, ForeignKey("alert.id", ondelete="CASCADE"), nullable=False),
    _instant("at"),
    Column("from_state", Text, nullable=False),
    Column("to_state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("value", Double),
    Index("ix_alert_event_alert_id_at", "alert_id", "at"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("delivery_id", Text, nullable=False, unique=True),
    Column("event_id", BigInteger, ForeignKey("alert_event.id", ondelete="CASCADE"), nullable=False),
    Column("channel", Text, nullable=False),
    Column("order_key", Text, nullable=False, comment="Rows of one key go out in the order of their ids"),
    Column("message", JSONB, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    Column("attempts", Integer, nullable=False, server_default="0"),
    _instant("due_at"),
    Column("token", Uuid, comment="Fences the outcome: only the holder of the claim may record it"),
    _instant("leased_until", nullable=True),
    _instant("published_at", nullable=True),
    Column("last_error", Text, nullable=False, server_default=""),
    Column("receipt", JSONB),
    _created(),
    _instant("finished_at", nullable=True),
    CheckConstraint(
        "state IN ('pending', 'sending', 'retry', 'sent', 'dead', 'grouped', 'suppressed')", name="state"
    ),
    Index("ix_outbox_open", "channel", "due_at", postgresql_where="state IN ('pending', 'sending', 'retry')"),
    Index("ix_outbox_order", "order_key", "id", postgresql_where="state IN ('pending', 'sending', 'retry')"),
)

# --- beat ------------------------------------------------------------------------------------------

beat_leader = Table(
    "beat_leader",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column(
        "epoch", BigInteger, nullable=False, comment="Fences the publish: rises with every change of leader"
    ),
    Column("holder", Text, nullable=False),
    _instant("ticked_at"),
    CheckConstraint("id = 1", name="one_row"),
)

beat_entry = Table(
    "beat_entry",
    metadata,
    Column("name", Text, primary_key=True),
    _instant("slot"),
    Column("runs", BigInteger, nullable=False),
)
