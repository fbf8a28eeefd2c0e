"""Settings: every variable works, the file gives way to it, and every fault is named where it stands."""

from datetime import timedelta
from pathlib import Path

import pytest
from support.settings_names import OTHERS, variables

from watchfleet.errors import ConfigError
from watchfleet.redact import redact
from watchfleet.settings import Settings, environment_problems, origin, read_config


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for names in variables().values():
        for name in names:
            monkeypatch.delenv(name, raising=False)
    for name in OTHERS:
        if name.startswith("WATCHFLEET_"):
            monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def plain(settings: Settings, name: str) -> object:
    value = getattr(settings, name)
    return value.get_secret_value() if hasattr(value, "get_secret_value") else value


def test_nothing_needs_to_be_set() -> None:
    settings = Settings.load()
    assert settings.database_url is None
    assert settings.cache_url is None
    assert settings.probe_interval == timedelta(seconds=15)


@pytest.mark.parametrize(
    ("variable", "text", "name", "value"),
    [
        ("OTLP_ENDPOINT", "http://c:4318", "otlp_endpoint", "http://c:4318"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318", "otlp_endpoint", "http://c:4318"),
        ("SLACK_WEBHOOK_URL", "https://hooks.slack.com/services/T/B/x", "slack_webhook_url", None),
        ("ALERT_EMAIL_ENABLED", "true", "alert_email_enabled", True),
        ("ALERT_EMAIL_ENABLED", "0", "alert_email_enabled", False),
        ("ALERT_EMAIL_TO", "a@b, c@d", "alert_email_to", ["a@b", "c@d"]),
        ("ALERT_EMAIL_TO", '["a@b"]', "alert_email_to", ["a@b"]),
        ("ALERT_EMAIL_FROM", "w@b", "alert_email_from", "w@b"),
        ("ALERT_WEBHOOK_URL", "http://127.0.0.1:9000/hook", "alert_webhook_url", None),
        ("LOG_DIRECTORY", "/var/log/w", "log_directory", Path("/var/log/w")),
        ("LOG_MAX_FILE_SIZE_MB", "1.5", "log_max_file_size_mb", 1.5),
        ("LOG_MAX_FILES", "3", "log_max_files", 3),
        ("LOG_RETENTION_DAYS", "7", "log_retention_days", 7),
        ("DATABASE_URL", "postgres://u:secret-word@h:5432/d", "database_url", None),
        ("DATABASE_URL", "postgresql:///d?host=/run/postgresql", "database_url", None),
        ("BROKER_URL", "rediss://:secret-word@h:6379/0", "broker_url", None),
        ("BROKER_URL", "amqp://u:secret-word@h:5672//", "broker_url", None),
        ("REDIS_URL", "redis://h/1", "redis_url", None),
        ("SENTRY_DSN", "https://key@sentry.example/1", "sentry_dsn", None),
        ("SMTP_HOST", "mail", "smtp_host", "mail"),
        ("SMTP_PORT", "25", "smtp_port", 25),
        ("SMTP_USERNAME", "me", "smtp_username", "me"),
        ("SMTP_USER", "me", "smtp_username", "me"),
        ("SMTP_PASSWORD", "sesame-open", "smtp_password", None),
        ("SMTP_SECURITY", "tls", "smtp_security", "tls"),
        ("PROBE_INTERVAL", "20", "probe_interval", timedelta(seconds=20)),
        (
            "SCHEDULES",
            "watchfleet.rules.evaluate=5s",
            "schedules",
            {"watchfleet.rules.evaluate": timedelta(seconds=5)},
        ),
        ("SCHEDULES", '{"a": "1m"}', "schedules", {"a": timedelta(minutes=1)}),
        ("TARGETS", '[{"name": "x"}]', "targets", [{"name": "x"}]),
        ("OUTGOING_ALLOW", "127.0.0.0/8,::1", "outgoing_allow", ["127.0.0.0/8", "::1"]),
        ("API_TOKEN", "token-of-ours", "api_token", None),
    ],
)
def test_variables(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str, name: str, value: object
) -> None:
    monkeypatch.setenv(variable, text)
    settings = Settings.load()
    assert plain(settings, name) == (text if value is None else value)
    assert origin(name, None) == f"environment {variable}"


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALERT_WEBHOOK_URL", "")
    monkeypatch.setenv("SMTP_PORT", "")
    assert Settings.load().alert_webhook_url is None


def test_a_variable_wins_over_its_file_and_that_over_the_configuration(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "watchfleet.yml").write_text("smtp_port: 1\nsmtp_password: from-yaml\n")
    assert plain(Settings.load(), "smtp_password") == "from-yaml"
    assert origin("smtp_password", read_config()) == "watchfleet.yml:2"
    (tmp_path / "secret").write_text("from-file\n")
    monkeypatch.setenv("SMTP_PASSWORD_FILE", str(tmp_path / "secret"))
    assert plain(Settings.load(), "smtp_password") == "from-file"
    assert origin("smtp_password", read_config()) == "environment SMTP_PASSWORD_FILE"
    monkeypatch.setenv("SMTP_PASSWORD", "from-variable")
    settings = Settings.load()
    assert (plain(settings, "smtp_password"), settings.smtp_port) == ("from-variable", 1)
    assert origin("log_max_files", read_config()) == "default"


def test_a_secret_s_file_that_cannot_be_read_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("API_TOKEN_FILE", str(tmp_path / "gone"))
    with pytest.raises(ConfigError, match=r"API_TOKEN_FILE=.*gone: No such file"):
        Settings.load()


def test_a_configuration_that_is_named_must_exist(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WATCHFLEET_CONFIG", str(tmp_path / "gone.yml"))
    with pytest.raises(ConfigError, match=r"gone\.yml: cannot be read"):
        Settings.load()


def test_every_fault_is_named_at_once_with_its_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "watchfleet.yml").write_text(
        "smtp_prot: 25\nprobe_interval: 0s\nsmtp_security: ssl\nlog_max_files: 3\nlog_max_files: 4\n"
        "database_url: mysql://u:hidden-word@h/d\ntargets: {}\n"
    )
    monkeypatch.setenv("SMTP_PORT", "99999")
    monkeypatch.setenv("OUTGOING_ALLOW", "300.0.0.0/8")
    with pytest.raises(ConfigError) as raised:
        Settings.load()
    complaints = str(raised.value).splitlines()
    beginnings = [
        "environment variable SMTP_PORT: '99999': must be less than or equal to 65535",
        "environment variable OUTGOING_ALLOW: '300.0.0.0/8' does not appear to be an IPv4 or IPv6 network",
        "watchfleet.yml:1: there is no setting 'smtp_prot' (did you mean smtp_port?)",
        "watchfleet.yml:2: probe_interval: '0s': must be more than 0",
        "watchfleet.yml:3: smtp_security: 'ssl': must be 'starttls', 'tls' or 'none'",
        "watchfleet.yml:5:1: log_max_files is given twice, first on line 4",
        "watchfleet.yml:6: database_url: ***: the address must start with postgresql://",
        "watchfleet.yml:7: targets: a mapping: must be a valid list (write a list, such as [one, two])",
    ]
    assert len(complaints) == len(beginnings)
    assert all(map(str.startswith, complaints, beginnings)), complaints
    assert "hidden-word" not in str(raised.value)


def test_a_key_that_is_given_twice_stops_the_fleet_even_if_both_are_fine(tmp_path: Path) -> None:
    (tmp_path / "watchfleet.yml").write_text("smtp_port: 25\nsmtp_port: 26\n")
    with pytest.raises(ConfigError, match=r"watchfleet\.yml:2:1: smtp_port is given twice"):
        Settings.load()


@pytest.mark.parametrize(
    ("variable", "text", "complaint"),
    [
        ("DATABASE_URL", "postgresql://u:p@h:port/d", "the address's port is no number"),
        ("BROKER_URL", "http://h", "the address must start with redis://"),
        ("REDIS_URL", "amqp://h", "the address must start with redis:// or rediss:// or unix://"),
        ("ALERT_WEBHOOK_URL", "example.org/hook", "the address must start with http://"),
        ("ALERT_WEBHOOK_URL", "https:///hook", "the address names no server"),
        ("OTLP_ENDPOINT", "collector:4318", "the address must start with http://"),
        ("ALERT_WEBHOOK_SECRET", "no base64!", "must be base64"),
        ("TARGETS", "{not json", "not JSON"),
        ("SCHEDULES", "watchfleet.rules.evaluate", "write it like name=5s,other=1m"),
        ("ALERT_EMAIL_ENABLED", "perhaps", "write true or false"),
    ],
)
def test_faults_of_variables(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str, complaint: str
) -> None:
    monkeypatch.setenv(variable, text)
    found = [str(problem) for problem in environment_problems()]
    assert len(found) == 1
    assert found[0].startswith(f"environment variable {variable}: ")
    assert complaint in found[0]


def test_a_broken_target_is_no_fault_of_the_settings(tmp_path: Path) -> None:
    (tmp_path / "watchfleet.yml").write_text("targets:\n- 5\n- {name: x, name: y}\n")
    assert len(Settings.load().targets) == 2


def test_secrets_and_the_passwords_in_addresses_are_redacted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_TOKEN", "token-to-hide")
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:pass%40word@h/d")
    Settings.load()
    assert redact("token-to-hide, pass@word, pass%40word") == "***, ***, ***"
    assert "token-to-hide" not in repr(Settings.load())


@pytest.mark.parametrize(
    ("redis", "broker", "cache"),
    [
        (None, "redis://b/0", "redis://b/0"),
        ("redis://c/0", "redis://b/0", "redis://c/0"),
        ("redis://c/0", "amqp://b//", "redis://c/0"),
        (None, "amqp://b//", None),
    ],
)
def test_the_cache_is_a_redis(redis: str | None, broker: str, cache: str | None) -> None:
    assert Settings(redis_url=redis, broker_url=broker).cache_url == cache
