"""The same servers probed by us and by blackbox_exporter: the same verdict on each.

A module of blackbox_exporter stands beside the options of ours that mean the same. `degraded` is a verdict
that blackbox_exporter does not have; it counts as up.
"""

import base64
import shutil
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from support.line_server import HANG, line_server
from support.name_server import name_server
from support.servers import free_port, running, wait_until
from support.target_of import checked
from support.web_server import TLS, serving

BLACKBOX = shutil.which("prometheus-blackbox-exporter")
pytestmark = pytest.mark.skipif(BLACKBOX is None, reason="prometheus-blackbox-exporter is needed: make peers")

TRUSTED = str(TLS / "cert.pem")
SHORT = "700ms"
GREETING = ("220 mail ready\n", "? ", "250 STARTTLS\n", HANG)
MAIL = ("220 mail ready\n", "? ", "250 STARTTLS\n", "? ", "220 go\n", "<tls>", "? ", "250 secure\n", HANG)
SCRIPTS = {"lines": GREETING, "mail": MAIL, "plain": ("hello\n", HANG)}
NAMES = {
    "shop.example.": ["192.0.2.1", "192.0.2.2"],
    "gone.example.": "NXDOMAIN",
    "broken.example.": "SERVFAIL",
}


class Case(NamedTuple):
    """One server, seen by both.

    Attributes:
        server: Which: `http`, `https:<certificate>`, one of `SCRIPTS`, `names`, or `nobody`.
        path: What is asked of a web server.
        theirs: A module of blackbox_exporter without its prober.
        ours: The options of a target.
        succeeds: The verdict.
    """

    server: str
    path: str
    theirs: dict[str, Any]
    ours: dict[str, Any]
    succeeds: bool


def http(path: str, succeeds: bool, theirs: dict[str, Any] | None = None, **ours: Any) -> Case:
    return Case("http", path, theirs or {}, ours, succeeds)


def tls(certificate: str, succeeds: bool, theirs: dict[str, Any], **ours: Any) -> Case:
    return Case(f"https:{certificate}", "/status/200", {"tls_config": theirs}, ours, succeeds)


def header(name: str, pattern: str) -> dict[str, Any]:
    return {"fail_if_header_not_matches": [{"header": name, "regexp": pattern}]}


JSON = "/json/" + base64.urlsafe_b64encode(b'{"status": "ok"}').decode()
HTTP = {
    "fine": http("/status/200", True),
    "no content": http("/status/204", True),
    "not found": http("/status/404", False),
    "an error": http("/status/500", False),
    "an expected 404": http("/status/404", True, {"valid_status_codes": [404]}, expected_status=404),
    "200, unexpected": http("/status/200", False, {"valid_status_codes": [404]}, expected_status=404),
    "redirects": http("/redirects/3", True),
    "too many redirects": http("/redirects/30", False),
    "a redirect that is not followed": http(
        "/redirects/1", False, {"follow_redirects": False}, max_redirects=0
    ),
    "a redirect that is expected": http(
        "/redirects/1",
        True,
        {"follow_redirects": False, "valid_status_codes": [302]},
        max_redirects=0,
        expected_status=302,
    ),
    "text that is there": http(
        "/text/all-well", True, {"fail_if_body_not_matches_regexp": ["all.well"]}, expected_pattern="all.well"
    ),
    "text that is missing": http(
        "/text/all-well", False, {"fail_if_body_not_matches_regexp": ["^well"]}, expected_pattern="^well"
    ),
    "forbidden text": http(
        "/text/all-well", False, {"fail_if_body_matches_regexp": ["well$"]}, forbidden_pattern="well$"
    ),
    "forbidden text that is not there": http(
        "/text/all-well", True, {"fail_if_body_matches_regexp": ["WELL"]}, forbidden_pattern="WELL"
    ),
    "a header": http(JSON, True, header("Content-Type", "json$"), expected_headers={"Content-Type": "json$"}),
    "another header": http(
        JSON, False, header("Content-Type", "xml"), expected_headers={"Content-Type": "xml"}
    ),
    "a header that is missing": http(JSON, False, header("X-Shop", ".*"), expected_headers={"X-Shop": ".*"}),
    "a log-in": http(
        "/login",
        True,
        {"basic_auth": {"username": "me", "password": "sesame-öffne"}},
        username="me",
        password="sesame-öffne",
    ),
    "a wrong log-in": http(
        "/login", False, {"basic_auth": {"username": "me", "password": "x"}}, username="me", password="x"
    ),
    "HEAD": http("/status/200", True, {"method": "HEAD"}, method="HEAD"),
    "PUT with a body": http("/status/200", True, {"method": "PUT", "body": "x"}, method="PUT", body="x"),
    "a server that hangs": http("/hang", False),
    "an answer without an end": http(
        "/drip", False, {"fail_if_body_not_matches_regexp": ["never"]}, expected_pattern="never"
    ),
    "a connection that is dropped": http("/drop", False),
    "HTTP/1.0, as it is": http(
        "/status/200", True, {"valid_http_versions": ["HTTP/1.0"]}, http_version="1.0"
    ),
    "HTTP/2, where it is not": http(
        "/status/200", False, {"valid_http_versions": ["HTTP/2.0"]}, http_version="2"
    ),
    "nobody": Case("nobody", "/", {}, {}, succeeds=False),
}
HTTPS = {
    "trusted": tls("cert.pem", True, {"ca_file": TRUSTED}, ca_file=TRUSTED),
    "untrusted": tls("cert.pem", False, {}),
    "unchecked": tls("cert.pem", True, {"insecure_skip_verify": True}, verify_tls=False),
    "expired": tls(
        "expired.pem", False, {"ca_file": str(TLS / "expired.pem")}, ca_file=str(TLS / "expired.pem")
    ),
    "of another host": tls(
        "elsewhere.pem", False, {"ca_file": str(TLS / "elsewhere.pem")}, ca_file=str(TLS / "elsewhere.pem")
    ),
}


