"""Debian's amtool and Prometheus work against us as their Alertmanager, and what they send is delivered."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.prometheus import needs_prometheus, prometheus
from support.receivers import HttpReceiver, http_receiver
from support.servers import ROOT, free_port, running, use_environment, wait_until

from watchfleet.fleet import channel_queue

TOKEN = "a-token-of-some-length"
CONFIG = """
route:
  receiver: hook
  group_by: [alertname]
  group_wait: 0s
  group_interval: 1s
  routes: [{matchers: [team="web"], receiver: web}]
receivers:
  - name: hook
    webhook_configs: [{url: 'HOOK'}]
  - name: web
"""
WORKER = [
    sys.executable, "-m", "celery", "-A", "workers", "worker", "--pool=threads", "--concurrency=2",
    "--without-gossip", "--without-mingle", "--loglevel=INFO", f"--queues={channel_queue('webhook')}",
]  # fmt: skip

needs_amtool = pytest.mark.skipif(
    not shutil.which("amtool"), reason="amtool is not installed: `make peers` installs it"
)


class Ours:
    """The processes that a notification passes through.

    Attributes:
        port: Of the web process.
        receiver: Where notifications arrive.
        config: The configuration's file.
    """

    def __init__(self, port: int, receiver: HttpReceiver, config: Path) -> None:
        self.port, self.receiver, self.config = port, receiver, config

    def amtool(self, *words: str) -> str:
        url = f"--alertmanager.url=http://amtool:{TOKEN}@127.0.0.1:{self.port}"
        done = subprocess.run(["amtool", url, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def told(self) -> list[tuple[str, str]]:
        """The status and the name of each alert that was delivered."""
        bodies = [json.loads(request.body) for request in self.receiver.requests]
        return [(one["status"], one["labels"]["alertname"]) for body in bodies for one in body["alerts"]]


@pytest.fixture
def ours(environment: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Ours]:
    config, port = tmp_path / "am.yml", free_port()
    with ExitStack() as stack:
        receiver = stack.enter_context(http_receiver())
        config.write_text(CONFIG.replace("HOOK", receiver.url))
        use_environment(environment, NOTIFY_CONFIG=str(config), API_TOKEN=TOKEN)
        environment.chdir(ROOT)
        gunicorn = [sys.executable, "-m", "gunicorn", "--config=workers/gunicornconf.py"]
        commands = {
            "worker": WORKER,
            "dispatcher": [sys.executable, "-m", "workers.dispatcher"],
            "web": [*gunicorn, f"--bind=127.0.0.1:{port}", "--log-level=info", "workers.web:app"],
        }
        for name, command in commands.items():
            stack.enter_context(running(command, tmp_path / f"{name}.log", environment=dict(os.environ)))
        said = {"worker": " ready.", "dispatcher": "dispatches", "web": "Listening at"}
        wait_until(
            lambda: all(text in (tmp_path / f"{name}.log").read_text() for name, text in said.items()), 60
        )
        yield Ours(port, receiver, config)


@needs_amtool
@needs_prometheus
def test_amtool_and_prometheus_work_unchanged(ours: Ours, tmp_path: Path) -> None:
    assert "disabled" in ours.amtool("cluster", "show")
    ours.amtool("alert", "add", "Down", "host=h1", "--annotation=summary=it is down")
    wait_until(lambda: ours.told() == [("firing", "Down")])
    assert "it is down" in ours.amtool("alert", "query", "host=h1")
    name = ours.amtool("silence", "add", "host=h1", "--comment=works", "--author=anna")
    assert name in ours.amtool("silence", "query")
    assert ours.amtool("alert", "query", "--output=json") == "[]"
    assert json.loads(ours.amtool("alert", "query", "--silenced", "--output=json"))[0]["status"][
        "silencedBy"
    ] == [name]
    assert name in ours.amtool("silence", "update", "--duration=3h", "--comment=more works", name)
    saved = tmp_path / "silences.json"
    saved.write_text(ours.amtool("silence", "query", "--output=json"))
    ours.amtool("silence", "expire", name)
    assert name in ours.amtool("silence", "query", "--expired")
    again = ours.amtool("silence", "import", str(saved))
    assert again != name
    assert "more works" in ours.amtool("silence", "query", "--output=extended")
    assert ours.amtool("config", "routes", "test", "team=web") == "web"
    assert "receiver: web" in ours.amtool("config", "routes", "show")
    assert "SUCCESS" in ours.amtool("check-config", str(ours.config))
    with_prometheus(ours, tmp_path)


def with_prometheus(ours: Ours, tmp_path: Path) -> None:
    """What a Prometheus sends is delivered."""
    # It learns of its Alertmanagers after five seconds, and says what it said before only after a minute.
    rule = {"alert": "Boom", "expr": "vector(1)", "for": "7s", "labels": {"severity": "critical"}}
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "g", "rules": [rule]}]}))
    target = {
        "static_configs": [{"targets": [f"127.0.0.1:{ours.port}"]}],
        "authorization": {"credentials": TOKEN},
    }
    configuration = {
        "global": {"evaluation_interval": "1s"},
        "rule_files": [str(tmp_path / "rules.yml")],
        "alerting": {"alertmanagers": [target]},
    }
    with prometheus(tmp_path, configuration):
        wait_until(lambda: ("firing", "Boom") in ours.told())
