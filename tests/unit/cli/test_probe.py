"""`watchfleet probe`: results, exit codes, and a configuration of which one target is broken."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from support.servers import forget_environment, free_port
from support.web_server import WebServer, serving

from watchfleet.cli import cli


@pytest.fixture
def web() -> Iterator[WebServer]:
    with serving() as server:
        yield server


@pytest.fixture
def configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    path = tmp_path / "watchfleet.yml"
    monkeypatch.setenv("WATCHFLEET_CONFIG", str(path))
    forget_environment()
    yield path
    forget_environment()


def target(name: str, url: str, interval: str = "30s") -> str:
    return f"  - {{name: {name}, kind: http, url: '{url}', interval: {interval}, timeout: {interval}}}\n"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments))


def answers(said: Result) -> dict[str, dict[str, Any]]:
    return {one["target"]: one for one in map(json.loads, said.stdout.splitlines())}


def test_all_well_and_one_down(configuration: Path, web: WebServer) -> None:
    lost = f"http://127.0.0.1:{free_port()}/"
    configuration.write_text("targets:\n" + target("shop", web.url("/status/200")) + target("gone", lost))
    said = run("probe", "shop", "--json")
    assert said.exit_code == 0
    assert (answers(said)["shop"]["status"], answers(said)["shop"]["reason"]) == ("up", "")
    said = run("probe", "shop", "gone")
    assert said.exit_code == 1
    shop, gone = said.stdout.strip().splitlines()[1:]
    assert shop.split()[:2] == ["shop", "up"]
    assert gone.split()[:2] == ["gone", "down"]
    assert "connection_refused" in gone


def test_a_name_that_no_target_has(configuration: Path, web: WebServer) -> None:
    configuration.write_text("targets:\n" + target("shop", web.url("/status/200")))
    said = run("probe", "shpo")
    assert said.exit_code == 2
    assert "there is no target 'shpo' (did you mean shop?)" in said.stderr


def test_one_broken_target_is_told_by_its_line_and_the_other_999_are_checked(
    configuration: Path, web: WebServer
) -> None:
    lines = [target(f"t{number}", web.url("/status/200")) for number in range(1000)]
    lines[500] = "  - {name: broken, kind: http, url: nonsense}\n"
    configuration.write_text("targets:\n" + "".join(lines))
    names = [f"t{number}" for number in range(1000) if number != 500]
    said = run("probe", "--json", *names)
    assert said.exit_code == 0, said.stdout[-300:]
    assert {one["status"] for one in answers(said).values()} == {"up"}
    assert len(answers(said)) == 999
    (fault,) = said.stderr.splitlines()
    assert f"{configuration}:502: " in fault
    assert 'target "broken": url' in fault
    assert "this target is not probed" in fault


def test_the_list_has_ours_and_those_of_the_configuration(configuration: Path, web: WebServer) -> None:
    configuration.write_text("targets:\n" + target("shop", web.url("/status/200")))
    listed = {
        one["name"]: one for one in map(json.loads, run("probes", "list", "--json").stdout.splitlines())
    }
    assert listed["shop"]["interval"] == "30s"
    assert listed["disk"]["own"] is True
    assert run("probes", "list").stdout.strip().splitlines()[1].split()[:3] == ["shop", "http", "30s"]


def test_it_watches_until_it_is_told_to_stop(configuration: Path, web: WebServer) -> None:
    configuration.write_text("targets:\n" + target("shop", web.url("/status/200"), "1s"))
    command = [sys.executable, "-m", "watchfleet", "probe", "--watch", "--json", "shop"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        seen = [json.loads(watching.stdout.readline())["status"] for _ in range(2)]
        watching.send_signal(signal.SIGTERM)
        assert watching.wait(30) == 0
    assert seen == ["up", "up"]
