"""`watchfleet channels` as a user runs it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from support.receivers import Answer, http_receiver
from support.servers import forget_environment

from watchfleet.cli import main
from watchfleet.cli.channels import channels


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WATCHFLEET_CONFIG", str(tmp_path / "watchfleet.yml"))
    (tmp_path / "watchfleet.yml").write_text("")
    forget_environment()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(channels, arguments)


def test_list_names_everyone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALERT_EMAIL_ENABLED", "true")
    monkeypatch.setenv("ALERT_EMAIL_TO", "anna@example.org,bob@example.org")
    monkeypatch.setenv("SMTP_HOST", "127.0.0.1")
    found = [json.loads(line) for line in run("list", "--json").output.splitlines()]
    assert [(each["channel"], each["part"]) for each in found] == [
        ("log", ""),
        ("email", "anna@example.org"),
        ("email", "bob@example.org"),
    ]
    assert "bob@example.org" in run("list").output


def test_a_test_delivers_and_shows_the_receipt(monkeypatch: pytest.MonkeyPatch) -> None:
    with http_receiver() as receiver:
        monkeypatch.setenv("ALERT_WEBHOOK_URL", receiver.url)
        done = run("test", "webhook")
        assert (done.exit_code, done.output) == (0, "ok      default/webhook[0]: 200 OK\n")
        assert receiver.requests[0].json["commonLabels"]["alertname"] == "WatchfleetTest"
        receiver.answers.append(Answer(404, body=b"no such hook"))
        failed = run("test", "webhook", "--json")
    assert failed.exit_code == 1
    outcome = json.loads(failed.output)
    assert (outcome["delivered"], outcome["reason"]) == (False, "http_404")
    assert "no such hook" in outcome["detail"]


def test_nobody_of_that_name_is_bad_usage(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["watchfleet", "channels", "test", "pigeon"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "nobody is told by the name 'pigeon' (write one of default, log" in capsys.readouterr().err


def test_preview_shows_and_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with http_receiver() as receiver:
        monkeypatch.setenv("ALERT_WEBHOOK_URL", receiver.url)
        done = run("preview", "webhook", "--alerts", "3", "--status", "resolved")
        assert receiver.requests == []
    assert done.exit_code == 0
    assert "[RESOLVED:3] WatchfleetTest (warning)" in done.output


def test_preview_names_a_template_that_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "watchfleet.yml").write_text(
        "notify:\n  route: {receiver: ops}\n  receivers:\n  - name: ops\n    log_configs:\n"
        "    - {title: '{{ nothing.such }}', text: 'fine: {{ name }}'}\n"
    )
    done = run("preview", "ops")
    assert done.exit_code == 1
    assert "the template title fails" in done.output
    assert "[FIRING] WatchfleetTest example-1 (warning)" in done.output
    assert "fine: WatchfleetTest" in done.output
