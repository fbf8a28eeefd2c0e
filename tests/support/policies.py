"""Notification policies for tests."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from watchfleet.notify.loading import load, source_of
from watchfleet.notify.policy import Policy, configured_policy, default_policy
from watchfleet.notify.receivers import DEFAULT, receiver_model
from watchfleet.settings import Settings
from watchfleet.yamlfile import Document

CONFIGS: dict[str, dict[str, Any]] = {
    "log": {},
    "webhook": {"url": "http://127.0.0.1:9/"},
    "email": {"to": "anna@example.org", "smarthost": "127.0.0.1:25"},
    "slack": {"api_url": "http://127.0.0.1:9/"},
    "sentry": {"dsn": "http://key@127.0.0.1:9/1"},
}


def policy_for(channels: Sequence[str], dedup_window: timedelta = timedelta(minutes=5)) -> Policy:
    """What holds without a configuration, when these channels are on."""
    entries = {f"{name}_configs": [CONFIGS[name]] for name in channels}
    return default_policy(receiver_model().model_validate({"name": DEFAULT, **entries}), dedup_window)


def configured(text: str) -> Policy:
    """What a configuration says; `RECEIVERS` in it stands for receivers a, b and c, each with a log."""
    receivers = "receivers: [" + ", ".join(f"{{name: {name}, log_configs: [{{}}]}}" for name in "abc") + "]"
    document = Document.parse(text.replace("RECEIVERS", receivers), Path("notify.yml"))
    settings = Settings()
    return configured_policy(load(source_of(document), settings), settings)
