"""What a receiver's entry takes from `global:`, and what that takes from the fleet's own settings."""

from collections.abc import Mapping
from typing import Any, Final

from watchfleet.notify.receivers import default_receiver
from watchfleet.settings import Settings

_SMTP: Final = {
    "from": "smtp_from",
    "smarthost": "smtp_smarthost",
    "hello": "smtp_hello",
    "auth_username": "smtp_auth_username",
    "auth_password": "smtp_auth_password",
    "auth_password_file": "smtp_auth_password_file",
    "require_tls": "smtp_require_tls",
    "force_implicit_tls": "smtp_force_implicit_tls",
    "tls_config": "smtp_tls_config",
}
_SLACK: Final = {
    "api_url": "slack_api_url",
    "api_url_file": "slack_api_url_file",
    "app_token": "slack_app_token",
    "app_token_file": "slack_app_token_file",
    "app_url": "slack_app_url",
}
"""An entry's fields and where `global:` has them."""
_GROUPS: Final = (
    ("api_url", "api_url_file", "app_token", "app_token_file"),
    ("auth_password", "auth_password_file"),
)
"""Fields that exclude one another: an entry that has one takes none of the others."""
_HTTP: Final = ("webhook_configs", "slack_configs", "sentry_configs")


def with_defaults(raw: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """A file's mapping whose receivers' entries are complete, and whose `global:` holds what is left."""
    found = dict(raw)
    defaults = found.get("global", {})
    if not isinstance(defaults, dict):
        return found
    merged = {"email_configs": _SMTP, "slack_configs": _SLACK}
    used = {*_SMTP.values(), *_SLACK.values(), "http_config"}
    if isinstance(found.get("receivers"), list):
        found["receivers"] = [
            _completed(one, merged, _given(defaults, settings)) for one in found["receivers"]
        ]
    if "global" in found:
        found["global"] = {name: value for name, value in defaults.items() if name not in used}
    return found


def _given(defaults: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """`global:` over the fleet's own settings. A mail server or a Slack is taken whole from one of them."""
    given = dict(defaults)
    own = default_receiver(settings)
    for channel, fields in (("email", _SMTP), ("slack", _SLACK)):
        if any(name in given for name in fields.values()):
            continue
        for config in own.configs(channel):
            values = config.model_dump(by_alias=True, exclude_unset=True)
            given |= {name: values[field] for field, name in fields.items() if values.get(field)}
    return given


def _completed(raw: Any, merged: Mapping[str, Mapping[str, str]], given: Mapping[str, Any]) -> Any:
    if not isinstance(raw, dict):
        return raw
    found = dict(raw)
    for channel, fields in merged.items():
        found = _each(found, channel, {field: given[name] for field, name in fields.items() if name in given})
    if "http_config" in given:
        for channel in _HTTP:
            found = _each(found, channel, {"http_config": given["http_config"]})
    return found


def _each(raw: dict[str, Any], channel: str, defaults: Mapping[str, Any]) -> dict[str, Any]:
    entries = raw.get(channel)
    if not isinstance(entries, list):
        return raw
    return {**raw, channel: [_entry(one, defaults) for one in entries]}


def _entry(raw: Any, defaults: Mapping[str, Any]) -> Any:
    if not isinstance(raw, dict):
        return raw
    excluded = {name for group in _GROUPS if any(name in raw for name in group) for name in group}
    return {**{name: value for name, value in defaults.items() if name not in excluded}, **raw}
