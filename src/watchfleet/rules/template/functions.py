"""The functions that Prometheus gives its templates."""

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from watchfleet.promql.format import quote
from watchfleet.promql.literals import LONGEST, seconds_of
from watchfleet.rules.template import humanize
from watchfleet.rules.template.builtins import BUILTINS, TemplateFunction, query_escape
from watchfleet.rules.template.errors import TemplateError, TemplateLimitError
from watchfleet.rules.template.patterns import compile_pattern, replace_all
from watchfleet.rules.template.values import Anything, Html, Samples, TemplateSample, Texts

MOST_QUERIES: Final = 50
"""Queries that one template may make."""

Query = Callable[[str], Sequence[tuple[Mapping[str, str], float]]]
"""Gives the series that a PromQL expression finds at the evaluation's time, and their values."""


def first(samples: Samples) -> TemplateSample:
    """The first of what a query found."""
    if not samples:
        raise TemplateError("first() called on vector with no elements")
    return samples[0]


def _label(name: str, sample: TemplateSample) -> str:
    return sample.labels.get(name, "")


def _sorted(name: str, samples: Samples) -> Samples:
    return Samples(
        sorted(samples, key=lambda sample: sample.labels.get(name, "").encode("utf-8", "surrogateescape"))
    )


def title(text: str) -> str:
    """The text with each word's first letter as a capital."""
    before, letters = " ", []
    for char in text:
        letters.append(_mapped(char, str.title) if _separates(before) else char)
        before = char
    return "".join(letters)


def _separates(char: str) -> bool:
    if char.isascii():
        return not (char.isalnum() or char == "_")
    return char.isspace() and not char.isalnum()


def _mapped(char: str, change: Callable[[str], str]) -> str:
    """A letter's other case, where that is one letter, as Go has it."""
    changed = change(char)
    return changed if len(changed) == 1 else "i" if char == "İ" else char


def _each(change: Callable[[str], str]) -> Callable[[str], str]:
    return lambda text: "".join(_mapped(char, change) for char in text)


def _matches(pattern: str, text: str) -> bool:
    return compile_pattern(pattern).search(text.encode("utf-8", "surrogateescape")) is not None


def split_host_port(address: str) -> tuple[str, str] | None:
    """A host and a port as Go's `net.SplitHostPort` takes them apart; None if it does not."""
    if address.startswith("["):
        host, bracket, rest = address[1:].partition("]")
        port = rest[1:]
        return (host, port) if bracket and rest[:1] == ":" and not set("[]:") & set(port) else None
    host, colon, port = address.rpartition(":")
    return (host, port) if colon and not set(":[]") & set(host) and not set("[]") & set(port) else None


def strip_port(address: str) -> str:
    """The address without its port."""
    parts = split_host_port(address)
    return parts[0] if parts else address


def strip_domain(address: str) -> str:
    """The host's first name, with the port if there is one; an IP address stays."""
    host, port = split_host_port(address) or (address, "")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        name = host.split(".")[0]
        return f"{name}:{port}" if port else name
    return address


def parse_duration(text: str) -> float:
    """A duration such as `1h30m`, in seconds."""
    if text == "0":
        return 0.0
    seconds = seconds_of(text) if text else None
    if seconds is None or seconds > LONGEST:
        cause = f"not a valid duration string: {quote(text)}" if text else "empty duration string"
        raise TemplateError(cause)
    return seconds


def _link(tab: int) -> Callable[[str], str]:
    return lambda expression: f"/graph?g0.expr={query_escape(expression)}&g0.tab={tab}"


def _arguments(*values: Any) -> Anything:
    return Anything({f"arg{place}": value for place, value in enumerate(values)})


_PLAIN: Final = {
    "first": TemplateFunction(first, ("[]sample",)),
    "label": TemplateFunction(_label, ("string", "*sample")),
    "value": TemplateFunction(lambda sample: sample.value, ("*sample",)),
    "strvalue": TemplateFunction(lambda sample: sample.labels.get("__value__", ""), ("*sample",)),
    "sortByLabel": TemplateFunction(_sorted, ("string", "[]sample")),
    "args": TemplateFunction(_arguments, (), "any"),
    "safeHtml": TemplateFunction(Html, ("string",)),
    "match": TemplateFunction(_matches, ("string", "string")),
    "reReplaceAll": TemplateFunction(replace_all, ("string", "string", "string")),
    "title": TemplateFunction(title, ("string",)),
    "toUpper": TemplateFunction(_each(str.upper), ("string",)),
    "toLower": TemplateFunction(_each(str.lower), ("string",)),
    "stripPort": TemplateFunction(strip_port, ("string",)),
    "stripDomain": TemplateFunction(strip_domain, ("string",)),
    "graphLink": TemplateFunction(_link(0), ("string",)),
    "tableLink": TemplateFunction(_link(1), ("string",)),
    "urlQueryEscape": TemplateFunction(query_escape, ("string",)),
    "parseDuration": TemplateFunction(parse_duration, ("string",)),
    "humanize": TemplateFunction(humanize.humanize, ("any",)),
    "humanize1024": TemplateFunction(humanize.humanize1024, ("any",)),
    "humanizeDuration": TemplateFunction(humanize.humanize_duration, ("any",)),
    "humanizePercentage": TemplateFunction(humanize.humanize_percentage, ("any",)),
    "humanizeTimestamp": TemplateFunction(humanize.humanize_timestamp, ("any",)),
    "toTime": TemplateFunction(humanize.to_time, ("any",)),
    "toDuration": TemplateFunction(humanize.to_duration, ("any",)),
}

NAMES: Final = frozenset({*BUILTINS, *_PLAIN, "query", "now", "externalURL", "pathPrefix"})
"""Every function that a rule's template may call."""


def functions(query: Query, now: float, external_url: str) -> dict[str, TemplateFunction]:
    """The functions for one template, by name.

    Args:
        query: Answers `query`.
        now: The evaluation's time, in Unix seconds.
        external_url: Where people reach the fleet.
    """
    asked = 0

    def ask(expression: str) -> Samples:
        nonlocal asked
        asked += 1
        if asked > MOST_QUERIES:
            raise TemplateLimitError(f"more than {MOST_QUERIES} queries")
        return Samples(TemplateSample(Texts(labels), value) for labels, value in query(expression))

    return {
        **BUILTINS,
        **_PLAIN,
        "query": TemplateFunction(ask, ("string",)),
        "now": TemplateFunction(lambda: now),
        "externalURL": TemplateFunction(lambda: external_url),
        "pathPrefix": TemplateFunction(lambda: urlsplit(external_url).path),
    }
