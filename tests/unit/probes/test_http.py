"""HTTP probes against real servers that answer well, badly and not at all."""

import base64
import time
from collections.abc import Iterator
from typing import Any

import pytest
from support.servers import free_port
from support.target_of import checked, target
from support.web_server import TLS, WebServer, serving

from watchfleet.model import ProbeResult, Status
from watchfleet.probes.batch import run_batch
from watchfleet.probes.http import probe_many
from watchfleet.probes.probe import Deadline


@pytest.fixture(scope="module")
def web() -> Iterator[WebServer]:
    with serving() as server:
        yield server


def outcome(result: ProbeResult) -> tuple[str, str]:
    return str(result.status), result.reason


def value(result: ProbeResult, name: str, **labels: str) -> float:
    return next(
        found.value
        for found in result.values
        if found.name == name and labels.items() <= found.labels.items()
    )


def test_a_good_answer_is_up_and_tells_status_and_phases(web: WebServer) -> None:
    result = checked("http", url=web.url("/status/200"))
    assert outcome(result) == ("up", "")
    assert value(result, "probe_http_status_code") == 200
    phases = [found.labels["phase"] for found in result.values if found.name == "probe_http_duration_seconds"]
    assert phases == ["resolve", "connect", "tls", "processing", "transfer"]
    assert 0 < value(result, "probe_http_duration_seconds", phase="connect") <= result.duration


@pytest.mark.parametrize(
    ("expected", "status", "fine"),
    [
        ("2xx", 204, True),
        ("2xx", 404, False),
        (404, 404, True),
        ([200, "301-308"], 307, True),
        ([200, "301-308"], 309, False),
    ],
)
def test_the_status_must_be_among_the_expected(
    web: WebServer, expected: object, status: int, fine: bool
) -> None:
    result = checked("http", url=web.url(f"/status/{status}"), expected_status=expected, max_redirects=0)
    assert outcome(result) == (("up", "") if fine else ("down", "unexpected_status"))
    assert value(result, "probe_http_status_code") == status


def test_text_is_sought_in_utf8_and_in_the_server_s_own_charset(web: WebServer) -> None:
    assert checked("http", url=web.url("/text/all-good"), expected_text="good").ok
    assert checked("http", url=web.url("/latin"), expected_text="Grüße").ok
    missing = checked("http", url=web.url("/text/all-good"), expected_text="bad")
    assert outcome(missing) == ("down", "body_mismatch")


def test_no_more_of_the_body_is_read_than_allowed(web: WebServer) -> None:
    assert checked("http", url=web.url("/big/500000"), max_body_bytes=1000).ok
    beyond = checked("http", url=web.url("/big/500000"), max_body_bytes=1000, expected_text="end")
    assert outcome(beyond) == ("down", "body_mismatch")
    assert checked("http", url=web.url("/big/500000"), expected_text="end").ok


def test_method_headers_body_and_login_arrive(web: WebServer) -> None:
    checked("http", url=web.url("/status/200"), method="PUT", headers={"X-Who": "we"}, body="grün")
    method, _, headers, body = web.requests[-1]
    assert (method, headers["x-who"], body.decode()) == ("PUT", "we", "grün")
    assert headers["user-agent"].startswith("watchfleet/")
    assert checked("http", url=web.url("/login"), username="me", password="sesame-öffne").ok
    assert outcome(checked("http", url=web.url("/login"))) == ("down", "unexpected_status")
    assert checked("http", url=web.url("/status/200"), method="HEAD").ok
    assert web.requests[-1][0] == "HEAD"


def test_redirects_are_followed_so_far_and_no_farther(web: WebServer) -> None:
    assert checked("http", url=web.url("/redirects/3"), max_redirects=4).ok
    assert outcome(checked("http", url=web.url("/redirects/3"), max_redirects=3)) == (
        "down",
        "too_many_redirects",
    )
    unfollowed = checked("http", url=web.url("/redirects/3"), max_redirects=0)
    assert outcome(unfollowed) == ("down", "unexpected_status")