def dialogue(*steps: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The same steps for both."""
    return {"query_response": list(steps)}, {"steps": list(steps)}


def lines(server: str, succeeds: bool, *steps: dict[str, Any]) -> Case:
    theirs, ours = dialogue(*steps)
    if server == "mail":
        theirs["tls_config"], ours["ca_file"] = {"ca_file": TRUSTED}, TRUSTED
    return Case(server, "", theirs, ours, succeeds)


TCP = {
    "a connection": Case("lines", "", {}, {}, succeeds=True),
    "nobody": Case("nobody", "", {}, {}, succeeds=False),
    "a greeting": lines("lines", True, {"expect": "^220 "}),
    "another greeting": lines("lines", False, {"expect": "^550 "}),
    "a dialogue": lines("lines", True, {"expect": "ready$"}, {"send": "EHLO me"}, {"expect": "STARTTLS"}),
    "an answer that is not expected": lines(
        "lines", False, {"expect": "ready$"}, {"send": "EHLO me"}, {"expect": "^550"}
    ),
    "what was found sent back": lines(
        "lines", True, {"expect": "^220 (\\w+)"}, {"send": "EHLO ${1}"}, {"expect": "^250"}
    ),
    "TLS on the way": lines(
        "mail",
        True,
        {"expect": "^220 "},
        {"send": "EHLO me"},
        {"expect": "250 STARTTLS", "send": "STARTTLS"},
        {"expect": "^220 ", "starttls": True},
        {"send": "EHLO me"},
        {"expect": "secure"},
    ),
}
BY_TLS = {
    "trusted": tls("cert.pem", True, {"ca_file": TRUSTED}, ca_file=TRUSTED),
    "untrusted": tls("cert.pem", False, {}),
    "unchecked": tls("cert.pem", True, {"insecure_skip_verify": True}, verify_tls=False),
    "expired": tls(
        "expired.pem", False, {"ca_file": str(TLS / "expired.pem")}, ca_file=str(TLS / "expired.pem")
    ),
    "under another name": tls(
        "cert.pem",
        False,
        {"ca_file": TRUSTED, "server_name": "elsewhere.example"},
        ca_file=TRUSTED,
        server_name="elsewhere.example",
    ),
    "no TLS at all": Case("plain", "", {}, {}, succeeds=False),
}


def names(succeeds: bool, name: str = "shop.example", **rules: Any) -> Case:
    """Rules on the answer are called the same on our side, without `_regexp` and with `_if_`."""
    theirs: dict[str, Any] = {"query_name": name, "query_type": "A"}
    ours: dict[str, Any] = {"query_name": name}
    for rule, given in rules.items():
        if rule == "rcodes":
            theirs["valid_rcodes"] = ours["expected_rcodes"] = given
        elif rule == "over":
            theirs["transport_protocol"] = ours["transport"] = given
        else:
            theirs["validate_answer_rrs"] = {THEIR_NAMES[rule]: given}
            ours["answer"] = {rule: given}
    return Case("names", "", theirs, ours, succeeds)


THEIR_NAMES = {
    "fail_if_matches": "fail_if_matches_regexp",
    "fail_if_all_match": "fail_if_all_match_regexp",
    "fail_if_not_matches": "fail_if_not_matches_regexp",
    "fail_if_none_matches": "fail_if_none_matches_regexp",
}
DNS = {
    "an answer": names(True),
    "an answer over TCP": names(True, over="tcp"),
    "no such name": names(False, "gone.example"),
    "no such name, expected": names(True, "gone.example", rcodes=["NXDOMAIN"]),
    "a failure": names(False, "broken.example"),
    "silence": names(False, "silent.example"),
    "a forbidden record": names(False, fail_if_matches=[r"192\.0\.2\.1$"]),
    "a forbidden record that is not there": names(True, fail_if_matches=[r"\.9$"]),
    "all of one kind": names(False, fail_if_all_match=[r"\tA\t"]),
    "not all alike": names(True, fail_if_all_match=[r"\.1$"]),
    "a record that does not match": names(False, fail_if_not_matches=[r"\.1$"]),
    "records that all match": names(True, fail_if_not_matches=[r"192\.0\.2\.[12]$"]),
    "a record that is there": names(True, fail_if_none_matches=[r"\.2$"]),
    "a record that is missing": names(False, fail_if_none_matches=[r"\.3$"]),
}
CASES = {
    (kind, name): case
    for kind, cases in (("http", HTTP), ("https", HTTPS), ("tcp", TCP), ("tls", BY_TLS), ("dns", DNS))
    for name, case in cases.items()
}


def module(kind: str, case: Case) -> dict[str, Any]:
    """What blackbox_exporter is configured with."""
    prober = {"https": "http", "tls": "tcp"}.get(kind, kind)
    options = {"preferred_ip_protocol": "ip4", **case.theirs, **({"tls": True} if kind == "tls" else {})}
    return {"prober": prober, "timeout": SHORT, prober: options}


@pytest.fixture(scope="module")
def blackbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where blackbox_exporter answers, with a module for each case."""
    folder, port = tmp_path_factory.mktemp("blackbox"), free_port()
    modules = {f"{kind}: {name}": module(kind, case) for (kind, name), case in CASES.items()}
    (folder / "blackbox.yml").write_text(yaml.safe_dump({"modules": modules}, allow_unicode=True))
    command = [
        str(BLACKBOX),
        f"--config.file={folder / 'blackbox.yml'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with running(command, folder / "log"):
        wait_until(lambda: _answers(port))
        yield f"http://127.0.0.1:{port}/probe"


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/healthy", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.fixture
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    """The host and port of a case's server."""
    kind, _, certificate = CASES[request.param].server.partition(":")
    with ExitStack() as stack:
        if kind in {"http", "https"}:
            yield f"127.0.0.1:{stack.enter_context(serving(certificate)).port}"
        elif kind == "names":
            served = name_server(lambda name, _: NAMES.get(name))
            yield f"127.0.0.1:{stack.enter_context(served).port}"
        elif kind == "nobody":
            yield f"127.0.0.1:{free_port()}"
        else:
            yield stack.enter_context(line_server(*SCRIPTS[kind])).address


def theirs(exporter: str, kind: str, name: str, address: str) -> bool:
    """Whether blackbox_exporter's probe succeeds."""
    case = CASES[kind, name]
    target = f"{kind}://{address}{case.path}" if kind in {"http", "https"} else address
    query = urllib.parse.urlencode({"module": f"{kind}: {name}", "target": target})
    with urllib.request.urlopen(f"{exporter}?{query}", timeout=10) as answer:
        families = text_string_to_metric_families(answer.read().decode())
        return next(family.samples[0].value for family in families if family.name == "probe_success") == 1


def ours(kind: str, name: str, address: str) -> bool:
    """Whether our check finds the target up."""
    case = CASES[kind, name]
    host, _, port = address.partition(":")
    where: dict[str, Any] = {"address": address}
    if kind in {"http", "https"}:
        where = {"url": f"{kind}://{address}{case.path}"}
    elif kind == "dns":
        where = {"server": host, "port": int(port)}
    result = checked("http" if kind == "https" else kind, **where, **case.ours, timeout=SHORT)
    assert str(result.status) != "unknown", result
    return result.ok


CONTRARY = {("dns", "all of one kind"), ("dns", "not all alike")}
"""Where blackbox_exporter (0.23) is wrong: `fail_if_all_match_regexp` fails when not all match."""


@pytest.mark.parametrize(("address", "key"), [(key, key) for key in CASES], indirect=["address"])
def test_both_come_to_the_same_verdict(blackbox: str, address: str, key: tuple[str, str]) -> None:
    expected = CASES[key].succeeds
    assert ours(*key, address) == expected
    assert theirs(blackbox, *key, address) == (expected != (key in CONTRARY))


def test_the_table_has_both_verdicts_of_each_kind() -> None:
    found = {(kind, case.succeeds) for (kind, _), case in CASES.items()}
    assert len(found) == 2 * len({kind for kind, _ in CASES})
