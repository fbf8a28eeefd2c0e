"""The whole way: a target stops, and people are told on every channel; it comes back, and they are told.

`make chaos-fleet` kills every process of the fleet in turn, and goes the whole way again after each.
"""

import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import psycopg2
import pytest
from support.fleet import PATIENCE, Fleet
from support.receivers import HttpReceiver, Mailbox, http_receiver, smtp_receiver
from support.servers import free_port, wait_until
from support.victims import VICTIMS
from support.web_target import WebTarget

PERIOD = 3
"""Seconds between two probes of the target."""
IN_TIME = 2 * PERIOD + 5
"""Two probe periods + 5 s: what the fleet promises."""
CHANNELS = ("log", "webhook", "email")
KILLED = tuple(VICTIMS) if os.environ.get("KILL_EVERY_PROCESS") else ()
WELL_AGAIN = 20
"""Seconds from a kill until the fleet is healthy: what it promises."""


@dataclass
class Watched:
    """A fleet that watches one target, and the receivers that it tells."""

    fleet: Fleet
    target: WebTarget
    hook: HttpReceiver
    mailbox: Mailbox
    database_url: str

    def told(self, status: str) -> Counter[str]:
        """How many notifications of that status each channel's receiver got."""
        posted = [request.json for request in self.hook.requests]
        lines = [
            json.loads(line)["message"]
            for line in (self.fleet.directory.log / "alerts.log").read_text().splitlines()
            if line.startswith("{")
        ]
        written = [line for line in lines if f'"notification": "{status}"' in line and '"shop"' in line]
        mails = [mail for mail in self.mailbox.mails if status in mail["Subject"].lower()]
        return Counter(
            webhook=sum(1 for each in posted if each["status"] == status and _names_shop(each)),
            email=sum(1 for mail in mails if "shop" in mail["Subject"]),
            log=len(written),
        )

    def rows(self) -> Counter[tuple[str, str, str]]:
        """The outbox rows about the target, by channel, status and state; without a receipt none is sent."""
        with psycopg2.connect(self.database_url) as connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT channel, message->>'status', state, receipt IS NOT NULL FROM outbox"
                " WHERE message->'common_labels'->>'target' = 'shop'"
            )
            found = cursor.fetchall()
        connection.close()
        return Counter(
            (channel, status, state if has_receipt else f"{state}, no receipt")
            for channel, status, state, has_receipt in found
        )


def _names_shop(notification: dict[str, list[dict[str, dict[str, str]]]]) -> bool:
    return notification["alerts"][0]["labels"]["target"] == "shop"


@pytest.fixture(params=["redis", "rabbitmq"])
def watched(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Watched]:
    broker = request.getfixturevalue("rabbitmq_url") if request.param == "rabbitmq" else None
    with http_receiver() as hook, smtp_receiver() as (mailbox, smtp_port), WebTarget(free_port()) as target:
        configuration = tmp_path / "watchfleet.yml"
        configuration.write_text(
            f"targets:\n  - name: shop\n    kind: http\n    url: {target.url}\n"
            f"    interval: {PERIOD}s\n    timeout: 2s\n    severity: critical\n"
            "  - name: broken\n    kind: htp\n"
        )
        variables = {
            "WATCHFLEET_CONFIG": str(configuration),
            "ALERT_WEBHOOK_URL": hook.url,
            "ALERT_EMAIL_ENABLED": "true",
            "ALERT_EMAIL_TO": "ops@example.org",
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(smtp_port),
            "SMTP_SECURITY": "none",
            **({"BROKER_URL": broker} if broker else {}),
        }
        fleet = Fleet(tmp_path, **variables)
        try:
            said = fleet.up("--demo").stdout
            assert ("BROKER_URL: RabbitMQ" in said) == (broker is not None)
            assert re.search(r"warn  Configuration: .*watchfleet\.yml:9: .*; this target is not probed", said)
            yield Watched(fleet, target, hook, mailbox, fleet.database_url)
            fleet.down()
            fleet.assert_nothing_is_left()
        finally:
            fleet.clear()


@pytest.mark.timeout(240 + 60 * len(KILLED))  # a whole fleet starts, and ends
def test_a_fault_and_its_end_are_told_on_every_channel_and_accounted_for(watched: Watched) -> None:
    _go_the_whole_way(watched, 1)
    for times, victim in enumerate(KILLED, 2):
        watched.fleet.kill(VICTIMS[victim](watched.fleet))
        began = monotonic()
        wait_until(watched.fleet.is_healthy, WELL_AGAIN)
        well = monotonic() - began
        firing, resolved = _go_the_whole_way(watched, times)
        print(f"{victim}: healthy {well:.1f} s, firing {firing:.1f} s, resolved {resolved:.1f} s")  # noqa: T201 - to be known

    # The example scraper's accounts are in the store and in /metrics.
    wait_until(lambda: 'accounts{platform="instagram",state="ok"}' in _metrics(watched), PATIENCE)
    with psycopg2.connect(watched.database_url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*), sum(succeeded) FROM account WHERE platform = 'instagram'")
        accounts, succeeded = cursor.fetchone() or (0, 0)
    connection.close()
    assert accounts > 0
    assert succeeded > 0


def _go_the_whole_way(watched: Watched, times: int) -> tuple[float, float]:
    """Stop the target and start it again; the seconds until all were told, who were told `times` by then."""
    every = Counter(dict.fromkeys(CHANNELS, times))
    wait_until(lambda: _is_up(watched), PATIENCE)
    watched.target.stop()
    stopped = monotonic()
    wait_until(lambda: watched.told("firing") == every, IN_TIME)
    started = monotonic()
    watched.target.start()
    wait_until(lambda: watched.told("resolved") == every, IN_TIME)
    told = monotonic()
    expected = {(channel, status, "sent"): times for channel in CHANNELS for status in ("firing", "resolved")}
    wait_until(lambda: watched.rows() == Counter(expected))
    return started - stopped, told - started


def _is_up(watched: Watched) -> bool:
    with psycopg2.connect(watched.database_url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT status FROM probe_target WHERE name = 'shop'")
        found = cursor.fetchone()
    connection.close()
    return found == ("up",)


def _metrics(watched: Watched) -> str:
    return watched.fleet.get(watched.fleet.addresses["metrics"])[1]
