"""Every table. Migrations make them; a test holds that the two agree."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

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

metric = Table(
    "metric",
    metadata,
    Column("name", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("series", Integer, nullable=False, server_default="0"),
    _instant("overflowed_at", nullable=True),
    _created(),
    comment="Each metric: what its values mean, and how many series it has of those it may have",
)

series = Table(
    "series",
    metadata,
    Column("id", Integer, Identity(always=True), primary_key=True),
    Column("fingerprint", Uuid, nullable=False, unique=True, comment="Of name and labels, which may be long"),
    Column("name", Text, nullable=False),
    Column("labels", JSONB, nullable=False),
    Column("kind", Text, nullable=False),
    _created(),
    Index("ix_series_name", "name"),
)

samples = Table(
    "samples",
    metadata,
    Column("series_id", Integer, nullable=False),
    _instant("ts"),
    Column("value", Double, nullable=False),
    Index(
        "ix_samples_ts",
        "ts",
        postgresql_using="brin",
        postgresql_with={"pages_per_range": "32", "autosummarize": "on"},
    ),
    postgresql_partition_by="RANGE (ts)",
)

ingest_batch = Table(
    "ingest_batch",
    metadata,
    Column("id", Text, primary_key=True),
    Column("accepted", Integer, nullable=False),
    Column("rejected", Integer, nullable=False),
    _instant("received_at"),
    Column("first_us", BigInteger, comment="The earliest of its samples' times, in Unix microseconds"),
    Column("last_us", BigInteger, comment="The latest; -1 if it has no samples"),
    Column(
        "xid",
        BigInteger,
        server_default=text("((pg_current_xact_id())::text)::bigint"),
        comment="Of the transaction, by which a reader knows what it has not seen yet",
    ),
    Index("ix_ingest_batch_received_at", "received_at", postgresql_using="brin"),
    Index("ix_ingest_batch_xid", "xid"),
    comment="The batches that are in, kept for longer than a sample is accepted late",
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
    Column("tier", SmallInteger, nullable=False),
    _instant("slice"),
    Column("series_id", Integer, comment="The one series that changed there; NULL for all of them"),
    _instant("marked_at"),
    comment="Append-only: each transaction marks the slices that it changed for the tier above",
)

rollup_shard = Table(
    "rollup_shard",
    metadata,
    Column("shard", SmallInteger, primary_key=True, autoincrement=False),
    _instant("ticked_at"),
    comment="When each shard's marks were last worked on",
)


def _rollup(name: str) -> Table:
    return Table(
        name,
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
        Column("increase", Double, comment="Reset-adjusted growth from the first to the last; counters only"),
        Column("p50", Double, nullable=False),
        Column("p90", Double, nullable=False),
        Column("p95", Double, nullable=False),
        Column("p99", Double, nullable=False),
        Column("histogram", LargeBinary, nullable=False, comment="watchfleet.metrics.sketch tells its form"),
        Index(
            f"ix_{name}_bucket",
            "bucket",
            postgresql_using="brin",
            postgresql_with={"pages_per_range": "16", "autosummarize": "on"},
        ),
        postgresql_partition_by="RANGE (bucket)",
    )


rollup_5m = _rollup("rollup_5m")
rollup_15m = _rollup("rollup_15m")
rollup_1h = _rollup("rollup_1h")
rollup_24h = _rollup("rollup_24h")

counter = Table(
    "counter",
    metadata,
    Column("name", Text, primary_key=True),
    Column("labels", JSONB, primary_key=True),
    Column("value", Double, nullable=False),
    comment="The fleet's own counters, as far as they are summed up",
)

counter_delta = Table(
    "counter_delta",
    metadata,
    Column("name", Text, nullable=False),
    Column("labels", JSONB, nullable=False),
    Column("value", Double, nullable=False),
    comment="Append-only: what transactions added since, so that none waits for another's row",
)

LEVELS: Final = ("followers", "following", "posts", "likes", "comments", "shares", "views")
"""What an account has at a time: of each the newest report, and when that was."""


def _levels() -> Iterator["Column[Any]"]:
    for level in LEVELS:
        yield Column(level, Double)
        yield _instant(f"{level}_at", nullable=True)


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
    _instant("seen_at", nullable=True),
    *_levels(),
    comment="Each scraped account: its outcomes, its freshness and its levels",
)

daily_stats = Table(
    "daily_stats",
    metadata,
    Column("platform", Text, primary_key=True),
    Column("account", Text, primary_key=True),
    Column("day", Date, primary_key=True, comment="Of the fleet's time zone"),
    Column("account_group", Text, primary_key=True, comment="Empty for none"),
    Column("succeeded", BigInteger, nullable=False),
    Column("failed", BigInteger, nullable=False),
    Column("timed", BigInteger, nullable=False, comment="Scrapes whose duration was told"),
    Column("duration_seconds", Numeric, nullable=False, comment="The sum of these; exact in any order"),
    Column("content", Numeric, nullable=False, comment="Pieces of content that were found"),
    *_levels(),
    Index("ix_daily_stats_day_platform_account", "day", "platform", "account"),
    postgresql_partition_by="RANGE (day)",
    comment="What each account did on each day, kept with its events and computable from them",
)

event_seen = Table(
    "event_seen",
    metadata,
    Column("id", Uuid, primary_key=True),
    _instant("seen_at"),
    Index("ix_event_seen_seen_at", "seen_at", postgresql_using="brin"),
    comment="Events that their sender may send again, kept for longer than one is accepted late",
)

platform_stats = Table(
    "platform_stats",
    metadata,
    Column("platform", Text, primary_key=True),
    _instant("at"),
    Column("figures", JSONB, nullable=False),
    comment="What one writer last computed of each platform, for whoever shows it",
)

account_event = Table(
    "account_event",
    metadata,
    _instant("ts"),
    Column("signal", Text, nullable=False),
    Column("platform", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("account_group", Text),
    Column("fields", JSONB, nullable=False),
    Index(
        "ix_account_event_ts",
        "ts",
        postgresql_using="brin",
        postgresql_with={"pages_per_range": "32", "autosummarize": "on"},
    ),
    postgresql_partition_by="RANGE (ts)",
    comment="What scrapers reported of each account, from which its statistics are computed",
)

activity = Table(
    "activity",
    metadata,
    _instant("ts"),
    Column("correlation_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("service", Text, nullable=False),
    Column("duration", Double, comment="Seconds"),
    Column("fields", JSONB, nullable=False),
    Index("ix_activity_correlation_id", "correlation_id"),
    postgresql_partition_by="RANGE (ts)",
    comment="What applications did under each correlation id",
)

memory_snapshot = Table(
    "memory_snapshot",
    metadata,
    Column("id", Text, primary_key=True),
    Column("process", Text, nullable=False),
    _instant("asked_at"),
    _instant("until"),
    _instant("taken_at", nullable=True),
    Column("result", JSONB, nullable=False, server_default="{}"),
    Index("ix_memory_snapshot_asked_at", "asked_at"),
    comment="Which lines of a process allocated what it kept, over a few tasks",
)

query_plan = Table(
    "query_plan",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("fingerprint", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("shape", Text, nullable=False, comment="Equal for plans that do the same, whatever they cost"),
    Column("plan", ARRAY(Text), nullable=False, comment="A node a line"),
    _instant("found_at"),
    Index("ix_query_plan_fingerprint", "fingerprint", "id"),
    comment="How databases execute the heaviest kinds of queries, each time that it changed",
)

statement = Table(
    "statement",
    metadata,
    Column("fingerprint", Text, primary_key=True),
    Column("text", Text, nullable=False, comment="One of the kind, without its values"),
    _instant("seen_at"),
    Index("ix_statement_seen_at", "seen_at"),
    comment="What the fingerprints of queries stand for",
)

# --- probes ----------------------------------------------------------------------------------------

probe_target = Table(
    "probe_target",
    metadata,
    Column("name", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("interval_seconds", Double, nullable=False),
    Column(
        "severity", Text, nullable=False, server_default="critical", comment="Of the alert that it is down"
    ),
    Column("labels", JSONB, nullable=False, server_default="{}", comment="Of the alerts about it"),
    Column("depends_on", ARRAY(Text), nullable=False, server_default="{}"),
    _instant("due_at"),
    _instant("recheck_at", nullable=True),
    Column("status", Text, nullable=False),
    _instant("status_since"),
    Column("failures", Integer, nullable=False, comment="Failed checks in a row, that count"),
    Column("excused", Integer, nullable=False, server_default="0", comment="Failed checks that do not count"),
    Column("successes", Integer, nullable=False, server_default="0", comment="In a row while it is down"),
    _instant("failing_since", nullable=True),
    _instant("checked_at", nullable=True),
    Column("reason", Text, nullable=False, server_default=""),
    Column("detail", Text, nullable=False, server_default=""),
    Index("ix_probe_target_due_at", "due_at"),
    Index("ix_probe_target_recheck_at", "recheck_at", postgresql_where=text("recheck_at IS NOT NULL")),
)

probe_location = Table(
    "probe_location",
    metadata,
    Column("target", Text, primary_key=True),
    Column("location", Text, primary_key=True),
    Column("status", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("duration", Double, nullable=False, comment="Seconds"),
    _instant("checked_at"),
    Column("answer", Text, nullable=False, server_default="", comment="What it was answered, redacted"),
    comment="What each place found last, of targets that are checked from several",
)

probe_status = Table(
    "probe_status",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("target", Text, nullable=False),
    Column("status", Text, nullable=False),
    _instant("started_at"),
    _instant("ended_at", nullable=True),
    Column("reason", Text, nullable=False, server_default=""),
    Column("detail", Text, nullable=False, server_default=""),
    Column("answer", Text, nullable=False, server_default="", comment="The first that showed it, redacted"),
    Index("ix_probe_status_target", "target", "started_at"),
    Index("ix_probe_status_open", "target", postgresql_where=text("ended_at IS NULL")),
    comment="Every time that a target was of one status",
)

heartbeat = Table(
    "heartbeat",
    metadata,
    Column("target", Text, primary_key=True),
    _instant("started_at", nullable=True),
    _instant("ended_at", nullable=True),
    _instant("succeeded_at", nullable=True),
    Column("failed", Boolean, nullable=False, server_default="false"),
    Column("exit_code", SmallInteger, nullable=True),
    Column("said", Text, nullable=False, server_default=""),
    Column("run_seconds", Double, nullable=True, comment="Of the last run with both ends known"),
)

scrape_target = Table(
    "scrape_target",
    metadata,
    Column("key", Text, primary_key=True, comment="Digest of job, address and labels"),
    Column("job", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("labels", JSONB, nullable=False),
    Column("interval_seconds", Double, nullable=False),
    Column("timeout_seconds", Double, nullable=False),
    _instant("due_at"),
    _instant("scraped_at", nullable=True),
    Column("reason", Text, nullable=False, server_default="", comment="Why the last scrape failed"),
    Column("detail", Text, nullable=False, server_default=""),
    Column(
        "series",
        LargeBinary,
        nullable=False,
        server_default=text("''::bytea"),
        comment="The last scrape's series, as int32: each that the next lacks gets a staleness marker",
    ),
    Index("ix_scrape_target_due_at", "due_at"),
)

# --- alerts ----------------------------------------------------------------------------------------

raised_alert = Table(
    "raised_alert",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("labels", JSONB, nullable=False),
    Column("annotations", JSONB, nullable=False),
    _instant("raised_at"),
    _instant("until"),
    comment="Alerts that applications raised, and until when each fires unless it is raised again",
)

alert = Table(
    "alert",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("rule", Text, nullable=False, comment="The rule's key: file, group, name and labels"),
    Column("fingerprint", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("labels", JSONB, nullable=False),
    Column("annotations", JSONB, nullable=False),
    Column("state", Text, nullable=False),
    _instant("active_at"),
    _instant("fired_at", nullable=True),
    _instant("keep_firing_since", nullable=True),
    _instant("resolved_at", nullable=True),
    _instant("evaluated_at"),
    Column("value", Double),
    Column("rule_group", Text, nullable=False, server_default="", comment="The key of the rule's group"),
    _instant("missing_since", nullable=True),
    UniqueConstraint("rule", "fingerprint"),
    CheckConstraint("state IN ('inactive', 'pending', 'firing', 'resolved')", name="state"),
    Index("ix_alert_active", "rule_group", postgresql_where="state IN ('pending', 'firing')"),
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

rule_group = Table(
    "rule_group",
    metadata,
    Column("key", Text, primary_key=True, comment="File and name"),
    Column("interval_seconds", Double, nullable=False),
    _instant("evaluated_at"),
    Column("seconds", Double, nullable=False, comment="How long the last evaluation took"),
    Column("evaluations", BigInteger, nullable=False, server_default="0"),
    Column("skipped", BigInteger, nullable=False, server_default="0", comment="Times that were let pass"),
    Column("rules", JSONB, nullable=False, comment="Of each rule, by its key: how its last evaluation went"),
    comment="Each group's last evaluation: who evaluates it next goes on from here",
)

rule_output = Table(
    "rule_output",
    metadata,
    Column("rule", Text, primary_key=True),
    Column("series", LargeBinary, nullable=False, comment="As int32: those that the rule wrote last"),
    comment="What rules wrote: each series that the next evaluation lacks gets a staleness marker",
)

rule_override = Table(
    "rule_override",
    metadata,
    Column("rule", Text, primary_key=True, comment="The rule's name, or group/name"),
    Column("enabled", Boolean, comment="NULL: as the file says"),
    Column("settings", JSONB, nullable=False, server_default="{}", comment="Parameters and times, by name"),
    comment="What operators changed of rules, over what the files say",
)

rule_audit = Table(
    "rule_audit",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    _instant("at"),
    Column("who", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("before", JSONB, nullable=False),
    Column("after", JSONB, nullable=False),
    Index("ix_rule_audit_rule", "rule"),
    comment="Who changed what of which rule, and when",
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("delivery_id", Text, nullable=False, unique=True),
    Column("event_id", BigInteger, ForeignKey("alert_event.id", ondelete="SET NULL")),
    Column("channel", Text, nullable=False),
    Column("receiver", Text, nullable=False, server_default="default"),
    Column("position", SmallInteger, nullable=False, server_default="0", comment="Among its configurations"),
    Column("part", Text, nullable=False, server_default="", comment="One of several who share one of these"),
    Column("order_key", Text, nullable=False, comment="Rows of one key go out in the order of their ids"),
    Column(
        "fingerprints", ARRAY(Text), nullable=False, server_default="{}", comment="The alerts it tells of"
    ),
    Column("message", JSONB, nullable=False),
    Column("instead_of", BigInteger, comment="The dead row whose fallback this is"),
    Column("digest_id", BigInteger, comment="The row that tells of this one together with others"),
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
    Index("ix_outbox_fingerprints", "fingerprints", postgresql_using="gin"),
    Index("ix_outbox_grouped", "order_key", "digest_id", postgresql_where="state = 'grouped'"),
    Index("ix_outbox_sent", "order_key", "id", postgresql_where="state = 'sent'"),
    Index("ix_outbox_order", "order_key", "id", postgresql_where="state IN ('pending', 'sending', 'retry')"),
)

notify_alert = Table(
    "notify_alert",
    metadata,
    Column("fingerprint", Text, primary_key=True),
    Column("labels", JSONB, nullable=False),
    Column("annotations", JSONB, nullable=False),
    _instant("starts_at"),
    _instant("ends_at", nullable=True),
    _instant("updated_at"),
    Column("expires", Boolean, nullable=False, comment="Whether ends_at is only our guess, for want of news"),
    Column("generator_url", Text, nullable=False),
    Column("channels", ARRAY(Text), comment="A rule's own, which win over the routing tree"),
    Column("dedup_window", Interval, comment="A rule's own, which wins over the routing tree"),
    Column(
        "changes",
        ARRAY(DateTime(timezone=True)),
        nullable=False,
        comment="When it last began or ceased to fire, the newest first",
    ),
    Index("ix_notify_alert_labels", "labels", postgresql_using="gin"),
    Index("ix_notify_alert_ends_at", "ends_at"),
    comment="Every alert of ours or from outside, as notifications know it",
)

notify_group = Table(
    "notify_group",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("route", Text, nullable=False, comment="The key of its node in the routing tree"),
    Column("labels", JSONB, nullable=False),
    Column("group_key", Text, nullable=False, comment="Named in notifications"),
    Column("digest", Uuid, nullable=False, unique=True, comment="Of group_key, which may be long"),
    Column("channels", ARRAY(Text), comment="Of a rule that names its own"),
    _instant("due_at", nullable=True),
    _instant("flushed_at", nullable=True),
    _instant("updated_at"),
    Index("ix_notify_group_due_at", "due_at"),
    comment="Alerts that are told together; one without members is kept for what was told of it",
)

notify_member = Table(
    "notify_member",
    metadata,
    Column("group_id", BigInteger, ForeignKey("notify_group.id", ondelete="CASCADE"), primary_key=True),
    Column("fingerprint", Text, ForeignKey("notify_alert.fingerprint", ondelete="CASCADE"), primary_key=True),
    _instant("told_at", nullable=True),
    Index("ix_notify_member_fingerprint", "fingerprint"),
)

notify_log = Table(
    "notify_log",
    metadata,
    Column("group_id", BigInteger, ForeignKey("notify_group.id", ondelete="CASCADE"), primary_key=True),
    Column("step", SmallInteger, primary_key=True, comment="0, or the number of an escalation's step"),
    Column("channel", Text, primary_key=True),
    Column("receiver", Text, primary_key=True),
    Column("position", SmallInteger, primary_key=True),
    Column("part", Text, primary_key=True),
    Column("firing", ARRAY(Text), nullable=False, comment="What fired when it was told last"),
    Column("resolved", ARRAY(Text), nullable=False, comment="What was over when it was told last"),
    Column("told", ARRAY(Text), nullable=False, comment="Whose end is still owed"),
    Column("fired", JSONB, nullable=False, comment="When it was last told that an alert fires"),
    _instant("sent_at"),
    comment="What each destination was told of a group",
)

silence = Table(
    "silence",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("matchers", JSONB, nullable=False),
    _instant("starts_at"),
    _instant("ends_at"),
    _instant("updated_at"),
    Column("created_by", Text, nullable=False),
    Column("comment", Text, nullable=False),
    Column("intervals", JSONB, comment="The only times at which it holds, if it comes again and again"),
    Index("ix_silence_ends_at", "ends_at"),
)

acknowledgement = Table(
    "acknowledgement",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("fingerprint", Text, nullable=False),
    _instant("created_at"),
    _instant("expires_at", nullable=True),
    _instant("ended_at", nullable=True),
    Column(
        "ended_by", Text, nullable=False, server_default="", comment="Whoever withdrew it, or what ended it"
    ),
    Column("created_by", Text, nullable=False),
    Column("comment", Text, nullable=False),
    Index("ix_acknowledgement_fingerprint", "fingerprint"),
)

outbox_uncounted = Table(
    "outbox_uncounted",
    metadata,
    Column("rows", BigInteger, nullable=False),
    comment="How many rows of the outbox are older than their being counted",
)

notify_gate = Table(
    "notify_gate",
    metadata,
    Column("channel", Text, primary_key=True),
    Column("receiver", Text, primary_key=True),
    Column("position", SmallInteger, primary_key=True, autoincrement=False),
    Column("tokens", Double, nullable=False),
    _instant("refilled_at"),
    _instant("token_at", nullable=True),
    Column("failures", Integer, nullable=False),
    _instant("failing_since", nullable=True),
    _instant("open_until", nullable=True),
    comment="Each destination's token bucket and circuit breaker",
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
