"""`tcp`: can a connection be made, and does a dialogue over it go as expected?"""

import socket
from collections.abc import Iterator
from typing import Any, Final, Self

from pydantic import Field, model_validator

from watchfleet.model import Measurement, ProbeResult
from watchfleet.patterns import compile_pattern, expand
from watchfleet.probes.certificates import (
    CheckedAddress,
    Secured,
    UntrustedError,
    expiry_of_untrusted,
    secure,
    trusted,
)
from watchfleet.probes.fields import Pattern
from watchfleet.probes.probe import Attempt, Deadline, Options, Target
from watchfleet.probes.reasons import Reason
from watchfleet.probes.sockets import FailedError, connect, receive, send

LONGEST_LINE: Final = 65_536
LONGEST_DIALOGUE: Final = 1_048_576


class Step(Options):
    """One step of a dialogue: what is expected, then what is sent, then whether TLS begins."""

    expect: Pattern | None = Field(
        None,
        description="Lines are read until one holds this pattern (RE2); the target is down if none does.",
    )
    send: str | None = Field(
        None, description="A line to send; ${1} or ${name} stands for what `expect` found."
    )
    starttls: bool = Field(default=False, description="Whether TLS begins after this step.")

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        if self.expect is None and self.send is None and not self.starttls:
            raise ValueError("a step needs expect, send or starttls")
        return self


class TcpOptions(CheckedAddress):
    """The settings of `tcp`."""

    tls: bool = Field(default=False, description="Whether TLS begins at once.")
    steps: list[Step] = Field(
        default_factory=list, max_length=50, description="The dialogue, step by step: expect, send, starttls."
    )


def probe(target: Target, options: TcpOptions, deadline: Deadline) -> ProbeResult:
    """Connect, and go through the dialogue."""
    attempt = Attempt(target)
    dialogue = None
    try:
        with connect(options, deadline) as opened:
            dialogue = Dialogue(opened, options, deadline)
            try:
                return dialogue.verdict(attempt)
            finally:
                dialogue.close()
    except UntrustedError as error:
        values = expiry_of_untrusted(options, deadline) if options.tls else error.values
        return attempt.down(error.reason, error.detail, values)
    except FailedError as error:
        return attempt.down(error.reason, error.detail, dialogue.values if dialogue else ())


class Dialogue:
    """What is said over one connection.

    Args:
        opened: The connection.
        options: What to say and to expect.
        deadline: When it must be over.
    """

    def __init__(self, opened: socket.socket, options: TcpOptions, deadline: Deadline) -> None:
        self._socket, self._options, self._deadline = opened, options, deadline
        self._buffer, self._read = b"", 0
        self._secured: Secured | None = None
        self._found: Any = None

    def verdict(self, attempt: Attempt) -> ProbeResult:
        """Go through it.

        Raises:
            FailedError: It did not go as expected.
        """
        if self._options.tls:
            self._start_tls()
        for step in self._options.steps:
            self._take(step)
        return attempt.up() if self._secured is None else trusted(attempt, self._options, self._secured)

    @property
    def values(self) -> list[Measurement]:
        """What was measured so far."""
        return self._secured.values if self._secured else []

    def close(self) -> None:
        """End TLS, if it was begun."""
        if self._secured:
            self._secured.socket.close()

    def _take(self, step: Step) -> None:
        if step.expect is not None:
            self._expect(step.expect)
        if step.send is not None:
            line = step.send if self._found is None else expand(step.send, self._found)
            send(self._socket, f"{line}\n".encode(), self._deadline)
        if step.starttls:
            self._start_tls()

    def _expect(self, pattern: str) -> None:
        compiled = compile_pattern(pattern)
        for line in self._lines():
            self._found = compiled.search(line.decode("utf-8", "replace"))
            if self._found:
                return
        raise FailedError(Reason.BODY_MISMATCH, f"no line matches {pattern!r}")

    def _lines(self) -> Iterator[bytes]:
        """What the server says, line by line, until it ends or has said too much."""
        while self._read <= LONGEST_DIALOGUE:
            line, found, rest = self._buffer.partition(b"\n")
            if found or len(line) >= LONGEST_LINE:
                self._buffer = rest
                yield line
                continue
            more = receive(self._socket, 4096, self._deadline)
            if not more:
                self._buffer = b""
                yield line
                return
            self._buffer, self._read = self._buffer + more, self._read + len(more)

    def _start_tls(self) -> None:
        self._secured = secure(self._socket, self._options, self._deadline)
        self._socket = self._secured.socket
