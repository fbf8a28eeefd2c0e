"""Whether an answer over HTTP is what a target expects."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from watchfleet.patterns import compile_pattern
from watchfleet.probes.http_options import HttpOptions
from watchfleet.probes.reasons import Reason


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered.

    Attributes:
        status: Its status.
        version: Of HTTP: `1.0`, `1.1`, `2`; empty for another.
        headers: Its header fields, names in lower case; read only if any is expected.
        body: What was read of the body.
        content_type: As the server says.
    """

    status: int
    version: str
    headers: Sequence[tuple[str, str]]
    body: bytes
    content_type: str


def fault(options: HttpOptions, answer: Answer) -> tuple[Reason, str] | None:
    """The first thing that is not as expected; None if everything is."""
    return next(_faults(options, answer), None)


def _faults(options: HttpOptions, answer: Answer) -> Iterator[tuple[Reason, str]]:
    if not options.accepts(answer.status):
        expected = ", ".join(options.expected_status)
        yield Reason.UNEXPECTED_STATUS, f"status {answer.status}, expected {expected}"
    if options.http_version not in {"any", answer.version}:
        yield Reason.PROTOCOL_ERROR, f"HTTP {answer.version or 'unknown'}, expected {options.http_version}"
    for name, pattern in options.expected_headers.items():
        given = [value for field, value in answer.headers if field == name.lower()]
        if not any(compile_pattern(pattern).search(value) for value in given):
            yield Reason.HEADER_MISMATCH, f"no header field {name} matches {pattern!r}"
    if options.expected_text is not None and not _holds_text(options.expected_text, answer):
        yield Reason.BODY_MISMATCH, "the body does not hold the expected text"
    yield from _of_patterns(options, answer)
    if options.expected_json:
        yield from _of_json(options, answer)


def _of_patterns(options: HttpOptions, answer: Answer) -> Iterator[tuple[Reason, str]]:
    expected, forbidden = options.expected_pattern, options.forbidden_pattern
    if expected is not None and not _matches(expected, answer.body):
        yield Reason.BODY_MISMATCH, f"the body does not match {expected!r}"
    if forbidden is not None and _matches(forbidden, answer.body):
        yield Reason.BODY_MISMATCH, f"the body matches {forbidden!r}"


def _of_json(options: HttpOptions, answer: Answer) -> Iterator[tuple[Reason, str]]:
    import jsonpath  # noqa: PLC0415 - 4 MiB that few configurations need

    try:
        body = json.loads(answer.body)
    except (ValueError, RecursionError):
        yield Reason.BODY_MISMATCH, "the body is not JSON, or longer than max_body_bytes"
        return
    for path, expected in options.expected_json.items():
        try:
            found = jsonpath.findall(path, body)
        except (jsonpath.JSONPathError, RecursionError) as error:
            yield Reason.BODY_MISMATCH, f"{path} cannot be looked up: {type(error).__name__}"
            continue
        if not any(_same(one, expected) for one in found):
            yield Reason.BODY_MISMATCH, f"nothing at {path} is {expected!r}"


def _same(found: object, expected: object) -> bool:
    """Whether two JSON values are the same; a number is no truth value."""
    return found == expected and isinstance(found, bool) == isinstance(expected, bool)


def _matches(pattern: str, body: bytes) -> bool:
    return compile_pattern(pattern).search(body.decode("utf-8", "replace")) is not None


def _holds_text(text: str, answer: Answer) -> bool:
    return any(text.encode(charset) in answer.body for charset in _charsets(text, answer))


def _charsets(text: str, answer: Answer) -> list[str]:
    """UTF-8, and what the server says that it speaks, if that can write the text."""
    found = re.search(r"charset=\"?([\w.:-]+)", answer.content_type, re.IGNORECASE)
    charsets = ["utf-8"]
    if found:
        try:
            text.encode(found[1])
            charsets.append(found[1])
        except (LookupError, UnicodeEncodeError):
            pass
    return charsets
