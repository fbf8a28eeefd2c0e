"""The variables that switch channels on, each by what then arrives at a real receiver."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from support.receivers import CERTIFICATE, sentry_receiver, slack_receiver, smtp_receiver
from support.servers import forget_environment, use_environment

from watchfleet.cli.channels import channels


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No configuration but the variables."""
    (tmp_path / "watchfleet.yml").write_text("")
    monkeypatch.setenv("WATCHFLEET_CONFIG", str(tmp_path / "watchfleet.yml"))


def sent(monkeypatch: pytest.MonkeyPatch, channel: str, **variables: str) -> Result:
    """What `watchfleet channels test` says of a channel that only variables describe."""
    use_environment(monkeypatch, **variables)
    try:
        return CliRunner().invoke(channels, ["test", channel])
    finally:
        forget_environment()


def mail(port: int) -> dict[str, str]:
    return {
        "ALERT_EMAIL_ENABLED": "true",
        "ALERT_EMAIL_TO": "ops@example.org",
        "ALERT_EMAIL_FROM": "fleet@example.org",
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": str(port),
        "SMTP_SECURITY": "none",
    }


def test_slack_webhook_url_is_where_slack_gets_alerts(monkeypatch: pytest.MonkeyPatch) -> None:
    with slack_receiver() as receiver:
        done = sent(monkeypatch, "slack", SLACK_WEBHOOK_URL=receiver.url)
        assert done.exit_code == 0, done.output
        assert "WatchfleetTest" in receiver.requests[0].body.decode()


def test_sentry_dsn_is_where_sentry_gets_alerts(monkeypatch: pytest.MonkeyPatch) -> None:
    with sentry_receiver() as receiver:
        done = sent(monkeypatch, "sentry", SENTRY_DSN=receiver.dsn, SENTRY_ENVIRONMENT="staging")
        assert done.exit_code == 0, done.output
        (event,) = receiver.events.values()
    assert event["environment"] == "staging"


def test_mail_goes_to_the_server_and_the_people_that_variables_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with smtp_receiver() as (mailbox, port):
        done = sent(monkeypatch, "email", **mail(port))
        assert done.exit_code == 0, done.output
    (one,) = mailbox.mails
    assert (one["To"], one["From"]) == ("ops@example.org", "fleet@example.org")


@pytest.mark.parametrize("user", ["SMTP_USER", "SMTP_USERNAME"])
def test_a_name_and_a_password_log_in_over_tls(monkeypatch: pytest.MonkeyPatch, user: str) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    with smtp_receiver(security="starttls", password="right-one") as (mailbox, port):
        login = {**mail(port), user: "fleet", "SMTP_SECURITY": "starttls"}
        assert "535" in sent(monkeypatch, "email", **login, SMTP_PASSWORD="wrong-one").output
        done = sent(monkeypatch, "email", **login, SMTP_PASSWORD="right-one")
        assert done.exit_code == 0, done.output
        assert len(mailbox.mails) == 1


@pytest.mark.parametrize(("spoken", "said"), [("tls", "tls"), ("starttls", "starttls"), ("starttls", "none")])
def test_smtp_security_is_how_the_server_is_spoken_to(
    monkeypatch: pytest.MonkeyPatch, spoken: str, said: str
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    with smtp_receiver(security=spoken) as (mailbox, port):
        done = sent(monkeypatch, "email", **{**mail(port), "SMTP_SECURITY": said})
    assert (done.exit_code == 0) == (spoken == said), done.output
    assert len(mailbox.mails) == (spoken == said)


@pytest.mark.parametrize("variable", ["ALERT_EMAIL_ENABLED", "SMTP_HOST", "ALERT_EMAIL_TO"])
def test_no_mail_goes_out_when_one_of_its_variables_is_not_set(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    with smtp_receiver() as (mailbox, port):
        done = sent(monkeypatch, "email", **{**mail(port), variable: ""})
    assert done.exit_code != 0
    assert mailbox.mails == []
