"""Receivers: who is told, by which channels and how, in the form of Alertmanager's `receivers`.

A receiver has a list `<channel>_configs` for each channel that it is told by. The environment's variables
make up the receiver `default`, with one configuration for each channel that they switch on.
"""

import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from email.utils import getaddresses
from functools import lru_cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    create_model,
    model_validator,
)

from watchfleet import fleet
from watchfleet.clock import Duration, parse_duration
from watchfleet.errors import ConfigError
from watchfleet.model import Destination
from watchfleet.probes.scrape.config import Authorization, BasicAuth, Tls
from watchfleet.redact import register
from watchfleet.settings import Settings, secrets_in

logger = logging.getLogger(__name__)

DEFAULT: Final = "default"
"""The receiver that the environment's variables make up."""
LONGEST_TIMEOUT: Final = timedelta(seconds=15)
_SUFFIX: Final = "_configs"
_SMARTHOST: Final = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^:\[\]\s]+):(?P<port>\d{1,5})")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    def model_post_init(self, context: Any, /) -> None:  # noqa: ARG002 - the base class's signature
        """Register every secret, so that it is redacted wherever it may turn up."""
        for name in type(self).model_fields:
            value = getattr(self, name)
            for secret in value if isinstance(value, tuple) else (value,):
                if isinstance(secret, SecretStr):
                    for text in secrets_in(secret.get_secret_value()):
                        register(text)


class ChannelConfig(_Strict):
    """What every `<channel>_configs` entry has. A channel of another distribution derives its own from it.

    Attributes:
        needs: The variables without which the receiver `default` has no such entry, for people.
    """

    needs: ClassVar[str] = "a receiver that names it"

    send_resolved: bool = Field(default=True, description="Whether the end of an alert is told, too.")
    title: str = Field("", description="A template for the heading, in Jinja2. Not set: ours.")
    text: str = Field("", description="A template for the text, in Jinja2. Not set: ours.")
    rate_limit: float = Field(
        0, ge=0, description="How many notifications a second may be sent, in the long run. 0: any number."
    )
    digest_over: int = Field(
        0, ge=0, description="More new ones than that within a minute become one that tells of all. 0: never."
    )

    @classmethod
    def from_settings(cls, settings: Settings) -> Self | None:  # noqa: ARG003 - for those that override it
        """The entry that the environment's variables make up; None when they do not switch it on."""
        return None

    @property
    def parts(self) -> tuple[str, ...]:
        """Those who share the entry and are each told and accounted for; by default it is one."""
        return ("",)

    def secret(self, name: str) -> str:
        """The secret of the field `name`, or what the file `<name>_file` holds; empty if there is neither.

        Raises:
            ConfigError: The file cannot be read.
        """
        return read_secret(getattr(self, name), getattr(self, f"{name}_file", None))


class HttpConfig(_Strict):
    """How a request is made: Alertmanager's `http_config`."""

    basic_auth: BasicAuth | None = Field(None, description="Name and password to send.")
    authorization: Authorization | None = Field(None, description="The Authorization header to send.")
    tls_config: Tls = Field(Tls(), description="How to trust the receiver, and be trusted by it.")
    follow_redirects: bool = Field(default=False, description="Must be false: redirects are not followed.")

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.follow_redirects:
            raise ValueError("redirects are never followed; leave follow_redirects out")
        if self.basic_auth and self.authorization:
            raise ValueError("basic_auth and authorization exclude each other")
        return self


def _timeout(value: timedelta) -> timedelta:
    if value > LONGEST_TIMEOUT:
        raise ValueError(f"must be at most {LONGEST_TIMEOUT.total_seconds():g}s")
    return value


Timeout = Annotated[Duration, AfterValidator(_timeout)]


class HttpChannelConfig(ChannelConfig):
    """What every channel that speaks HTTP has."""

    timeout: Timeout = Field(
        parse_duration("10s"), description="How long one try may take, 15s at most. 0s: 10s."
    )
    http_config: HttpConfig = Field(HttpConfig(), description="How the request is made.")


class WebhookConfig(HttpChannelConfig):
    """An entry of `webhook_configs`."""

    needs: ClassVar[str] = "ALERT_WEBHOOK_URL"

    url: SecretStr | None = Field(None, description="Where to post to.")
    url_file: Path | None = Field(None, description="A file that holds it.")
    max_alerts: int = Field(0, ge=0, description="List no more alerts than that in one post. 0: all.")
    signing_secret: SecretStr | None = Field(None, description="Signs what is posted: whsec_ and base64.")
    signing_secret_file: Path | None = Field(None, description="A file that holds it.")
    old_signing_secret: SecretStr | None = Field(None, description="Signs as well, while keys are changed.")
    old_signing_secret_file: Path | None = Field(None, description="A file that holds it.")

    @classmethod
    def from_settings(cls, settings: Settings) -> Self | None:
        """For `alert_webhook_url`."""
        if settings.alert_webhook_url is None:
            return None
        return cls(
            url=settings.alert_webhook_url,
            signing_secret=settings.alert_webhook_secret,
            old_signing_secret=settings.alert_webhook_old_secret,
        )

    @model_validator(mode="after")
    def _possible(self) -> Self:
        _one_of(self, "url")
        return self


