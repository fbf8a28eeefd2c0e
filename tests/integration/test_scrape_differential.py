"""Beside a real Prometheus: the same series, values and ends of the same targets; and what it pushes."""

import logging
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from support import scraping
from support.exposing import OPENMETRICS, Exposing, exposing
from support.prometheus import (
    Key,
    Prometheus,
    needs_node_exporter,
    needs_prometheus,
    node_exporter,
    prometheus,
)
from support.servers import use_environment, wait_until
from werkzeug.serving import make_server

from watchfleet.web import create_app

SECONDS = float(os.environ.get("WATCHFLEET_SCRAPE_SECONDS", "2"))
"""How long each of the two halves takes; 60 makes it two minutes in all."""
MARGIN = 2.0
"""Seconds: what is newer may not be in either store yet."""
PASSING = {"scrape_duration_seconds", "scrape_series_added"}

pytestmark = [
    pytest.mark.usefixtures("environment"),
    needs_prometheus,
    pytest.mark.timeout(SECONDS * 2 + 120),
]

FIRST = """\
# HELP http_requests_total Requests.
# TYPE http_requests_total counter
http_requests_total{method="post",code="200"} 1027
http_requests_total{method="post",code="400"}    3
msdos_file_access_time_seconds{path="C:\\\\FILE.TXT",error="Cannot find:\\n\\"FILE.TXT\\""} 1.458255915e9
metric_without_timestamp_and_labels 12.47
gone{a="1"} 1
gone{a="2"} 2
clash{job="theirs",instance="theirs",exported_job="older"} 1
twice 1
twice 2
empty{nothing=""} 1
something_weird{problem="division by zero"} +Inf
nothing_at_all NaN

# a comment
# TYPE rpc_seconds summary
rpc_seconds{quantile="0.5"} 4773
rpc_seconds_sum 1.7560473e+07
rpc_seconds_count 2693
# TYPE took_seconds histogram
took_seconds_bucket{le="0.1"}\t1e3\x20
took_seconds_bucket{le="+Inf"} 144320
took_seconds_sum 53423
took_seconds_count 144320
"""
SECOND = FIRST.replace('gone{a="1"} 1\n', "").replace("1027", "1028") + "new_one 7\n"
OPEN = """\
# TYPE acme_http_router_request_seconds summary
# UNIT acme_http_router_request_seconds seconds
# HELP acme_http_router_request_seconds Latency though all of ACME's HTTP request router.
acme_http_router_request_seconds_sum{path="/api/v1",method="GET"} 9036.32
acme_http_router_request_seconds_count{path="/api/v1",method="GET"} 807283.0
# TYPE foo counter
foo_total 17.0 # {trace_id="oHg5SJYRHA0"} 0.67
foo_created 1520430000.123
# TYPE door stateset
door{door="open"} 1
# EOF
"""
TEXTS = [
    *(
        "",
        "\n\n",
        "a 1",
        "a 1\nb\n",
        'a{b="c} 1\n',
        "a{b=c} 1\n",
        "a 1 2 3\n",
        "a 1 1.5\n",
        "1a 1\n",
        "{} 1\n",
        "a{,} 1\n",
    ),
    *(
        f"a {value}\n"
        for value in ("1_000", "0x10", "0x1p3", "-inf", "+Infinity", ".5e1", "5.", "1e", "1e400", "1e-400")
    ),
    *(
        f"a {value}\n"
        for value in ("+1", "--1", "nAn", "1 -5", "1 99999999999999999999", "1\r", "1\t", "\t1\t1000")
    ),
    *(
        'a{b="c",} 1\n',
        'a { b = "c" , } 1\n',
        'a{b="c"}1\n',
        'a{b="c"\n} 1\n',
        'a{b="\\x"} 1\n',
        'a{b="c",,} 1\n',
    ),
    *(
        "# TYPE\n",
        "# TYPE a\n",
        "# TYPE a nonsense\na 1\n",
        "# TYPE a counter more\na 1\n",
        "#TYPE a nonsense\na 1\n",
    ),
    *(
        "# HELP a\na 1\n",
        "# HELP\n",
        "#\n",
        "# \n",
        "  \n",
        "a 1\n#x\n",
        "a{} 1\n",
        "a:b 1\n",
        "a.b 1\n",
        "é 1\n",
    ),
    b'a{b="\xff"} 1\n',
]
OPEN_TEXTS = [
    *("# EOF", "# EOF\n", "# EOF\n\n", "a 1\n", "a 1\n\n# EOF\n", "# EOF\na 1\n", "# a comment\n# EOF\n"),
    *(
        f"a{rest}\n# EOF\n"
        for rest in (" 1", "  1", '{b="c"} 1e2', '{b="c",} 1', ' {b="c"} 1', " 1 nan", " 1 2 3")
    ),
    *(
        f"a_total 1 {rest}\n# EOF\n"
        for rest in ('# {x="y"} 1', '# {x="y"} 1 2', "# {} 1", "1 # {} 1", "# {x=1} 1")
    ),
    *(f"a_total 1 {rest}\n# EOF\n" for rest in ('# {x="y"}', "# nothing", "1e9", "1e9 # {}", "")),
    *(
        f"# {line}\n# EOF\n"
        for line in ("UNIT a_s s", "UNIT a_s m", "UNIT a", "TYPE a nonsense", "TYPE a unknown")
    ),
    *("# HELP a\n# EOF\n", "# HELP a b\n# EOF\n", '# TYPE a gauge\na 1 # {x="y"} 1\n# EOF\n'),
]
BROKEN_LATE = ['a{b="1",b="2"} 1\n', " a 1\n"]
"""Prometheus refuses these only after it has counted them."""


