"""The blueprint of `/api/rules`: the rules with what Prometheus's API has no field for."""

from typing import Any

from flask import Blueprint, Response, jsonify

from watchfleet.clock import format_duration, utcnow
from watchfleet.db.engine import transaction
from watchfleet.rules.library import get_library
from watchfleet.rules.listing import ListedGroup, ListedRule, listed
from watchfleet.web.access import refusal

api = Blueprint("rules", __name__)


@api.get("/api/rules")
def rules() -> Response:
    """Every rule, those that are switched off among them, and what is wrong with the files."""
    refused = refusal()
    if refused is not None:
        return refused
    library = get_library()
    with transaction() as connection:
        groups = listed(connection, library, utcnow())
    found = [_facts(group, one) for group in groups for one in group.rules]
    return jsonify(rules=found, problems=[str(problem) for problem in library.problems])


def _facts(group: ListedGroup, one: ListedRule) -> dict[str, Any]:
    rule, state = one.rule.rule, one.state
    return {
        "name": rule.name,
        "group": group.group.group.name,
        "file": str(group.group.group.file),
        "type": str(rule.kind),
        "query": str(rule.expr),
        "enabled": one.rule.enabled,
        "dead": one.is_dead,
        "health": str(one.health),
        "error": state.error if state else "",
        "series": state.series if state else None,
        "state": one.shown_state,
        "alerts": len(one.active),
        "params": dict(one.rule.values),
        "for": format_duration(rule.hold),
        "keepFiringFor": format_duration(rule.keep_firing),
        "interval": format_duration(group.group.interval),
        "lastEvaluation": group.state.evaluated_at and group.state.evaluated_at.isoformat(),
        "skippedEvaluations": group.state.skipped,
        "onData": rule.options.on_data,
        "noData": str(one.rule.policy.no_data),
        "onError": str(one.rule.policy.on_error),
    }
