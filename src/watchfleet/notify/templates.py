"""Templates of receivers: Jinja2 in a sandbox, bounded in everything, and never the reason for silence.

A template may read what it is given, loop, choose and filter; it calls nothing, and what it can reach is
text, numbers, lists and mappings. Every loop draws on one budget, every text that is made is capped. What
alerts hold is cleaned where it is put in, and escaped in HTML. A template that fails costs its own text: the
notification goes out as if there were none.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from typing import Any, Final

from jinja2 import (
    StrictUndefined,
    TemplateError,
    TemplateRuntimeError,
    TemplateSyntaxError,
    nodes,
    pass_context,
)
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from watchfleet.model import AlertFacts, Message
from watchfleet.notify.text import clean
from watchfleet.redact import redact

logger = logging.getLogger(__name__)

SOURCE_CAP: Final = 16_000
TEXT_CAP: Final = 60_000
STEPS: Final = 10_000
"""How many rounds all loops of one rendering may have together."""
LISTED: Final = 1_000
_BUDGET: Final = "steps left"
_METHODS: Final = frozenset({"items", "keys", "values", "get"})
_FILTERS: Final = frozenset({
    "capitalize", "count", "d", "default", "dictsort", "first", "int", "last", "length", "list", "lower",
    "round", "sort", "title", "tojson", "trim", "truncate", "unique", "upper",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rendered:
    """What came of a template.

    Attributes:
        text: The text; None when there is no template, or it failed.
        error: Why it failed, for people.
    """

    text: str | None = None
    error: str = ""


def render(source: str, message: Message, *, html: bool = False) -> Rendered:
    """The text that a template makes of a message.

    Args:
        source: The template; empty for none.
        message: What is told.
        html: Whether what is put in is escaped for HTML.
    """
    if not source:
        return Rendered()
    try:
        template = _environment(html).from_string(_short(source, SOURCE_CAP))
        values = {**facts(message), _BUDGET: [STEPS]}
        return Rendered("".join(_capped(template.generate(values))))
    except Exception as error:  # noqa: BLE001 - whatever a template does, the notification goes out
        told = redact(f"{type(error).__name__}: {error}")[:500]
        logger.warning("a template failed, the notification goes out without it: %s", told)
        return Rendered(error=told)


def made(templates: Mapping[str, str], message: Message) -> dict[str, str]:
    """What those of the templates make that are given and do not fail, by name."""
    found = {name: render(source, message).text for name, source in templates.items()}
    return {name: text for name, text in found.items() if text}


def problem(source: str) -> str:
    """Why a template cannot be read; empty if it can."""
    try:
        _environment(html=False).parse(_short(source, SOURCE_CAP))
    except TemplateError as error:
        hint = "templates are in Jinja2, such as {{ common_labels.alertname }}"
        return f"{error.message or type(error).__name__} ({hint})"
    return ""


def facts(message: Message) -> dict[str, Any]:
    """What a template sees."""
    return {
        "status": message.status,
        "severity": str(message.severity),
        "receiver": message.receiver,
        "name": message.name,
        "reason": message.reason,
        "count": message.count,
        "truncated": message.truncated_alerts,
        "external_url": message.external_url,
        "group_labels": message.group_labels,
        "common_labels": message.common_labels,
        "common_annotations": message.common_annotations,
        "alerts": [_alert(alert) for alert in message.alerts[:LISTED]],
        "firing": [_alert(alert) for alert in message.firing[:LISTED]],
        "resolved": [_alert(alert) for alert in message.alerts if alert.status == "resolved"][:LISTED],
    }


def _alert(alert: AlertFacts) -> dict[str, Any]:
    return {
        "status": alert.status,
        "labels": alert.labels,
        "annotations": alert.annotations,
        "starts_at": alert.starts_at.isoformat(),
        "ends_at": alert.ends_at.isoformat() if alert.ends_at else "",
        "fingerprint": alert.fingerprint,
        "generator_url": alert.generator_url,
    }


class _Sandbox(ImmutableSandboxedEnvironment):
    """Calls nothing but the methods by which a mapping is read, and makes no text without a cap."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        for loop in tree.find_all(nodes.For):
            if loop.recursive:
                raise TemplateSyntaxError("loops do not call themselves here", loop.lineno)
            loop.iter = nodes.Filter(loop.iter, "counted", [], [], None, None, lineno=loop.lineno)
        for joined in list(tree.find_all(nodes.Concat)):
            joined.nodes = [
                nodes.Filter(each, "short", [], [], None, None, lineno=joined.lineno) for each in joined.nodes
            ]
        refused = (nodes.Macro, nodes.CallBlock, nodes.Import, nodes.FromImport, nodes.Include, nodes.Extends)
        for node in tree.find_all(refused):
            raise TemplateSyntaxError("there are no macros, imports and parents here", node.lineno)
        return tree

    def call(self, context: Context, called: Any, /, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG002 - the base class's signature
        """Only a mapping's own methods for reading it."""
        owner = getattr(called, "__self__", None)
        if not (isinstance(owner, dict) and getattr(called, "__name__", "") in _METHODS):
            raise SecurityError("templates call nothing; write a filter, such as {{ name | upper }}")
        return called(*args, **kwargs)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Arithmetic of numbers, and texts and lists put together."""
        if operator == "+":
            return _short(left + right, TEXT_CAP)
        if isinstance(left, str | list | tuple) or isinstance(right, str | list | tuple) or operator == "**":
            raise SecurityError(f"{operator} is for plain numbers")
        return super().call_binop(context, operator, left, right)


@pass_context
def _counted(context: Context, items: Any) -> Iterator[Any]:
    budget = context[_BUDGET]
    for item in items:
        if budget[0] <= 0:
            raise TemplateRuntimeError(f"the loops have more than {STEPS:,} rounds together")
        budget[0] -= 1
        yield item


def _short(value: Any, limit: int = TEXT_CAP) -> Any:
    if isinstance(value, Sequence) and len(value) > limit:
        raise TemplateRuntimeError(f"more than {limit:,} characters")
    return value


def _replace(value: Any, old: Any, new: Any) -> str:
    text, old, new = str(value), str(old), str(new)
    if len(text) + (text.count(old) + 1) * len(new) > TEXT_CAP:
        raise TemplateRuntimeError(f"more than {TEXT_CAP:,} characters")
    return text.replace(old, new)


def _joined(values: Any, between: Any = "") -> str:
    parts, total = [], 0
    for value in values:
        parts.append(str(value))
        total += len(parts[-1]) + len(str(between))
        if total > TEXT_CAP:
            raise TemplateRuntimeError(f"more than {TEXT_CAP:,} characters")
    return str(between).join(parts)


def _capped(chunks: Iterable[str]) -> Iterator[str]:
    total = 0
    for chunk in chunks:
        total += len(chunk)
        if total > TEXT_CAP:
            raise TemplateRuntimeError(f"more than {TEXT_CAP:,} characters")
        yield chunk


def _plain(value: Any) -> str:
    return clean(str(value), TEXT_CAP)


def _html(value: Any) -> str:
    return escape(_plain(value))


@lru_cache(maxsize=2)
def _environment(html: bool) -> _Sandbox:  # noqa: FBT001 - the cache's key
    put_in: Callable[[Any], str] = _html if html else _plain
    environment = _Sandbox(undefined=StrictUndefined, finalize=put_in, cache_size=50)
    own: Mapping[str, Any] = {"counted": _counted, "short": _short, "replace": _replace, "join": _joined}
    known = {name: environment.filters[name] for name in _FILTERS}
    environment.filters = {**known, **own}
    environment.globals = {}
    return environment