READ_BY_PEOPLE: Final = 30
"""`digest_over` where nothing else is said, of channels that people read."""


class SlackField(_Strict):
    """An entry of a Slack message's `fields`."""

    title: str = Field(min_length=1, description="A template for its name.")
    value: str = Field(min_length=1, description="A template for what it says.")
    short: bool | None = Field(None, description="Whether it shares its line. Not set: `short_fields`.")


class SlackAction(_Strict):
    """An entry of a Slack message's `actions`: a button."""

    type: Literal["button"] = Field("button", description="What it is.")
    text: str = Field(min_length=1, description="A template for what is written on it.")
    url: str = Field(min_length=1, description="A template for where it leads.")
    style: Literal["", "default", "primary", "danger"] = Field("", description="How it looks.")


class SlackConfig(HttpChannelConfig):
    """An entry of `slack_configs`: an incoming webhook, or a bot token and a channel."""

    needs: ClassVar[str] = "SLACK_WEBHOOK_URL, or SLACK_BOT_TOKEN and SLACK_CHANNEL"

    rate_limit: float = Field(1, ge=0, description="As everywhere; Slack itself takes one a second.")
    digest_over: int = Field(READ_BY_PEOPLE, ge=0, description="As everywhere.")
    api_url: SecretStr | None = Field(None, description="The incoming webhook.")
    api_url_file: Path | None = Field(None, description="A file that holds it.")
    app_token: SecretStr | None = Field(None, description="A bot's token, xoxb-...")
    app_token_file: Path | None = Field(None, description="A file that holds it.")
    app_url: str = Field("https://slack.com/api/", description="Where the bot's methods are.")
    channel: str = Field("", description="Where the bot posts: a channel's id, or #name.")
    username: str = Field("", description="The name to post under.")
    icon_emoji: str = Field("", description="An emoji as the icon, such as :fire:.")
    icon_url: str = Field("", description="A picture as the icon.")
    color: str = Field("", description="A template: good, warning, danger or #rrggbb. Not set: by severity.")
    fallback: str = Field(
        "", description="A template for programs that show no blocks. Not set: the heading."
    )
    pretext: str = Field("", description="A template for what stands above the message.")
    title_link: str = Field("", description="A template for the address behind the first button.")
    fields: tuple[SlackField, ...] = Field((), max_length=10, description="In place of the common labels.")
    short_fields: bool = Field(default=False, description="Whether fields share their line.")
    actions: tuple[SlackAction, ...] = Field((), max_length=5, description="Buttons besides ours.")
    footer: str = Field("", description="A template for the last line.")
    image_url: str = Field("", description="A template for the address of a picture.")
    thumb_url: str = Field("", description="A template for the address of a picture at the side.")

    @classmethod
    def from_settings(cls, settings: Settings) -> Self | None:
        """For `slack_bot_token` and `slack_channel`, else for `slack_webhook_url`."""
        if settings.slack_bot_token is not None and settings.slack_channel:
            return cls(app_token=settings.slack_bot_token, channel=settings.slack_channel)
        if settings.slack_webhook_url is not None:
            return cls(api_url=settings.slack_webhook_url)
        return None

    @model_validator(mode="after")
    def _possible(self) -> Self:
        _one_of(self, "api_url", "app_token")
        if (self.app_token or self.app_token_file) and not self.channel:
            raise ValueError("app_token needs a channel")
        return self


class SentryConfig(HttpChannelConfig):
    """An entry of `sentry_configs`."""

    needs: ClassVar[str] = "SENTRY_DSN"

    dsn: SecretStr | None = Field(None, description="The project, https://key@host/1.")
    dsn_file: Path | None = Field(None, description="A file that holds it.")
    environment: str = Field("", description="The environment that events are filed under.")

    @classmethod
    def from_settings(cls, settings: Settings) -> Self | None:
        """For `sentry_dsn`."""
        if settings.sentry_dsn is None:
            return None
        return cls(dsn=settings.sentry_dsn, environment=settings.sentry_environment)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        _one_of(self, "dsn")
        return self


def _addresses(value: object) -> object:
    """`a@example.org, b@example.org`, or a list of those."""
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