@pytest.mark.parametrize(
    ("where", "reason"),
    [("file:///etc/passwd", "forbidden_redirect"), ("http://169.254.169.254/latest/", "forbidden_address")],
)
def test_a_redirect_leads_nowhere_it_should_not(web: WebServer, where: str, reason: str) -> None:
    hop = base64.urlsafe_b64encode(where.encode()).decode()
    assert outcome(checked("http", url=web.url(f"/elsewhere/{hop}"))) == ("down", reason)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"expected_pattern": '"ok":\\s*true'}, ("up", "")),
        ({"expected_pattern": "^nothing"}, ("down", "body_mismatch")),
        ({"forbidden_pattern": "ok"}, ("down", "body_mismatch")),
        ({"expected_json": {"$.ok": True, "$.parts[?@.name == 'db'].up": 1}}, ("up", "")),
        ({"expected_json": {"$.ok": 1}}, ("down", "body_mismatch")),
        ({"expected_json": {"$.gone": True}}, ("down", "body_mismatch")),
        ({"expected_headers": {"Content-Type": "^application/json"}}, ("up", "")),
        ({"expected_headers": {"X-Absent": "."}}, ("down", "header_mismatch")),
        ({"http_version": "1.1"}, ("down", "protocol_error")),
        ({"http_version": "1.0"}, ("up", "")),
    ],
)
def test_what_is_expected_of_the_answer(
    web: WebServer, fields: dict[str, Any], expected: tuple[str, str]
) -> None:
    body = base64.urlsafe_b64encode(b'{"ok": true, "parts": [{"name": "db", "up": 1}]}').decode()
    assert outcome(checked("http", url=web.url(f"/json/{body}"), **fields)) == expected


def test_a_body_that_is_not_json(web: WebServer) -> None:
    result = checked("http", url=web.url("/status/200"), expected_json={"$.ok": True})
    assert outcome(result) == ("down", "body_mismatch")
    assert "not JSON" in result.detail


def test_a_certificate_that_expires_soon_is_degraded() -> None:
    with serving("soon.pem") as server:
        fields = {"ca_file": str(TLS / "soon.pem"), "url": server.url("/status/200")}
        assert outcome(checked("http", **fields)) == ("up", "")
        result = checked("http", degraded_before_expiry="3650d", **fields)
        assert outcome(result) == ("degraded", "tls_expires_soon")


def test_a_server_that_refuses_drops_or_is_unknown() -> None:
    with serving() as server:
        assert outcome(checked("http", url=server.url("/drop"))) == ("down", "empty_response")
    assert outcome(checked("http", url=f"http://127.0.0.1:{free_port()}/")) == ("down", "connection_refused")
    assert outcome(checked("http", url="http://nowhere.invalid/")) == ("down", "dns_failure")


@pytest.mark.parametrize("path", ["/hang", "/drip"])
def test_a_server_that_never_ends_is_left_in_time(web: WebServer, path: str) -> None:
    result = checked("http", url=web.url(path), timeout=0.3)
    assert outcome(result) == ("down", "timeout")
    assert 0.2 < result.duration < 3


def test_a_slow_answer_is_degraded(web: WebServer) -> None:
    result = checked("http", url=web.url("/status/200"), degraded_after="0.00001s")
    assert outcome(result) == ("degraded", "slow")
    assert result.ok


@pytest.mark.parametrize(
    ("certificate", "trusted", "reason"),
    [
        ("cert.pem", "cert.pem", ""),
        ("cert.pem", None, "tls_untrusted"),
        ("expired.pem", "expired.pem", "tls_expired"),
        ("elsewhere.pem", "elsewhere.pem", "tls_wrong_host"),
    ],
)
def test_the_certificate_s_fault_is_named(certificate: str, trusted: str | None, reason: str) -> None:
    with serving(certificate) as server:
        fields = {"ca_file": str(TLS / trusted)} if trusted else {}
        result = checked("http", url=server.url("/status/200"), **fields)
        assert outcome(result) == ("down" if reason else "up", reason)
        assert (value(result, "probe_ssl_earliest_cert_expiry") < time.time()) == (reason == "tls_expired")
        assert checked("http", url=server.url("/status/200"), verify_tls=False).ok


def test_plain_http_where_tls_is_expected(web: WebServer) -> None:
    url = web.url("/status/200").replace("http:", "https:")
    assert outcome(checked("http", url=url)) == ("down", "tls_handshake_failed")


def test_a_hanging_target_delays_none_of_its_batch(web: WebServer) -> None:
    good = target("http", url=web.url("/status/200"), name="good")
    slow = target("http", url=web.url("/hang"), name="slow", timeout="0.5s")
    results = {result.target: outcome(result) for result in run_batch([good, slow])}
    assert results == {"good": ("up", ""), "slow": ("down", "timeout")}


def test_hundreds_at_once(web: WebServer) -> None:
    targets = [target("http", url=web.url("/status/200"))] * 300
    results = probe_many(targets, Deadline.after(30))
    assert [result.status for result in results] == [Status.UP] * 300


def test_what_has_not_ended_by_the_batch_s_deadline_is_down(web: WebServer) -> None:
    began = time.monotonic()
    results = probe_many([target("http", url=web.url("/hang"), timeout="3s")], Deadline.after(0.2))
    assert [outcome(result) for result in results] == [("down", "timeout")]
    assert time.monotonic() - began < 3
