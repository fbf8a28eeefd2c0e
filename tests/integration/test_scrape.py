"""Scrapes of real targets into a real store: each sample once, each end marked, whatever a target does."""

import base64
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import text
from support import scraping
from support.exposing import TLS, exposing
from support.servers import ROOT, free_port, running, use_environment, wait_until

from watchfleet.clock import utcnow
from watchfleet.db.engine import transaction
from watchfleet.metrics import counters
from watchfleet.metrics.ingest import write_samples
from watchfleet.model import Kind, Sample
from watchfleet.probes.scrape.rounds import Scraper

pytestmark = pytest.mark.usefixtures("environment")
REPORTED = 5


@pytest.fixture
def configure(environment: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Gives what sets the jobs: each by its address, with more fields."""

    def to(*jobs: dict[str, Any]) -> None:
        path = tmp_path / "watchfleet.yml"
        rows = [
            {
                "job_name": f"job{number}",
                "static_configs": [{"targets": [job.pop("at")], "labels": {"instance": f"i{number}"}}],
                **job,
            }
            for number, job in enumerate(jobs)
        ]
        path.write_text(yaml.safe_dump({"scrape": rows}))
        use_environment(environment, WATCHFLEET_CONFIG=str(path))

    return to


def value(name: str, instance: str = "i0", **labels: str) -> float | None:
    """The newest value of a series of a target, None if it has ended or never was."""
    key = scraping.key_of(name, {"job": f"job{instance[1:]}", "instance": instance, **labels})
    return scraping.now().get(key)


def reason(instance: str = "i0") -> str:
    with transaction() as connection:
        query = "SELECT reason FROM scrape_target WHERE labels->>'instance' = :instance"
        return str(connection.scalar(text(query), {"instance": instance}))


def count(table: str) -> int:
    with transaction() as connection:
        return int(connection.scalar(text(f"SELECT count(*) FROM {table}")) or 0)


def test_a_series_ends_when_it_is_gone_when_its_target_is_down_and_when_that_is_no_longer_scraped(
    configure: Any,
):
    with exposing("a 1\nb 2\n") as target:
        configure({"at": target.address})
        assert scraping.once() == 2 + REPORTED
        assert (value("up"), value("a"), value("b"), value("scrape_series_added")) == (1, 1, 2, 2)
        target.page = "a 1\n"
        scraping.once()
        assert (value("up"), value("a"), value("b"), value("scrape_series_added")) == (1, 1, None, 0)
        target.status = 500
        scraping.once()
        assert (value("up"), value("a"), value("scrape_samples_scraped")) == (0, None, 0)
        assert reason() == "unexpected_status"
        target.status = 200
        scraping.once()
        assert (value("up"), value("a"), value("scrape_series_added")) == (1, 1, 1)
    configure()
    Scraper().tick(utcnow())
    assert scraping.now() == {}
    assert len(scraping.ended()) == 2 + REPORTED
    assert count("scrape_target") == 0


def test_a_batch_that_comes_twice_changes_nothing(configure: Any):
    with exposing("a 1\nb 1\n") as target:
        configure({"at": target.address})
        scraper = Scraper()
        scraper.tick(utcnow())
        with transaction() as connection:
            keys = list(connection.scalars(text("SELECT key FROM scrape_target")))
        assert scraper.carry_out(keys, "1") == 2 + REPORTED
        target.page = "a 1\n"
        assert scraper.carry_out(keys, "1") == 0
        assert (count("samples"), value("b")) == (2 + REPORTED, 1)
        assert scraper.carry_out(keys, "2") == 1 + 1 + REPORTED
        assert value("b") is None


def test_dispatchers_at_once_give_each_target_out_once(configure: Any):
    configure(*({"at": f"127.0.0.1:{port}"} for port in range(1, 121)))
    Scraper().tick(utcnow())
    with transaction() as connection:
        connection.execute(text("UPDATE scrape_target SET due_at = now() - interval '1 s'"))
    barrier = threading.Barrier(4)

    def tick(_: int) -> list[str]:
        scraper = Scraper()
        barrier.wait()
        return [key for batch in scraper.tick(utcnow()) for key in batch.keys]

    with ThreadPoolExecutor(4) as pool:
        given = [key for keys in pool.map(tick, range(4)) for key in keys]
    assert len(given) == len(set(given)) == 120


def test_times_that_a_target_gives_are_kept_once_or_ignored(configure: Any):
    at = int(utcnow().timestamp() * 1000) - 60_000
    page = f"stamped 1 {at}\nplain 1\nold 1 1000\n"
    with exposing(page) as first, exposing(page) as second:
        configure({"at": first.address}, {"at": second.address, "honor_timestamps": False})
        for _ in range(3):
            scraping.once()
        found = scraping.samples()

    def times(name: str, instance: str) -> list[float]:
        key = scraping.key_of(name, {"job": f"job{instance[1:]}", "instance": instance})
        return [ts for ts, _ in found.get(key, [])]

    assert times("stamped", "i0") == [at / 1000]
    assert times("old", "i0") == []
    assert len(times("plain", "i0")) == len(set(times("stamped", "i1"))) == len(times("old", "i1")) == 3
    assert value("up") == 1


def test_what_a_target_asks_for_is_sent(configure: Any, tmp_path: Path):
    (tmp_path / "token").write_text("from a file\n")
    with exposing("a 1\n") as target:
        configure(
            {
                "at": target.address,
                "basic_auth": {"username": "me", "password": "pässword"},
                "params": {"q": ["1"]},
            },
            {"at": target.address, "bearer_token": "a-bearer-token", "metrics_path": "/other"},
            {
                "at": target.address,
                "authorization": {"type": "Token", "credentials_file": str(tmp_path / "token")},
            },
            {"at": target.address, "bearer_token_file": str(tmp_path / "none")},
        )
        scraping.once()
        asked = dict(target.requests)
        sent = sorted(headers["Authorization"] for _, headers in target.requests)
        basic = "Basic " + base64.b64encode("me:pässword".encode()).decode()
        assert sent == sorted([basic, "Bearer a-bearer-token", "Token from a file"])
        assert set(asked) == {"/metrics?q=1", "/other", "/metrics"}
        assert asked["/other"]["X-Prometheus-Scrape-Timeout-Seconds"] == "10"
        assert asked["/other"]["Accept"].startswith("application/openmetrics-text;version=1.0.0,")
    assert [value("up", f"i{number}") for number in range(4)] == [1, 1, 1, 0]
    assert reason("i3") == "bad_configuration"


def test_a_targets_certificate_is_checked(configure: Any):
    ours = str(TLS / "cert.pem")
    with exposing("a 1\n", "cert.pem") as good, exposing("a 1\n", "elsewhere.pem") as elsewhere:
        https = {"scheme": "https"}
        configure(
            {"at": good.address, **https},
            {"at": good.address, **https, "tls_config": {"ca_file": ours}},
            {"at": good.address, **https, "tls_config": {"ca_file": ours, "server_name": "localhost"}},
            {"at": good.address, **https, "tls_config": {"ca_file": ours, "server_name": "example.org"}},
            {"at": good.address, **https, "tls_config": {"insecure_skip_verify": True}},
            {"at": elsewhere.address, **https, "tls_config": {"ca_file": str(TLS / "elsewhere.pem")}},
        )
        scraping.once()
    assert [value("up", f"i{number}") for number in range(6)] == [0, 1, 1, 0, 1, 0]
    assert {reason(f"i{number}") for number in (0, 3, 5)} == {"tls_untrusted"}


def test_bad_targets_fail_by_name_and_hurt_no_other(configure: Any):
    with exposing("a 1\n") as good, exposing("a 1\n" * 20_000) as large, exposing("a 1\nb\n") as broken:
        configure(
            {"at": good.address},
            {"at": large.address, "body_size_limit": "10KB"},
            {"at": large.address, "sample_limit": 10},
            {"at": broken.address},
            {"at": f"127.0.0.1:{free_port()}"},
            {"at": "169.254.169.254"},
            {"at": "no-such-host.invalid:1"},
        )
        scraping.once()
    expected = [
        "",
        "body_size_limit",
        "sample_limit",
        "malformed",
        "connection_refused",
        "forbidden_address",
        "dns_failure",
    ]
    assert [reason(f"i{number}") for number in range(7)] == expected
    assert [value("up", f"i{number}") for number in range(7)] == [1] + [0] * 6
    with transaction() as connection:
        totals = counters.totals(connection)
    failed = {
        one.labels["reason"]: one.value for one in totals if one.name == "watchfleet_scrape_failures_total"
    }
    assert failed == dict.fromkeys(expected[1:], 1)


def test_a_type_that_targets_disagree_on_is_the_first_ones_and_no_sample_is_lost(configure: Any):
    with transaction() as connection:
        now = utcnow()
        write_samples(connection, "b", [Sample("took", {}, Kind.DURATION, now.timestamp(), 1)], now)
    with exposing("# TYPE n counter\nn 1\ntook 2\n") as first, exposing("# TYPE n gauge\nn 1\n") as second:
        configure({"at": first.address})
        scraping.once()
        configure({"at": first.address}, {"at": second.address})
        scraping.once()
    assert (value("n"), value("n", "i1"), value("took")) == (1, 1, 2)
    assert count("ingest_rejects") == 0


def test_a_target_with_more_series_than_a_metric_may_have_goes_on(configure: Any, environment: Any):
    with exposing("".join(f'wild{{id="{n}"}} 1\n' for n in range(60)) + "tame 1\n") as target:
        configure({"at": target.address})
        use_environment(environment, SERIES_LIMIT="50")
        for _ in range(2):
            scraping.once()
    assert (value("up"), value("tame"), value("scrape_samples_scraped")) == (1, 1, 61)
    assert sum(dict(key)["__name__"] == "wild" for key in scraping.now()) == 51
    assert scraping.ended() == set()


def test_the_fleets_worker_scrapes(configure: Any, tmp_path: Path):
    worker = [sys.executable, "-m", "celery", "-A", "workers", "worker", "--queues=watchfleet.probes"]
    worker += ["--pool=threads", "--concurrency=4", "--without-gossip", "--without-mingle"]
    send = "import time, workers.celery, tasks.scrape as t\n"
    send += "for _ in range(100): t.dispatch.apply_async(); time.sleep(0.2)"
    with exposing("a 1\n") as target:
        configure({"at": target.address, "scrape_interval": "1s"})
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "WATCHFLEET_LIVENESS_FILE": str(tmp_path / "live"),
        }
        beat = [sys.executable, "-c", send]
        with (
            running(worker, tmp_path / "worker", environment=environment),
            running(beat, tmp_path / "beat", environment=environment),
        ):
            wait_until(lambda: len(target.requests) >= 3 and value("a") == 1)
    assert "ERROR" not in (tmp_path / "worker").read_text()
