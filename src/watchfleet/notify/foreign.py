"""What Alertmanager's files may hold that there is nothing for here: it is reported, and left out.

The lists are those of Alertmanager 0.34. What is in neither list nor model is a mistake, and an error.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final

from pydantic import BaseModel

from watchfleet.notify.receivers import CONFIGS, HttpConfig
from watchfleet.yamlfile import Location

Report = Callable[[Location, str, str], None]
"""Takes the place of what is left out, what that is, and what to do about it."""

RECEIVERS: Final = frozenset(
    f"{name}_configs"
    for name in (
        "discord", "incidentio", "jira", "mattermost", "msteams", "msteamsv2", "opsgenie", "pagerduty",
        "pushover", "rocketchat", "sns", "telegram", "victorops", "webex", "wechat",
    )
)  # fmt: skip
_FIELDS: Final[Mapping[str, frozenset[str]]] = {
    "webhook": frozenset({"payload"}),
    "slack": frozenset({
        "actions", "app_token", "app_token_file", "app_url", "callback_id", "color", "fallback", "fields",
        "footer", "icon_emoji", "icon_url", "image_url", "link_names", "message_text", "mrkdwn_in",
        "pretext", "short_fields", "text", "thumb_url", "title", "title_link", "update_message", "username",
    }),
    "email": frozenset({
        "auth_identity", "auth_secret", "auth_secret_file", "force_implicit_tls", "headers", "hello", "html",
        "text", "threading",
    }),
}  # fmt: skip
_HTTP: Final = frozenset({
    "bearer_token", "bearer_token_file", "enable_http2", "follow_redirects", "http_headers", "no_proxy",
    "oauth2", "proxy_connect_header", "proxy_from_environment", "proxy_url",
})  # fmt: skip
_TLS: Final = frozenset({"ca", "ca_ref", "cert", "cert_ref", "key", "key_ref", "max_version", "min_version"})
_AUTHENTICATION: Final = frozenset({"username_file", "username_ref", "password_ref", "credentials_ref"})
_GLOBAL: Final = frozenset({
    "jira_api_url", "mattermost_webhook_url", "mattermost_webhook_url_file", "opsgenie_api_key",
    "opsgenie_api_key_file", "opsgenie_api_url", "pagerduty_url", "rocketchat_api_url", "rocketchat_token",
    "rocketchat_token_file", "rocketchat_token_id", "rocketchat_token_id_file", "smtp_auth_identity",
    "smtp_auth_secret", "smtp_auth_secret_file", "telegram_api_url", "telegram_bot_token",
    "telegram_bot_token_file", "victorops_api_key", "victorops_api_key_file", "victorops_api_url",
    "webex_api_url", "wechat_api_corp_id", "wechat_api_secret", "wechat_api_secret_file", "wechat_api_url",
})  # fmt: skip
_TEMPLATES: Final = (
    "templates here are in Jinja2, and belong to a receiver's entry: see `watchfleet channels preview`"
)


def left_out(raw: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """A file's mapping without what there is nothing for here."""
    found = {name: value for name, value in raw.items() if name not in {"templates", "tracing"}}
    if raw.get("templates"):
        report(("templates",), "templates in Go's language are not read", _TEMPLATES)
    if raw.get("tracing"):
        report(("tracing",), "tracing is set up by OTLP_ENDPOINT", "leave it out")
    if isinstance(found.get("global"), dict):
        found["global"] = _without(found["global"], _GLOBAL, ("global",), report)
    if isinstance(found.get("receivers"), list):
        found["receivers"] = [
            _receiver(one, ("receivers", index), report) for index, one in enumerate(found["receivers"])
        ]
    return found


def _receiver(raw: Any, place: Location, report: Report) -> Any:
    if not isinstance(raw, dict):
        return raw
    found = {}
    for name, entries in raw.items():
        if name in RECEIVERS:
            what = f'receiver "{raw.get("name", "")}": there is no channel for {name}, nothing goes there'
            report((*place, name), what, "use webhook_configs or apprise_configs")
        elif name.endswith("_configs") and isinstance(entries, list):
            channel = name.removesuffix("_configs")
            found[name] = [
                _entry(channel, one, (*place, name, index), report) for index, one in enumerate(entries)
            ]
        else:
            found[name] = entries
    return found


def _entry(channel: str, raw: Any, place: Location, report: Report) -> Any:
    if not isinstance(raw, dict):
        return raw
    found = _without(raw, _unknown(_FIELDS.get(channel, ()), CONFIGS.get(channel)), place, report)
    if isinstance(found.get("http_config"), dict):
        found["http_config"] = _http(found["http_config"], (*place, "http_config"), report)
    if isinstance(found.get("tls_config"), dict):
        found["tls_config"] = _without(found["tls_config"], _TLS, (*place, "tls_config"), report)
    return found


def _http(raw: dict[str, Any], place: Location, report: Report) -> dict[str, Any]:
    """`http_config` as the channels know it. That redirects are followed is Alertmanager's default."""
    foreign = _unknown(_HTTP, HttpConfig)
    if raw.get("follow_redirects"):
        foreign = foreign | {"follow_redirects"}
    found = _without(raw, foreign, place, report)
    for name in ("basic_auth", "authorization"):
        if isinstance(found.get(name), dict):
            found[name] = _without(found[name], _AUTHENTICATION, (*place, name), report)
    if isinstance(found.get("tls_config"), dict):
        found["tls_config"] = _without(found["tls_config"], _TLS, (*place, "tls_config"), report)
    return found


def _unknown(names: Collection[str], model: type[BaseModel] | None) -> frozenset[str]:
    return frozenset(names) - (set(model.model_fields) if model else set())


def _without(raw: dict[str, Any], names: Collection[str], place: Location, report: Report) -> dict[str, Any]:
    for name in _present(raw, names):
        report((*place, name), f"{name} does nothing here", "leave it out")
    return {name: value for name, value in raw.items() if name not in names}


def _present(raw: Mapping[str, Any], names: Collection[str]) -> Iterator[str]:
    return (name for name in raw if name in names)
