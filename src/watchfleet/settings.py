"""Settings: environment variables over one optional file, `watchfleet.yml`.

A variable wins over the file. A secret `NAME` may also be given as `NAME_FILE`, the path of a file that
holds it. The file's path is `WATCHFLEET_CONFIG`, by default `watchfleet.yml` in the working directory.
"""

import os
from base64 import b64decode
from collections.abc import Iterator
from functools import lru_cache
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from watchfleet.clock import Duration, Period, parse_duration
from watchfleet.complaints import explain
from watchfleet.errors import ConfigError
from watchfleet.redact import register
from watchfleet.settings_sources import (
    CommaList,
    Items,
    Mapping,
    Periods,
    SecretFileSource,
    YamlSource,
    config_path,
    read_config,
    secret_file,
)
from watchfleet.yamlfile import Document

_DATABASE_SCHEMES = ("postgresql://", "postgres://", "postgresql+psycopg2://")
_BROKER_SCHEMES = ("redis://", "rediss://", "unix://", "redis+socket://", "amqp://", "amqps://", "pyamqp://")
_CACHE_SCHEMES = ("redis://", "rediss://", "unix://")
_HTTP_SCHEMES = ("http://", "https://")

__all__ = ["Settings", "config_path", "get_settings", "read_config"]


class Settings(BaseSettings):
    """Every setting of the fleet. Each has an environment variable of the same name in upper case."""

    model_config = SettingsConfigDict(extra="forbid", env_ignore_empty=True, validate_default=True)

    database_url: SecretStr | None = Field(
        None,
        description="PostgreSQL 14 or newer that keeps everything, such as "
        "postgresql://user:password@host/name. `watchfleet up` runs its own when this is not set.",
    )
    broker_url: SecretStr | None = Field(
        None,
        description="Redis 6.2 or newer, or RabbitMQ, that carries the tasks, such as "
        "redis://:password@host:6379/0. "
        "`watchfleet up` runs its own when this is not set.",
    )
    redis_url: SecretStr | None = Field(
        None,
        description="Redis for the shared cache of health results. The broker serves when it is a Redis.",
    )

    targets: Items = Field(
        default_factory=list, description="What to probe, beside the fleet's own dependencies."
    )
    scrape: Items = Field(
        default_factory=list,
        description="What to scrape, in the form of Prometheus's scrape_configs.",
    )
    probe_interval: Period = Field(
        parse_duration("15s"), description="How often a target is probed that names no interval."
    )
    dependency_interval: Period = Field(
        parse_duration("5s"), description="How often the fleet's own dependencies are probed."
    )
    budgets: Items = Field(
        default_factory=list,
        description="What tasks, endpoints, kinds of queries and processes may take.",
    )
    rule_files: CommaList = Field(
        default_factory=list,
        description="Rule files, beside those that come with the fleet; may hold * and **. Relative to the "
        "folder of the configuration file.",
    )
    schedules: Periods = Field(
        default_factory=dict, description="Another period for a periodic task, by the task's name."
    )

    retention_raw: Period = Field(
        parse_duration("7d"), description="How long samples are kept, and how late one may still come."
    )
    retention_5m: Period = Field(parse_duration("30d"), description="How long 5-minute rollups are kept.")
    retention_15m: Period = Field(parse_duration("90d"), description="How long 15-minute rollups are kept.")
    retention_1h: Period = Field(parse_duration("400d"), description="How long 1-hour rollups are kept.")
    retention_24h: Period | None = Field(
        None, description="How long 24-hour rollups are kept. Not set: for ever."
    )
    retention_events: Period = Field(
        parse_duration("30d"), description="How long the single events that scrapers report are kept."
    )
    retention_daily: Period | None = Field(
        None, description="How long the daily statistics of accounts are kept. Not set: for ever."
    )
    time_zone: str = Field(
        "UTC",
        description="Whose days the daily statistics and the 24-hour rollups count, such as Europe/Berlin. "
        "After a change, `watchfleet stats rebuild` and `watchfleet rollups rebuild` make those anew whose "
        "events and samples are kept.",
    )
    stale_after: Period = Field(
        parse_duration("24h"), description="An account without a successful scrape for longer is stale."
    )
    stale_after_on: Periods = Field(
        default_factory=dict, description="Another `stale_after` for a platform, by its name."
    )
    accounts_kept: Period = Field(
        parse_duration("30d"),
        description="An account of which nothing was reported for longer counts no more among the accounts.",
    )
    memory_leak_mb_per_hour: float = Field(
        100, gt=0, description="A process that takes more memory than this for good, in MB an hour, leaks."
    )
    slow_query_seconds: float = Field(
        1.0,
        gt=0,
        description="A query that takes longer is slow. Applications read it from their environment.",
    )
    explain_queries: bool = Field(
        default=False,
        description="Ask probed databases how they execute the kinds of queries that take the most time:"
        " EXPLAIN, which executes nothing.",
    )
    retention_notifications: Period = Field(
        parse_duration("90d"), description="How long notifications are kept after they were finished."
    )
    retention_alert_events: Period = Field(
        parse_duration("400d"), description="How long changes of alerts' states are kept."
    )
    retention_probe_history: Period = Field(
        parse_duration("400d"), description="How long it is kept when which target was of which status."
    )
    retention_audit: Period = Field(
        parse_duration("400d"), description="How long it is kept who changed which rule."
    )
    retention_trace: Period = Field(
        parse_duration("3d"),
        description="How long it is kept what applications did under which correlation id, for "
        "`watchfleet trace`.",
    )
    series_limit: int = Field(
        10_000,
        ge=1,
        description="How many series one metric may have. What is over it is counted together in a series "
        'labelled other="true".',
    )
    metric_limit: int = Field(
        20_000, ge=1, description="How many metrics there may be. Samples of any other metric are rejected."
    )

    notify: Mapping = Field(
        default_factory=dict,
        repr=False,  # receivers may hold secrets
        description="Who is told of which alerts, in the form of Alertmanager's configuration file. Not set: "
        "it goes by severity.",
    )
    notify_config: Path | None = Field(
        None, description="The path of a file that holds the same instead, such as an alertmanager.yml."
    )
    dedup_window: Duration = Field(
        parse_duration("5m"),
        description="An alert that fires again is not sent again to a channel for this long, where no "
        "notification configuration says otherwise.",
    )
    external_url: str | None = Field(
        None, description="Where people reach the web process, such as https://fleet.example.org: for links."
    )

    alert_webhook_url: SecretStr | None = Field(
        None, description="Where the webhook channel posts to. Not set: the channel is off."
    )
    alert_webhook_secret: SecretStr | None = Field(
        None,
        description="Signs what the webhook channel posts, as Standard Webhooks says: whsec_ and base64.",
    )
    alert_webhook_old_secret: SecretStr | None = Field(
        None, description="While keys are changed: signs as well, so that receivers may check by either."
    )
    slack_webhook_url: SecretStr | None = Field(None, description="Slack's incoming webhook.")
    slack_bot_token: SecretStr | None = Field(
        None,
        description="A Slack bot's token, used instead of the webhook: a resolved alert then answers and "
        "updates its first message.",
    )
    slack_channel: str = Field("", description="Where the Slack bot posts: a channel's id, or #name.")
    sentry_dsn: SecretStr | None = Field(
        None, description="The Sentry project that alerts go to. Not set: the channel is off."
    )
    sentry_environment: str = Field("production", description="What events and check-ins are filed under.")
    sentry_check_ins: bool = Field(
        default=False, description="Whether each periodic task is a monitor in that project, with check-ins."
    )
    alert_apprise_url: SecretStr | None = Field(
        None,
        description="Any service that Apprise knows, by its URL, such as tgram://token/chat. Not set: the "
        "channel is off.",
    )
    alert_email_enabled: bool = Field(
        default=False, description="Whether alerts go out by email; needs smtp_host and alert_email_to."
    )
    alert_email_from: str = Field("watchfleet@localhost", description="The sender of alert emails.")
    alert_email_to: CommaList = Field(default_factory=list, description="Who gets alert emails.")
    smtp_host: str | None = Field(None, description="The mail server.")
    smtp_port: int = Field(587, ge=1, le=65535, description="The mail server's port.")
    smtp_username: str | None = Field(
        None,
        validation_alias=AliasChoices("smtp_username", "SMTP_USERNAME", "SMTP_USER"),
        description="The name to log in with.",
    )
    smtp_password: SecretStr | None = Field(None, description="The password to log in with.")
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        "starttls",
        description="starttls, tls, or none for a server on a network that you trust.",
    )
    alert_fallback: CommaList = Field(
        default_factory=list,
        description="Channels that are told what another channel could not be told, such as email.",
    )
    alert_digest_over: int | None = Field(
        None,
        ge=0,
        description="More new notifications than that for one destination within a minute become one that "
        "tells of all of them. 0: never. Not set: 30 on channels that people read (Slack, email), never on "
        "the others.",
    )
    outgoing_allow: CommaList = Field(
        default_factory=list,
        description="Networks (CIDR) that outgoing requests may always reach. An address in these settings "
        "may be private without it; only link-local and cloud metadata addresses need it there.",
    )

    dead_mans_switch_url: SecretStr | None = Field(
        None,
        description="Posted to every 30 seconds while notifications flow and beat ticks, such as a check of "
        "Healthchecks, which raises the alarm when the posts stop.",
    )

    otlp_endpoint: str | None = Field(
        None,
        validation_alias=AliasChoices("otlp_endpoint", "OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"),
        description="Where traces go, such as http://collector:4318. Not set: no traces are sent.",
    )

    log_directory: Path | None = Field(
        None,
        description="Where the fleet writes its log files. Not set: standard error, which "
        "`watchfleet up` keeps in its data directory.",
    )
    log_format: Literal["json", "text"] = Field(
        "json", description="`json`: one JSON object a line, for programs; `text`: for people."
    )
    log_max_file_size_mb: float = Field(50, gt=0, description="A log file is rotated at this size, in MB.")
    log_max_files: int = Field(10, ge=1, description="How many rotated generations of a log file are kept.")
    log_retention_days: float = Field(30, gt=0, description="Rotated log files older than this are deleted.")
    log_max_total_size_mb: float = Field(
        5000, gt=0, description="All rotated log files together are kept below this size, in MB."
    )

    api_token: SecretStr | None = Field(
        None, description="Who sends it as a bearer token sees the details of /health and may write."
    )

    @property
    def memory_leak_bytes_per_hour(self) -> float:
        """`memory_leak_mb_per_hour` in bytes an hour."""
        return self.memory_leak_mb_per_hour * 1e6

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the base class's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - likewise
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then the environment, then secret files, then `watchfleet.yml`."""
        return init_settings, env_settings, SecretFileSource(settings_cls), YamlSource(settings_cls)

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, url: SecretStr | None) -> SecretStr | None:
        return _with_scheme(url, _DATABASE_SCHEMES)

    @field_validator("broker_url")
    @classmethod
    def _known_broker(cls, url: SecretStr | None) -> SecretStr | None:
        return _with_scheme(url, _BROKER_SCHEMES)

    @field_validator("redis_url")
    @classmethod
    def _known_cache(cls, url: SecretStr | None) -> SecretStr | None:
        return _with_scheme(url, _CACHE_SCHEMES)

    @field_validator("alert_webhook_url", "slack_webhook_url", "sentry_dsn", "dead_mans_switch_url")
    @classmethod
    def _known_receiver(cls, url: SecretStr | None) -> SecretStr | None:
        return _with_scheme(url, _HTTP_SCHEMES)

    @field_validator("alert_webhook_secret", "alert_webhook_old_secret")
    @classmethod
    def _signing_key(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None:
            try:
                b64decode(secret.get_secret_value().removeprefix("whsec_"), validate=True)
            except ValueError as error:
                raise ValueError("the secret must be base64, whsec_ before it or not") from error
        return secret

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError("no such time zone; write it like Europe/Berlin or UTC") from error
        return name

    @field_validator("otlp_endpoint", "external_url")
    @classmethod
    def _known_collector(cls, url: str | None) -> str | None:
        if url is not None:
            _check_address(url, _HTTP_SCHEMES)
        return url

    @field_validator("outgoing_allow")
    @classmethod
    def _known_networks(cls, networks: list[str]) -> list[str]:
        for network in networks:
            ip_network(network, strict=False)
        return networks

    def model_post_init(self, context: Any, /) -> None:  # noqa: ARG002 - the base class's signature
        """Register every secret, so that it is redacted wherever it may turn up."""
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, SecretStr):
                for secret in secrets_in(value.get_secret_value()):
                    register(secret)

    @property
    def cache_url(self) -> str | None:
        """The Redis of the shared cache: `redis_url`, or the broker if it is a Redis."""
        for url in (self.redis_url, self.broker_url):
            if url and not url.get_secret_value().startswith(("amqp", "pyamqp")):
                return url.get_secret_value()
        return None

    @classmethod
    def load(cls) -> Self:
        """Read the environment and the file.

        Raises:
            ConfigError: Values cannot be used; names every one, with the file's line or the variable.
        """
        try:
            settings = cls()
        except ValidationError as error:
            raise _together(problems() or explain(error, cls)) from None
        repeated = problems() if _repeats() else []
        if repeated:
            raise _together(repeated)
        return settings


class _FileSettings(Settings):
    """What one file says, whatever the environment does."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the base class's signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - likewise
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - likewise
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - likewise
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


