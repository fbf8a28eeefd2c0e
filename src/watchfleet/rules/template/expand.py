"""Expands the templates in labels and annotations of alerting rules."""

from functools import lru_cache
from typing import Final

from watchfleet.rules.template.errors import TemplateError, TemplateSyntaxError
from watchfleet.rules.template.evaluate import ExecutionError
from watchfleet.rules.template.execute import execute
from watchfleet.rules.template.functions import NAMES, Query, functions
from watchfleet.rules.template.nodes import Template
from watchfleet.rules.template.parser import parse_template
from watchfleet.rules.template.values import Data

VARIABLES: Final = ("$labels", "$externalLabels", "$externalURL", "$value", "$params")
_DEFINITIONS: Final = (
    "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}"
    "{{$externalURL := .ExternalURL}}{{$value := .Value}}"
)
"""What Prometheus puts before each template; columns of the first line count from its beginning."""


def check_template(text: str) -> None:
    """See to it that a template can be read.

    Raises:
        TemplateSyntaxError: It cannot; tells where and why.
    """
    _parsed("", text)


def expand(text: str, alert: str, data: Data, query: Query, now: float) -> str:
    """The text that a template comes to; one that fails gives a text that says so, as in Prometheus.

    Args:
        text: The template.
        alert: The alert's name, for messages.
        data: What it is about.
        query: Answers the template's queries.
        now: The time of the evaluation, in Unix seconds.
    """
    if "{{" not in text:
        return text
    name = f"__alert_{alert}"
    try:
        return _expanded(_parsed(name, text), data, query, now)
    except TemplateSyntaxError as error:
        line = text.count("\n", 0, error.offset or 0) + 1
        return _failure(f"error parsing template {name}: template: {name}:{line}: {error.cause}")
    except ExecutionError as error:
        place = f"{name}:{_position(text, error.offset or 0)}"
        cause = f'executing "{error.template}" at <{error.node}>: {error.cause}'
        return _failure(f"error executing template {name}: template: {place}: {cause}")
    except (TemplateError, RecursionError) as error:
        return _failure(f"error executing template {name}: {error}")


def _failure(message: str) -> str:
    return f"<error expanding template: {message}>"


def _position(text: str, offset: int) -> str:
    """Line and column as Go counts them: lines from 1, bytes of the line from 0."""
    before = text[:offset]
    line = before.count("\n")
    column = len(before.rpartition("\n")[2].encode("utf-8", "surrogateescape"))
    return f"{line + 1}:{column + (0 if line else len(_DEFINITIONS))}"


@lru_cache(maxsize=4096)
def _parsed(name: str, text: str) -> Template:
    return parse_template(name, text, NAMES, VARIABLES)


def _expanded(template: Template, data: Data, query: Query, now: float) -> str:
    values = (data.labels, data.external_labels, data.external_url, data.value, data.params)
    variables = dict(zip(VARIABLES, values, strict=True))
    return execute(template, data, functions(query, now, data.external_url), variables)