class EmailConfig(ChannelConfig):
    """An entry of `email_configs`."""

    needs: ClassVar[str] = "ALERT_EMAIL_ENABLED, SMTP_HOST and ALERT_EMAIL_TO"

    digest_over: int = Field(READ_BY_PEOPLE, ge=0, description="As everywhere.")
    to: Annotated[tuple[str, ...], BeforeValidator(_addresses)] = Field(
        min_length=1, description="Who gets the mail, with commas between."
    )
    sender: str = Field("watchfleet@localhost", alias="from", description="Who it comes from.")
    smarthost: str = Field("", description="The mail server, host:port.")
    hello: str = Field("", description="The name to greet the server with. Not set: the host's own.")
    auth_username: str = Field("", description="The name to log in with.")
    auth_password: SecretStr | None = Field(None, description="The password to log in with.")
    auth_password_file: Path | None = Field(None, description="A file that holds it.")
    require_tls: bool = Field(default=True, description="Whether the connection must be secured.")
    force_implicit_tls: bool | None = Field(
        None, description="TLS from the first byte on instead of STARTTLS. Not set: on port 465."
    )
    tls_config: Tls = Field(Tls(), description="How to trust the server, and be trusted by it.")
    headers: dict[str, str] = Field(
        default_factory=dict, description="Further header fields; templates, too. Subject wins over title."
    )
    html: str = Field("", description="A template for the HTML part, in Jinja2. Not set: ours.")

    @classmethod
    def from_settings(cls, settings: Settings) -> Self | None:
        """For `alert_email_enabled`, `smtp_*` and `alert_email_*`."""
        if not (settings.alert_email_enabled and settings.smtp_host and settings.alert_email_to):
            return None
        return cls(
            to=tuple(settings.alert_email_to),
            sender=settings.alert_email_from,
            smarthost=f"{_bracketed(settings.smtp_host)}:{settings.smtp_port}",
            auth_username=settings.smtp_username or "",
            auth_password=settings.smtp_password,
            require_tls=settings.smtp_security != "none",
            force_implicit_tls=settings.smtp_security == "tls",
        )

    @property
    def parts(self) -> tuple[str, ...]:
        """Each recipient's address: a server may take the mail for one and refuse it for another."""
        return tuple(dict.fromkeys(address for _, address in getaddresses(list(self.to))))

    @property
    def server(self) -> tuple[str, int]:
        """The mail server's name and port."""
        found = _SMARTHOST.fullmatch(self.smarthost)
        return (found["host"].strip("[]"), int(found["port"])) if found else ("", 0)

    @property
    def security(self) -> str:
        """`tls`, `starttls` or `none`."""
        implicit = self.server[1] == 465 if self.force_implicit_tls is None else self.force_implicit_tls
        return "tls" if implicit else "starttls" if self.require_tls else "none"

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.smarthost and not 0 < self.server[1] < 65536:
            raise ValueError(f"smarthost {self.smarthost!r} is not host:port, such as mail.example.org:587")
        return self


class AppriseConfig(ChannelConfig):
    """An entry of `apprise_configs`: any service that Apprise knows, by its URL."""

    needs: ClassVar[str] = "ALERT_APPRISE_URL"

    digest_over: int = Field(READ_BY_PEOPLE, ge=0, description="As everywhere.")
    url: SecretStr | None = Field(None, description="Apprise's URL of the service, such as tgram://...")
    url_file: Path | None = Field(None, description="A file that holds it.")
    timeout: Timeout = Field(
        parse_duration("15s"), description="How long one try may take, 15s at most. 0s: 15s."
    )

    @classmethod
    def from_settings(cls, settings: Settings) -> Self | None:
        """For `alert_apprise_url`."""
        return None if settings.alert_apprise_url is None else cls(url=settings.alert_apprise_url)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        _one_of(self, "url")
        return self


class LogConfig(ChannelConfig):
    """An entry of `log_configs`."""

    needs: ClassVar[str] = "nothing"

    @classmethod
    def from_settings(cls, settings: Settings) -> Self | None:  # noqa: ARG003 - the base class's signature
        """Always."""
        return cls()


CONFIGS: Final[dict[str, type[ChannelConfig]]] = {
    "log": LogConfig,
    "webhook": WebhookConfig,
    "email": EmailConfig,
    "slack": SlackConfig,
    "sentry": SentryConfig,
    "apprise": AppriseConfig,
}


@lru_cache
def config_of(channel: str) -> type[ChannelConfig]:
    """What an entry of `<channel>_configs` holds.

    Raises:
        LookupError: There is no channel of that name.
    """
    if channel in CONFIGS:
        return CONFIGS[channel]
    for point in entry_points(group="watchfleet.channels", name=channel):
        found: type[ChannelConfig] = point.load().config
        return found
    raise LookupError(f"there is no channel {channel!r}; there are {', '.join(fleet.channel_names())}")