class _EnvironmentSettings(Settings):
    """What the environment says, whatever the file does."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the base class's signature
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - likewise
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - likewise
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return env_settings, SecretFileSource(settings_cls)


def problems() -> list[ConfigError]:
    """Everything that is wrong with the environment and the configuration file, apart from targets.

    Raises:
        ConfigError: The file is no YAML mapping, or a secret's file cannot be read.
    """
    document = read_config()
    return [*environment_problems(), *(file_problems(document) if document else [])]


def file_problems(document: Document) -> list[ConfigError]:
    """Everything that is wrong with a configuration file, apart from targets."""
    found = [
        error
        for location, error in document.problems
        if location[:1] not in {("targets",), ("scrape",), ("budgets",), ("notify",)}
    ]
    try:
        from_file(document)
    except ValidationError as error:
        found += explain(error, Settings, lambda location: (document.path, document.line(location)))
    return sorted(found, key=lambda problem: problem.line or 0)


def from_file(document: Document) -> Settings:
    """What a configuration file says, whatever the environment does.

    Raises:
        pydantic.ValidationError: Values of it cannot be used; `file_problems` tells which.
    """
    return _FileSettings(**document.values)


def environment_problems() -> list[ConfigError]:
    """Everything that is wrong with the environment's variables.

    Raises:
        ConfigError: A secret's file cannot be read.
    """
    try:
        _EnvironmentSettings()
    except ValidationError as error:
        return explain(
            error, Settings, owner="environment variable ", name=lambda location: str(location[0]).upper()
        )
    return []


def origin(name: str, document: Document | None) -> str:
    """Where a setting's value comes from: a variable, a secret's file, a line of the file, or the default."""
    variables = [variable for variable in _variables(name) if os.environ.get(variable)]
    if variables:
        return f"environment {variables[0]}"
    if "Secret" in str(Settings.model_fields[name].annotation) and secret_file(name):
        return f"environment {name.upper()}_FILE"
    for key in (name, *_variables(name)):
        if document and key in document.values:
            return f"{document.path}:{document.line((key,))}"
    return "default"


def secrets_in(value: str) -> Iterator[str]:
    """What must not be seen of a secret: the whole, and of an address its password too."""
    yield value
    try:
        password = urlsplit(value).password
    except ValueError:
        return
    if password:
        yield from {password, unquote(password)}


def _repeats() -> bool:
    document = read_config()
    return document is not None and bool(document.problems)


def _together(found: list[ConfigError]) -> ConfigError:
    """One error that says everything; of a single one, itself."""
    return found[0] if len(found) == 1 else ConfigError("\n".join(map(str, found)))


def _with_scheme(url: SecretStr | None, schemes: tuple[str, ...]) -> SecretStr | None:
    if url is not None:
        _check_address(url.get_secret_value(), schemes)
    return url


def _check_address(url: str, schemes: tuple[str, ...]) -> None:
    if not url.startswith(schemes):
        raise ValueError(f"the address must start with {' or '.join(schemes)}")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ValueError(
            "the address's port is no number; in a password, write % for / : @ and # as %2F …"
        ) from error
    if port == 0 or (schemes is _HTTP_SCHEMES and not parts.hostname):
        raise ValueError("the address names no server")


def _variables(name: str) -> list[str]:
    alias = Settings.model_fields[name].validation_alias
    choices = alias.choices if isinstance(alias, AliasChoices) else [name]
    return list(dict.fromkeys(choice.upper() for choice in choices if isinstance(choice, str)))


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The settings of this process, read once."""
    return Settings.load()
