"""The channels that there are, and those that are on."""

import logging

import pytest
from pydantic import SecretStr
from support.messages import firing

import alert_channels
from watchfleet import fleet
from watchfleet.errors import ConfigError, DeliveryError
from watchfleet.model import Destination
from watchfleet.notify import receivers
from watchfleet.notify.receivers import default_receiver
from watchfleet.settings import Settings


@pytest.fixture(autouse=True)
def _fresh() -> None:
    receivers._say_off.cache_clear()


def channels(settings: Settings) -> list[str]:
    return [each.channel for each in default_receiver(settings).destinations()]


def test_the_fleet_the_receivers_and_the_registry_name_the_same_channels() -> None:
    assert tuple(alert_channels.CHANNELS) == tuple(receivers.CONFIGS) == fleet.BUILTIN_CHANNELS
    assert {name: alert_channels.load(name).config for name in alert_channels.CHANNELS} == receivers.CONFIGS


def test_without_any_setting_the_log_is_on_and_every_other_says_once_what_it_needs(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "watchfleet.notify.receivers")
    assert channels(Settings()) == ["log"]
    assert channels(Settings()) == ["log"]
    said = [record.getMessage() for record in caplog.records]
    assert said == [
        "the channel webhook is off: it needs ALERT_WEBHOOK_URL",
        "the channel email is off: it needs ALERT_EMAIL_ENABLED, SMTP_HOST and ALERT_EMAIL_TO",
        "the channel slack is off: it needs SLACK_WEBHOOK_URL, or SLACK_BOT_TOKEN and SLACK_CHANNEL",
        "the channel sentry is off: it needs SENTRY_DSN",
        "the channel apprise is off: it needs ALERT_APPRISE_URL",
    ]


def test_a_channel_with_a_receiver_is_on() -> None:
    settings = Settings(
        alert_webhook_url=SecretStr("http://127.0.0.1:9/"),
        slack_webhook_url=SecretStr("http://127.0.0.1:9/"),
        sentry_dsn=SecretStr("http://key@127.0.0.1:9/1"),
        alert_email_enabled=True,
        smtp_host="127.0.0.1",
        alert_apprise_url=SecretStr("json://127.0.0.1:9/"),
        alert_email_to=["ops@example.com"],
    )
    assert tuple(channels(settings)) == fleet.BUILTIN_CHANNELS


def test_a_broken_channel_is_off_and_spares_the_others(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "watchfleet.notify.receivers")
    monkeypatch.setattr(fleet, "channel_names", lambda: ("nonsense", "log"))
    assert channels(Settings()) == ["log"]
    assert "nonsense is off: it cannot be used: LookupError" in caplog.text


def test_a_channel_that_is_off_gives_up_what_waits_for_it() -> None:
    with pytest.raises(DeliveryError, match="SENTRY_DSN") as caught:
        alert_channels.sender(Destination("sentry"), Settings()).send(firing())
    assert (caught.value.reason, caught.value.permanent) == ("channel_off", True)


def test_a_dsn_that_is_none_is_refused_without_being_repeated() -> None:
    settings = Settings(sentry_dsn=SecretStr("https://not-a-dsn.example.com/words"))
    with pytest.raises(ConfigError, match="sentry_dsn is not a DSN") as caught:
        alert_channels.sender(Destination("sentry"), settings)
    assert "not-a-dsn" not in str(caught.value)
