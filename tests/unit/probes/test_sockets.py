"""Probes that speak over a socket of their own, against servers that do well, badly and nothing."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import psutil
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import HealthServicer
from support.line_server import HANG, START_TLS, line_server
from support.name_server import name_server
from support.servers import free_port
from support.target_of import checked, configured
from support.web_server import TLS, serving

from watchfleet.model import ProbeResult
from watchfleet.probes import icmp

TRUST = {"ca_file": str(TLS / "cert.pem"), "server_name": "localhost"}
MAIL = ("220 mail ready\n", "? 250-mail\n250 STARTTLS\n", "? 220 go ahead\n", START_TLS, "? 250 secure\n")


def outcome(result: ProbeResult) -> tuple[str, str]:
    return str(result.status), result.reason


def names(result: ProbeResult) -> set[str]:
    return {value.name for value in result.values}


def test_a_connection_alone_is_enough() -> None:
    with line_server(HANG) as server:
        assert outcome(checked("tcp", address=server.address)) == ("up", "")


def test_nobody_there_and_no_such_host() -> None:
    assert outcome(checked("tcp", address=f"127.0.0.1:{free_port()}")) == ("down", "connection_refused")
    assert outcome(checked("tcp", address="host.invalid:80")) == ("down", "dns_failure")


def test_what_may_not_be_reached_is_not_connected_to() -> None:
    for address in ("169.254.169.254:80", "[::ffff:169.254.169.254]:80", "100.100.100.200:1"):
        assert outcome(checked("tcp", address=address)) == ("down", "forbidden_address")


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([{"expect": "^220 "}], ("up", "")),
        ([{"expect": "ready$"}, {"send": "EHLO me"}, {"expect": "STARTTLS"}], ("up", "")),
        ([{"expect": "ready$"}, {"send": "EHLO me"}, {"expect": "^550 "}], ("down", "body_mismatch")),
    ],
)
def test_a_dialogue_goes_as_expected(steps: list[dict[str, Any]], expected: tuple[str, str]) -> None:
    with line_server(*MAIL[:2]) as server:
        assert outcome(checked("tcp", address=server.address, steps=steps)) == expected


def test_what_was_found_can_be_sent_back() -> None:
    with line_server("token 4711\n", "? fine\n") as server:
        steps = [{"expect": r"token (?P<n>\d+)", "send": "I say ${n}"}, {"expect": "fine"}]
        assert outcome(checked("tcp", address=server.address, steps=steps)) == ("up", "")
        assert server.heard == ["I say 4711\n"]


def test_silence_ends_with_the_timeout() -> None:
    with line_server(HANG) as server:
        result = checked("tcp", address=server.address, steps=[{"expect": "x"}], timeout="300ms")
        assert outcome(result) == ("down", "timeout")


def test_a_dialogue_goes_over_to_tls_and_tells_the_expiry() -> None:
    steps = [
        {"expect": "^220 "},
        {"send": "EHLO me"},
        {"expect": "250 STARTTLS", "send": "STARTTLS"},
        {"expect": "^220 ", "starttls": True},
        {"send": "EHLO me"},
        {"expect": "secure"},
    ]
    with line_server(*MAIL) as server:
        trusting = checked("tcp", address=server.address, steps=steps, **TRUST)
        assert outcome(trusting) == ("up", "")
        assert names(trusting) == {"probe_ssl_earliest_cert_expiry"}
        assert outcome(checked("tcp", address=server.address, steps=steps)) == ("down", "tls_untrusted")


@pytest.mark.parametrize(
    ("certificate", "fields", "expected"),
    [
        ("cert.pem", TRUST, ("up", "")),
        ("cert.pem", {}, ("down", "tls_untrusted")),
        ("cert.pem", {"verify_tls": False}, ("up", "")),
        (
            "soon.pem",
            {**TRUST, "ca_file": str(TLS / "soon.pem"), "degraded_before_expiry": "3650d"},
            ("degraded", "tls_expires_soon"),
        ),
        ("expired.pem", {**TRUST, "ca_file": str(TLS / "expired.pem")}, ("down", "tls_expired")),
        ("elsewhere.pem", {**TRUST, "ca_file": str(TLS / "elsewhere.pem")}, ("down", "tls_wrong_host")),
    ],
)
def test_every_certificate_tells_its_expiry(
    certificate: str, fields: dict[str, Any], expected: tuple[str, str]
) -> None:
    with serving(certificate) as server:
        result = checked("tls", address=f"127.0.0.1:{server.port}", **fields)
    assert outcome(result) == expected
    (expiry,) = result.values
    assert expiry.name == "probe_ssl_earliest_cert_expiry"
    assert (expiry.value < time.time()) == (certificate == "expired.pem")


def test_no_tls_where_there_is_none() -> None:
    with line_server("hello\n", HANG) as server:
        assert outcome(checked("tls", address=server.address)) == ("down", "tls_handshake_failed")


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, ("up", "")),
        ({"answer": {"fail_if_none_matches": [r"192\.0\.2\.2$"]}}, ("up", "")),
        ({"answer": {"fail_if_not_matches": [r"192\.0\.2\.2$"]}}, ("down", "answer_mismatch")),
        ({"answer": {"fail_if_matches": [r"\.1$"]}}, ("down", "answer_mismatch")),
        ({"answer": {"fail_if_all_match": [r"\tA\t"]}}, ("down", "answer_mismatch")),
        ({"query_name": "gone.example"}, ("down", "unexpected_rcode")),
        ({"query_name": "gone.example", "expected_rcodes": ["NXDOMAIN"]}, ("up", "")),
        ({"query_name": "silent.example", "timeout": "300ms"}, ("down", "timeout")),
    ],
)
def test_a_name_server(transport: str, fields: dict[str, Any], expected: tuple[str, str]) -> None:
    table = {"shop.example.": ["192.0.2.1", "192.0.2.2"], "gone.example.": "NXDOMAIN"}
    with name_server(lambda name, _kind: table.get(name)) as server:
        given = {"query_name": "shop.example", "transport": transport, **fields}
        result = checked("dns", server="127.0.0.1", port=server.port, **given)
    if given["query_name"] == "silent.example" and transport == "tcp":
        assert result.reason in {"timeout", "protocol_error", "connection_failed"}
    else:
        assert outcome(result) == expected


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_an_echo(host: str) -> None:
    result = checked("icmp", host=host)
    permitted = outcome(result) == ("up", "") and names(result) == {"probe_icmp_duration_seconds"}
    assert permitted or outcome(result) == ("unknown", "not_permitted")


def test_an_echo_that_is_not_permitted_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> socket.socket:
        raise PermissionError

    monkeypatch.setattr(icmp.socket, "socket", refused)
    result = checked("icmp", host="127.0.0.1")
    assert outcome(result) == ("unknown", "not_permitted")
    assert "ping_group_range" in result.detail


def test_grpc_health() -> None:
    server = grpc.server(ThreadPoolExecutor(2))
    health = HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        assert outcome(checked("grpc", address=address)) == ("up", "")
        assert outcome(checked("grpc", address=address, service="shop")) == ("down", "not_serving")
        health.set("shop", health_pb2.HealthCheckResponse.SERVING)
        assert outcome(checked("grpc", address=address, service="shop")) == ("up", "")
        health.set("shop", health_pb2.HealthCheckResponse.NOT_SERVING)
        assert outcome(checked("grpc", address=address, service="shop")) == ("down", "not_serving")
    finally:
        server.stop(None).wait(10)
    refused = checked("grpc", address=f"127.0.0.1:{free_port()}", timeout="1s")
    assert outcome(refused) == ("down", "connection_failed")


def test_processors_and_processes() -> None:
    assert checked("cpu", degraded_above_percent=100).status == "up"
    assert outcome(checked("cpu", down_above_load=1e-9)) in {("down", "high_load"), ("up", "")}
    me = psutil.Process()
    pattern = "pytest|python"
    found = checked("process", command=pattern, user=me.username())
    assert outcome(found) == ("up", "")
    assert next(one.value for one in found.values if one.name == "process_count") >= 1
    assert outcome(checked("process", command="no such process [0-9]{9}")) == ("down", "process_missing")
    assert outcome(checked("process", command=pattern, at_most=0)) == ("degraded", "too_many_processes")


@pytest.mark.parametrize(
    ("kind", "fields", "problem"),
    [
        ("tcp", {"address": "db"}, "write a host and a port"),
        ("tcp", {"address": "h:1", "steps": [{}]}, "a step needs expect, send or starttls"),
        ("tcp", {"address": "h:1", "steps": [{"expect": "("}]}, "no pattern in RE2's syntax"),
        ("dns", {"server": "h", "query_name": "a..b"}, "is no name"),
        ("dns", {"server": "h", "query_name": "a", "query_type": "QQ"}, "is no type of record"),
        ("dns", {"server": "h", "query_name": "a", "expected_rcodes": ["YES"]}, "is no response code"),
        ("process", {"command": "["}, "no pattern in RE2's syntax"),
    ],
)
def test_faults_are_told(kind: str, fields: dict[str, Any], problem: str) -> None:
    loaded = configured({"name": "x", "kind": kind, **fields})
    assert any(problem in str(one) for one in loaded.problems), loaded.problems