@contextmanager
def receiving() -> Iterator[str]:
    """Our web process's application on a port of its own; gives the address to push to."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, create_app(), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/api/v1/write"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def pages(stack: ExitStack) -> dict[str, Exposing]:
    """One target each for everything that has a page, or breaks one."""
    found = {"text": stack.enter_context(exposing(FIRST)), "open": stack.enter_context(exposing(OPEN))}
    found["open"].content_type = OPENMETRICS
    found["mortal"] = stack.enter_context(exposing("mortal 1\n"))
    for kind, texts in (("", TEXTS), ("late-", BROKEN_LATE), ("open-", OPEN_TEXTS)):
        for number, text in enumerate(texts):
            found[f"{kind}{number}"] = one = stack.enter_context(exposing(text))
            one.content_type = OPENMETRICS if kind == "open-" else one.content_type
    return found


def jobs(targets: Mapping[str, str]) -> list[dict[str, Any]]:
    """The same for both sides; instances by name, as ports are nobody's business."""
    groups = [{"targets": [at], "labels": {"instance": name}} for name, at in targets.items()]
    job = {"job_name": "pages", "scrape_interval": "1s", "scrape_timeout": "1s", "static_configs": groups}
    return [
        job,
        {
            **job,
            "job_name": "honest",
            "honor_labels": True,
            "static_configs": groups[:1],
            "params": {"module": ["x y"]},
            "relabel_configs": [
                {"source_labels": ["__param_module", "instance"], "target_label": "made", "separator": "/"},
                {"source_labels": ["__address__"], "regex": "(.*):.*", "target_label": "host"},
            ],
            "metric_relabel_configs": [
                {"source_labels": ["__name__"], "regex": "took_.*", "action": "drop"},
                {
                    "source_labels": ["code"],
                    "regex": "(.)..",
                    "target_label": "class",
                    "replacement": "${1}xx",
                },
                {"regex": "method", "action": "labeldrop"},
                {"regex": "(err)or", "replacement": "${1}", "action": "labelmap"},
            ],
        },
        {**job, "job_name": "few", "sample_limit": 3, "static_configs": groups[:1]},
        {**job, "job_name": "small", "body_size_limit": "100B", "static_configs": groups[:1]},
    ]


def write_config(environment: pytest.MonkeyPatch, path: Path, scrape: list[dict[str, Any]]) -> None:
    path.write_text(yaml.safe_dump({"scrape": scrape}))
    use_environment(environment, WATCHFLEET_CONFIG=str(path))


def without(found: Mapping[Key, Any]) -> dict[Key, Any]:
    """Scraped series, less those of which each side has its own values."""
    return {key: value for key, value in found.items() if is_comparable(dict(key))}


def is_comparable(labels: Mapping[str, str]) -> bool:
    name = labels["__name__"]
    is_late = labels["instance"].startswith("late-") and name == "scrape_samples_scraped"
    return "source" not in labels and name not in PASSING and not is_late


def text_of(values: Mapping[Key, float]) -> dict[Key, str]:
    """With values that compare equal when they are NaN."""
    return {key: str(value) for key, value in values.items()}