class Receiver(_Strict):
    """Who is told. Beside the name it has `<channel>_configs` for each channel; see `receiver_model`."""

    name: str = Field(min_length=1, description="What routes call it.")
    fallback: str = Field("", description="The receiver that is told what could not be told to this one.")

    def configs(self, channel: str) -> tuple[ChannelConfig, ...]:
        """Its configurations of one channel, in their order."""
        found: tuple[ChannelConfig, ...] = getattr(self, f"{channel}{_SUFFIX}", ())
        return found

    def destinations(self) -> tuple[Destination, ...]:
        """Everyone that it stands for."""
        return tuple(
            Destination(channel, self.name, position, part)
            for channel in fleet.channel_names()
            for position, config in enumerate(self.configs(channel))
            for part in config.parts
        )

    def config(self, destination: Destination) -> ChannelConfig | None:
        """The configuration of a destination; None when the receiver has it no more."""
        found = self.configs(destination.channel)[destination.position : destination.position + 1]
        return found[0] if found and destination.part in found[0].parts else None


def receiver_model() -> type[Receiver]:
    """The model of an entry of `receivers`, with a list for each channel that can be used."""
    return _model(tuple(channel for channel in fleet.channel_names() if _usable(channel)))


@lru_cache
def _model(channels: tuple[str, ...]) -> type[Receiver]:
    fields: dict[str, Any] = {
        f"{channel}{_SUFFIX}": (
            tuple[config_of(channel), ...],  # type: ignore[misc] # a type that is only known at run time
            Field((), description=f"Tells it by the channel {channel}."),
        )
        for channel in channels
    }
    return create_model("Receiver", __base__=Receiver, **fields)


@lru_cache
def _usable(channel: str) -> bool:
    try:
        return bool(config_of(channel))
    except Exception as error:
        # A broken channel of another distribution never stops the others.
        logger.exception("the channel %s is off: it cannot be used: %s", channel, type(error).__name__)
        return False


def read_secret(value: SecretStr | None, path: Path | None) -> str:
    """A secret that is given or stands in a file; empty if neither. It is redacted from then on.

    Raises:
        ConfigError: The file cannot be read.
    """
    secret = _content(path) if path else value.get_secret_value() if value else ""
    register(secret)
    return secret


@dataclass(frozen=True, slots=True)
class Receivers:
    """Everyone who may be told.

    Attributes:
        by_name: The receivers.
        fallback_channels: Channels of the receiver `default` that are told what another of its channels could
            not be told.
    """

    by_name: Mapping[str, Receiver]
    fallback_channels: tuple[str, ...] = ()

    def config(self, destination: Destination) -> ChannelConfig | None:
        """The configuration of a destination; None when there is none any more."""
        receiver = self.by_name.get(destination.receiver)
        return receiver.config(destination) if receiver else None

    def fallbacks(self, destination: Destination) -> tuple[Destination, ...]:
        """Who is told instead of a destination that could not be told."""
        receiver = self.by_name.get(destination.receiver)
        other = self.by_name.get(receiver.fallback) if receiver and receiver.fallback else None
        if other is not None:
            return other.destinations()
        if destination.receiver != DEFAULT or DEFAULT not in self.by_name:
            return ()
        wanted = [name for name in self.fallback_channels if name != destination.channel]
        return tuple(each for each in self.by_name[DEFAULT].destinations() if each.channel in wanted)


def default_receiver(settings: Settings) -> Receiver:
    """The receiver that the environment's variables make up."""
    return receiver_model()(name=DEFAULT, **dict(_defaults(settings)))


def _defaults(settings: Settings) -> Iterator[tuple[str, tuple[ChannelConfig, ...]]]:
    for channel in filter(_usable, fleet.channel_names()):
        config = config_of(channel).from_settings(settings)
        if config is not None:
            limit = settings.alert_digest_over
            changes = {} if limit is None else {"digest_over": limit}
            yield f"{channel}{_SUFFIX}", (config.model_copy(update=changes),)
        else:
            _say_off(channel)


@lru_cache
def _say_off(channel: str) -> None:
    """Say it once a process."""
    logger.info("the channel %s is off: it needs %s", channel, config_of(channel).needs)


def _one_of(config: ChannelConfig, *names: str) -> None:
    given = [each for name in names for each in (name, f"{name}_file") if getattr(config, each) is not None]
    if len(given) != 1:
        wanted = " or ".join(each for name in names for each in (name, f"{name}_file"))
        raise ValueError(f"needs {wanted}" if not given else f"{' and '.join(given)} exclude each other")


def _content(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        raise ConfigError(f"cannot be read: {why}", path=path, mend="make it a readable text file") from error


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
