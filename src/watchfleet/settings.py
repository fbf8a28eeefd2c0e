"""Settings: environment variables over one optional file, `watchfleet.yml`.

A variable wins over the file. A secret `NAME` may also be given as `NAME_FILE`, the path of a file that
holds it. The file's path is `WATCHFLEET_CONFIG`, by default `watchfleet.yml` in the working directory.
"""

import os
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from watchfleet.clock import Duration, parse_duration
from watchfleet.errors import ConfigError
from watchfleet.redact import register

DEFAULT_FILE = "watchfleet.yml"
_DATABASE_SCHEMES = ("postgresql://", "postgres://", "postgresql+psycopg2://")
_BROKER_SCHEMES = ("redis://", "rediss://", "unix://", "redis+socket://", "amqp://", "amqps://", "pyamqp://")


def config_path() -> Path:
    """The configuration file that is used, whether or not it exists."""
    return Path(os.environ.get("WATCHFLEET_CONFIG", DEFAULT_FILE))


class SecretFileSource(PydanticBaseSettingsSource):
    """Reads `NAME` from the file that the variable `NAME_FILE` names."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002 - the base class's signature
        """The file's content without the line end, or None."""
        path = os.environ.get(f"{field_name.upper()}_FILE")
        if not path:
            return None, field_name, False
        try:
            return Path(path).read_text(encoding="utf-8").rstrip("\r\n"), field_name, False
        except OSError as error:
            raise ConfigError(
                f"{field_name.upper()}_FILE={path}: {error.strerror}", mend="make the file readable"
            ) from error

    def __call__(self) -> dict[str, Any]:
        """Every setting that is given by a file."""
        values = {name: self.get_field_value(field, name)[0] for name, field in self._fields().items()}
        return {name: value for name, value in values.items() if value is not None}

    def _fields(self) -> dict[str, Any]:
        fields = self.settings_cls.model_fields
        return {name: field for name, field in fields.items() if "SecretStr" in str(field.annotation)}


class YamlSource(PydanticBaseSettingsSource):
    """Reads `watchfleet.yml`, if there is one."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002 - the base class's signature
        """Not used: the file is read whole."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """The file's mapping."""
        return load_yaml(config_path()) if config_path().is_file() else {}


def load_yaml(path: Path) -> dict[str, Any]:
    """The mapping that a YAML file holds; an empty file is an empty mapping.

    Raises:
        ConfigError: The file cannot be read or is not a YAML mapping; names the line.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", path=path) from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise ConfigError(f"not YAML: {error.problem}", path=path, line=line) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"not YAML: {error}", path=path) from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(
            f"holds a {type(content).__name__}, not a mapping",
            path=path,
            line=1,
            mend="start with a setting, such as `database_url: postgresql://...`",
        )
    return content


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

    targets: list[dict[str, Any]] = Field(
        default_factory=list, description="What to probe, beside the fleet's own dependencies."
    )
    probe_interval: Duration = Field(
        parse_duration("15s"), description="How often a target is probed that names no interval."
    )
    dependency_interval: Duration = Field(
        parse_duration("5s"), description="How often the fleet's own dependencies are probed."
    )
    schedules: dict[str, Duration] = Field(
        default_factory=dict, description="Another period for a periodic task, by the task's name."
    )

    alert_webhook_url: SecretStr | None = Field(
        None, description="Where the webhook channel posts to. Not set: the channel is off."
    )
    slack_webhook_url: SecretStr | None = Field(
        None, description="Slack's incoming webhook. Not set: the channel is off."
    )
    sentry_dsn: SecretStr | None = Field(
        None, description="The Sentry project that alerts go to. Not set: the channel is off."
    )
    alert_email_enabled: bool = Field(
        default=False, description="Whether alerts go out by email; needs smtp_host and alert_email_to."
    )
    alert_email_from: str = Field("watchfleet@localhost", description="The sender of alert emails.")
    alert_email_to: list[str] = Field(default_factory=list, description="Who gets alert emails.")
    smtp_host: str | None = Field(None, description="The mail server.")
    smtp_port: int = Field(587, ge=1, le=65535, description="The mail server's port.")
    smtp_username: str | None = Field(None, description="The name to log in with.")
    smtp_password: SecretStr | None = Field(None, description="The password to log in with.")
    smtp_security: str = Field(
        "starttls",
        pattern="^(starttls|tls|none)$",
        description="starttls, tls, or none for a server on a network that you trust.",
    )
    outgoing_allow: list[str] = Field(
        default_factory=list,
        description="Networks (CIDR) that webhooks may reach although they are private, such as 127.0.0.0/8.",
    )

    otlp_endpoint: str | None = Field(
        None,
        validation_alias=AliasChoices("otlp_endpoint", "OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"),
        description="Where traces go, such as http://collector:4318. Not set: no traces are sent.",
    )

    log_directory: Path | None = Field(
        None,
        description="Where the fleet writes its log files. Not set: standard error, which "
        "`watchfleet up` keeps.",
    )
    log_max_file_size_mb: float = Field(50, gt=0, description="A log file is rotated past this size, in MB.")
    log_max_files: int = Field(10, ge=1, description="How many rotated generations of a log file are kept.")
    log_retention_days: float = Field(30, gt=0, description="Rotated log files older than this are deleted.")

    api_token: SecretStr | None = Field(
        None, description="Who sends it as a bearer token sees the details of /health."
    )

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

    @field_validator("broker_url", "redis_url")
    @classmethod
    def _known_broker(cls, url: SecretStr | None) -> SecretStr | None:
        return _with_scheme(url, _BROKER_SCHEMES)

    def model_post_init(self, context: Any, /) -> None:  # noqa: ARG002 - the base class's signature
        """Register every secret, so that it is redacted wherever it may turn up."""
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, SecretStr):
                register(value.get_secret_value())

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
            ConfigError: A value cannot be used; names the setting, and the file if it is from there.
        """
        try:
            return cls()
        except ValidationError as error:
            raise ConfigError("; ".join(_complaints(error))) from error


def _with_scheme(url: SecretStr | None, schemes: tuple[str, ...]) -> SecretStr | None:
    if url is not None and not url.get_secret_value().startswith(schemes):
        raise ValueError(f"the address must start with {' or '.join(schemes)}")
    return url


def _complaints(error: ValidationError) -> list[str]:
    return [
        f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}"
        for item in error.errors(include_url=False, include_input=False)
    ]


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The settings of this process, read once."""
    return Settings.load()