def test_same_series_same_values_same_ends(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with ExitStack() as stack:
        served = pages(stack)
        scrape = jobs({name: one.address for name, one in served.items()})
        write_config(environment, tmp_path / "watchfleet.yml", scrape)
        push = {"url": stack.enter_context(receiving()), "queue_config": {"batch_send_deadline": "200ms"}}
        theirs = {
            "global": {"external_labels": {"source": "prometheus"}},
            "scrape_configs": scrape,
            "remote_write": [push],
        }
        peer = stack.enter_context(prometheus(tmp_path, theirs))
        with scraping.scraping():
            compare_now(peer, SECONDS)
            served["text"].page = SECOND
            served["mortal"].server.server_close()
            served["mortal"].server.shutdown()
            compare_now(peer, SECONDS)
        compare_pushed(peer)


def compare_now(peer: Prometheus, seconds: float) -> None:
    """Both sides come to show the same, and go on doing so."""
    selector = '{job=~".+"}'

    def same() -> bool:
        here, there = text_of(without(scraping.now())), text_of(without(peer.now(selector)))
        return here == there and len(here) > 100

    end = time.monotonic() + seconds
    try:
        wait_until(lambda: same() and time.monotonic() > end, seconds + 20, 0.5)
    except TimeoutError:
        here, there = text_of(without(scraping.now())), text_of(without(peer.now(selector)))
        only_here, only_there = here.items() - there.items(), there.items() - here.items()
        raise AssertionError(
            "\n".join(map(str, ["here", *sorted(only_here), "there", *sorted(only_there)]))
        ) from None


def compare_pushed(peer: Prometheus) -> None:
    """What it has and what it pushed are the same samples."""
    selector = '{job=~".+"}'
    there = {
        tuple(sorted([*key, ("source", "prometheus")])): points
        for key, points in peer.samples(selector).items()
    }
    until = max(ts for points in there.values() for ts, _ in points) - MARGIN
    expected = {(key, ts, str(value)) for key, points in there.items() for ts, value in points if ts < until}

    assert len(expected) > 500

    def pushed() -> list[tuple[Key, float, str]]:
        return [
            (key, round(ts, 3), str(value))
            for key, points in scraping.samples().items()
            for ts, value in points
            if ("source", "prometheus") in key and round(ts, 3) < until
        ]

    try:
        wait_until(lambda: sorted(pushed()) == sorted(expected), 30, 1)
    except TimeoutError:
        found = pushed()
        lost, more = expected.difference(found), set(found) - expected
        twice = len(found) - len(set(found))
        raise AssertionError(
            f"of {len(expected)}: lost {sorted(lost)[:5]} ({len(lost)}),"
            f" more {sorted(more)[:5]} ({len(more)}), twice {twice}; rejected {scraping.rejected()}"
        ) from None


@needs_node_exporter
def test_a_node_exporter_has_the_same_series_on_both_sides(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        address = f"127.0.0.1:{stack.enter_context(node_exporter(tmp_path))}"
        job = {"job_name": "node", "scrape_interval": "1s", "static_configs": [{"targets": [address]}]}
        job["scrape_timeout"] = "1s"
        write_config(environment, tmp_path / "watchfleet.yml", [job])
        peer = stack.enter_context(prometheus(tmp_path, {"scrape_configs": [job]}))
        with scraping.scraping():
            wait_until(
                lambda: len(peer.samples("up").get(up(address), [])) >= SECONDS * 2, SECONDS * 3 + 30, 0.5
            )
        here, there = scraping.samples(), peer.samples('{job="node"}')
        assert len(there) > 300
        assert here.keys() == there.keys()
        # What moves has other values at other instants; what stood still on both sides stood at the same.
        still_here, still_there = standing(here), standing(there)
        both = still_here.keys() & still_there.keys()
        assert len(both) > len(there) / 2
        assert {key: still_here[key] for key in both} == {key: still_there[key] for key in both}


def up(address: str) -> Key:
    return tuple(sorted({"__name__": "up", "job": "node", "instance": address}.items()))


def standing(found: Mapping[Key, Any]) -> dict[Key, str]:
    """The value of each series that had but one."""
    values = {key: {str(value) for _, value in points} for key, points in found.items()}
    return {
        key: one.pop()
        for key, one in values.items()
        if len(one) == 1 and dict(key)["__name__"] not in PASSING
    }
