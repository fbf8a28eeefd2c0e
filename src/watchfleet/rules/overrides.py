"""What operators change of rules: kept in the store over what the files say, and written down."""

import json
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, select, text

from watchfleet.db.tables import rule_audit, rule_override
from watchfleet.rules.prepared import Override

_LOCK: Final = text("SELECT enabled, settings FROM rule_override WHERE rule = :rule FOR UPDATE")
_SAVE: Final = text(
    "INSERT INTO rule_override (rule, enabled, settings) VALUES (:rule, :enabled, CAST(:settings AS jsonb))"
    " ON CONFLICT (rule) DO UPDATE SET enabled = excluded.enabled, settings = excluded.settings"
)
_AUDIT: Final = text(
    "INSERT INTO rule_audit (at, who, rule, before, after)"
    " VALUES (:at, :who, :rule, CAST(:before AS jsonb), CAST(:after AS jsonb))"
)


class Audited(NamedTuple):
    """One change of a rule.

    Attributes:
        at: When.
        who: By whom.
        rule: Of which rule.
        before: What was changed of it before.
        after: What is now.
    """

    at: datetime
    who: str
    rule: str
    before: dict[str, Any]
    after: dict[str, Any]


def overrides(connection: Connection) -> dict[str, Override]:
    """What is changed, by the rule's name."""
    rows = connection.execute(select(rule_override))
    return {row.rule: Override(row.enabled, row.settings) for row in rows}


def change(
    connection: Connection,
    rule: str,
    who: str,
    now: datetime,
    *,
    enabled: bool | None = None,
    settings: Mapping[str, str | None] | None = None,
) -> Override:
    """Change a rule, and write down who did; in effect from the next evaluation.

    Args:
        connection: A transaction.
        rule: The rule's name.
        who: Who changes it.
        now: The present.
        enabled: Whether it is on; None leaves that.
        settings: New values by name; None takes one back, so that the file's holds again.

    Returns:
        All that is changed of it now.
    """
    connection.execute(text("LOCK TABLE rule_override IN SHARE ROW EXCLUSIVE MODE"))
    row = connection.execute(_LOCK, {"rule": rule}).one_or_none()
    before = Override(row.enabled, row.settings) if row else Override()
    merged = {**before.settings, **(settings or {})}
    after = Override(
        before.enabled if enabled is None else enabled,
        {name: value for name, value in merged.items() if value is not None},
    )
    values = {"rule": rule, "enabled": after.enabled, "settings": json.dumps(after.settings)}
    connection.execute(_SAVE, values)
    told = {"at": now, "who": who, "rule": rule, "before": _facts(before), "after": _facts(after)}
    connection.execute(_AUDIT, told)
    return after


def audit(connection: Connection, names: Collection[str], most: int = 100) -> list[Audited]:
    """The last changes of rules, by the names that they were changed by; the newest first."""
    rows = connection.execute(
        select(rule_audit).where(rule_audit.c.rule.in_(names)).order_by(rule_audit.c.id.desc()).limit(most)
    )
    return [Audited(row.at, row.who, row.rule, row.before, row.after) for row in rows]


def _facts(override: Override) -> str:
    facts: dict[str, Any] = dict(override.settings)
    if override.enabled is not None:
        facts["enabled"] = override.enabled
    return json.dumps(facts)
