"""Go's template language, `text/template`, with the functions that Prometheus adds for alerting rules."""

from watchfleet.rules.template.errors import TemplateError, TemplateSyntaxError
from watchfleet.rules.template.expand import check_template, expand
from watchfleet.rules.template.functions import Query
from watchfleet.rules.template.values import Data, Texts

__all__ = ["Data", "Query", "TemplateError", "TemplateSyntaxError", "Texts", "check_template", "expand"]
