"""What several kinds of probe have in common: types of their options, names of what they measure."""

from typing import Annotated, Final

from pydantic import AfterValidator

from watchfleet.patterns import PatternError, compile_pattern

EXPIRY: Final = "probe_ssl_earliest_cert_expiry"
"""When the first of a server's certificates expires, in Unix seconds; blackbox_exporter's name."""


def _known_pattern(pattern: str) -> str:
    try:
        compile_pattern(pattern)
    except PatternError as error:
        raise ValueError(f"{pattern!r} is no pattern in RE2's syntax: {error}") from None
    return pattern


Pattern = Annotated[str, AfterValidator(_known_pattern)]
"""A regular expression of RE2."""
