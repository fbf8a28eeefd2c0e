"""`dns`: does a name server answer a question, and with what?"""

from collections.abc import Iterable
from typing import Annotated, Final, Literal

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
from pydantic import AfterValidator, Field

from watchfleet.model import Measurement, ProbeResult
from watchfleet.patterns import compile_pattern
from watchfleet.probes import reasons
from watchfleet.probes.fields import Pattern
from watchfleet.probes.probe import Attempt, Deadline, Options, Target
from watchfleet.probes.reasons import Reason
from watchfleet.probes.sockets import FailedError, IpVersion, allowed

_SECTIONS: Final = ("answer", "authority", "additional")


def _known_name(name: str) -> str:
    try:
        dns.name.from_text(name)
    except dns.exception.DNSException as error:
        raise ValueError(f"{name!r} is no name: {error}") from None
    return name


def _known_type(name: str) -> str:
    try:
        return dns.rdatatype.to_text(dns.rdatatype.from_text(name))
    except (dns.exception.DNSException, ValueError):
        raise ValueError(f"{name!r} is no type of record; write one like A, AAAA, MX, TXT, SOA") from None


def _known_rcode(name: str) -> str:
    try:
        return dns.rcode.to_text(dns.rcode.from_text(name))
    except (dns.exception.DNSException, ValueError):
        raise ValueError(f"{name!r} is no response code; write one like NOERROR or NXDOMAIN") from None


class Section(Options):
    """What a section of the answer must hold; a record is matched as text, like `name. 60 IN A 192.0.2.1`."""

    fail_if_matches: list[Pattern] = Field(
        default_factory=list, description="No record may match any of these patterns (RE2)."
    )
    fail_if_all_match: list[Pattern] = Field(
        default_factory=list, description="Not all records may match one of these patterns."
    )
    fail_if_not_matches: list[Pattern] = Field(
        default_factory=list, description="Every record must match each of these patterns."
    )
    fail_if_none_matches: list[Pattern] = Field(
        default_factory=list, description="Some record must match each of these patterns."
    )

    def fault(self, records: list[str]) -> str:
        """What is wrong with a section's records; empty if nothing is."""
        for pattern in self.fail_if_matches:
            if any(_holds(pattern, record) for record in records):
                return f"a record matches {pattern!r}"
        for pattern in self.fail_if_all_match:
            if records and all(_holds(pattern, record) for record in records):
                return f"all records match {pattern!r}"
        for pattern in self.fail_if_not_matches:
            if not all(_holds(pattern, record) for record in records):
                return f"a record does not match {pattern!r}"
        for pattern in self.fail_if_none_matches:
            if not any(_holds(pattern, record) for record in records):
                return f"no record matches {pattern!r}"
        return ""


class DnsOptions(Options):
    """The settings of `dns`."""

    server: str = Field(min_length=1, description="The name server, such as 192.0.2.53 or ns.example.org.")
    port: int = Field(53, ge=1, le=65535, description="Its port.")
    ip_version: IpVersion = Field("any", description="The IP version to use: any, 4 or 6.")
    transport: Literal["udp", "tcp"] = Field("udp", description="How to ask; tcp is not tried after udp.")
    query_name: Annotated[str, AfterValidator(_known_name)] = Field(description="The name that is asked for.")
    query_type: Annotated[str, AfterValidator(_known_type)] = Field("A", description="The type of record.")
    recursion: bool = Field(default=True, description="Whether the server may ask others.")
    expected_rcodes: list[Annotated[str, AfterValidator(_known_rcode)]] = Field(
        ["NOERROR"], min_length=1, description="Response codes that are fine."
    )
    answer: Section = Field(default_factory=Section, description="What the answer section must hold.")
    authority: Section = Field(default_factory=Section, description="What the authority section must hold.")
    additional: Section = Field(default_factory=Section, description="What the additional section must hold.")


def probe(target: Target, options: DnsOptions, deadline: Deadline) -> ProbeResult:
    """Ask, and hold the answer against what is expected."""
    attempt = Attempt(target)
    question = dns.message.make_query(options.query_name, options.query_type)
    if not options.recursion:
        question.flags &= ~dns.flags.RD
    try:
        answer = _ask(options, question, deadline)
    except FailedError as error:
        return attempt.down(error.reason, error.detail)
    return _verdict(attempt, options, answer)


def _ask(options: DnsOptions, question: dns.message.Message, deadline: Deadline) -> dns.message.Message:
    ask = dns.query.udp if options.transport == "udp" else dns.query.tcp
    failed = FailedError(Reason.DNS_FAILURE, f"{options.server} has no address")
    for _family, where in allowed(options.server, options.port, options.ip_version):
        try:
            return ask(question, str(where[0]), timeout=deadline.remaining(), port=options.port)
        except (dns.exception.Timeout, TimeoutError):
            failed = FailedError(Reason.TIMEOUT, f"no answer from {where[0]} in time")
        except dns.exception.DNSException as error:
            failed = FailedError(
                Reason.PROTOCOL_ERROR, f"{where[0]} answers nonsense: {type(error).__name__}"
            )
        except (OSError, EOFError) as error:
            number = error.errno if isinstance(error, OSError) else None
            failed = FailedError(reasons.of_errno(number or 0), f"{where[0]}: {type(error).__name__}")
    raise failed


def _verdict(attempt: Attempt, options: DnsOptions, answer: dns.message.Message) -> ProbeResult:
    rcode = dns.rcode.to_text(answer.rcode())
    records = {name: _texts(getattr(answer, name)) for name in _SECTIONS}
    values = [Measurement(f"probe_dns_{name}_rrs", float(len(found))) for name, found in records.items()]
    if rcode not in options.expected_rcodes:
        detail = f"the server says {rcode}, expected {', '.join(options.expected_rcodes)}"
        return attempt.down(Reason.UNEXPECTED_RCODE, detail, values)
    for name, found in records.items():
        fault = getattr(options, name).fault(found)
        if fault:
            return attempt.down(Reason.ANSWER_MISMATCH, f"{name}: {fault}", values)
    return attempt.up(values)


def _texts(section: Iterable[object]) -> list[str]:
    """Each record of a section on its own, its fields apart by tabs."""
    lines = [line for rrset in section for line in str(rrset).splitlines()]
    return ["\t".join(line.split(" ", 4)) for line in lines]


def _holds(pattern: str, record: str) -> bool:
    return compile_pattern(pattern).search(record) is not None
