"""Notification configurations: what they mean, and what is said of those that cannot be used."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from watchfleet.notify.loading import InvalidError, Loaded, load, source_of
from watchfleet.redact import redact
from watchfleet.settings import Settings
from watchfleet.yamlfile import Document


def read(text: str, settings: Settings | None = None) -> Loaded:
    return load(source_of(Document.parse(text, Path("am.yml"))), settings or Settings())


def complaints(text: str) -> list[str]:
    with pytest.raises(InvalidError) as raised:
        read(text)
    return [str(problem) for problem in raised.value.problems]


def test_a_file_of_its_own_and_a_key_of_watchfleet_yml_are_the_same() -> None:
    text = "route: {receiver: a}\nreceivers: [{name: a}]\n"
    indented = "".join(f"  {line}\n" for line in text.splitlines())
    assert read(text).configuration == read(f"notify:\n{indented}").configuration
    assert complaints("notify:\n  route: {receiver: b}\n  receivers: [{name: a}]\n") == [
        'am.yml:2: there is no receiver "b" (there are a)'
    ]


def test_a_file_of_alertmanagers_loads_and_what_does_nothing_here_is_noted() -> None:
    loaded = read("""
global: {resolve_timeout: 3m, opsgenie_api_key: x, smtp_smarthost: 'mail:587', smtp_from: f@example.org}
templates: ['*.tmpl']
route: {receiver: a, group_by: [alertname], routes: null}
receivers:
  - name: a
    email_configs: [{to: 'b@example.org, c@example.org', html: x}]
    pagerduty_configs: [{routing_key: x}]
    webhook_configs:
      - url: http://127.0.0.1:9/
        http_config: {follow_redirects: true, proxy_url: http://p}
""")
    assert loaded.configuration.global_.resolve_timeout.total_seconds() == 180
    (mail, *_) = loaded.receivers["a"].configs("email")
    assert mail.model_dump(include={"smarthost", "sender"}) == {
        "smarthost": "mail:587",
        "sender": "f@example.org",
    }
    assert [str(note).partition(" (")[0] for note in loaded.notes] == [
        "am.yml:3: templates in Go's language are not read",
        "am.yml:2: opsgenie_api_key does nothing here",
        'am.yml:8: receiver "a": there is no channel for pagerduty_configs, nothing goes there',
        "am.yml:11: follow_redirects does nothing here",
        "am.yml:11: proxy_url does nothing here",
    ]


def test_an_entry_takes_what_it_lacks_from_global_and_that_from_the_settings() -> None:
    settings = Settings(
        alert_email_enabled=True,
        smtp_host="mail.example.org",
        alert_email_to=["x@example.org"],
        slack_webhook_url=SecretStr("http://127.0.0.1/own"),
    )
    text = """
global: {GLOBAL}
route: {receiver: a}
receivers: [{name: a, email_configs: [{to: b@example.org}], slack_configs: [{}, {api_url: http://127.0.0.1/2}]}]
"""
    receiver = read(text.replace("{GLOBAL}", "{}"), settings).receivers["a"]
    assert receiver.configs("email")[0].model_dump()["smarthost"] == "mail.example.org:587"
    urls = [config.secret("api_url") for config in receiver.configs("slack")]
    assert urls == ["http://127.0.0.1/own", "http://127.0.0.1/2"]
    given = "{slack_api_url: http://127.0.0.1/g, smtp_smarthost: 'm:25', smtp_require_tls: false}"
    receiver = read(text.replace("{GLOBAL}", given), settings).receivers["a"]
    assert receiver.configs("slack")[0].secret("api_url") == "http://127.0.0.1/g"
    mail = receiver.configs("email")[0].model_dump()
    assert (mail["smarthost"], mail["require_tls"]) == ("m:25", False)


def test_variables_of_the_environment_are_filled_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK", "http://127.0.0.1/a-secret-hook")
    text = "route: {receiver: a}\nreceivers:\n- name: a\n  webhook_configs: [{url: '${HOOK}'}]\n"
    assert read(text).receivers["a"].configs("webhook")[0].secret("url") == "http://127.0.0.1/a-secret-hook"
    assert "a-secret-hook" not in redact("posted to http://127.0.0.1/a-secret-hook")
    assert complaints(text.replace("HOOK", "NO_HOOK"))[0].startswith(
        "am.yml:4: receivers[0].webhook_configs[0].url: the variable NO_HOOK is not set"
    )
    kept = (
        "route: {receiver: a, routes: [{matchers: ['x=\"$${HOOK}\"'], receiver: a}]}\nreceivers: [{name: a}]"
    )
    assert read(kept).tree.children[0].matchers[0].value == "${HOOK}"


def test_a_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "hook").write_text("http://127.0.0.1/from-a-file\n")
    entry = f"{{name: a, webhook_configs: [{{url_file: {tmp_path / 'hook'}}}]}}"
    loaded = read(f"route: {{receiver: a}}\nreceivers: [{entry}]\n")
    assert loaded.receivers["a"].configs("webhook")[0].secret("url") == "http://127.0.0.1/from-a-file"


HEAD = "receivers: [{name: a}, {name: b}]\ntime_intervals: [{name: nights, time_intervals: [{}]}]\n"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("route: {reciever: a}", "am.yml:3: there is no setting 'reciever' (did you mean receiver?)"),
        ("route: {}", "am.yml:3: the root route names no receiver"),
        ("route: {receiver: a, matchers: [x=y]}", "am.yml:3: the root route has matchers"),
        ("route: {receiver: a, match: {x: y}}", "am.yml:3: the root route has matchers"),
        ("route: {receiver: a, continue: true}", "am.yml:3: the root route cannot continue"),
        ("route: {receiver: a, mute_time_intervals: [nights]}", "am.yml:3: the root route cannot be muted"),
        ("route: {receiver: c}", 'am.yml:3: there is no receiver "c"'),
        ("route:\n  receiver: a\n  routes:\n  - receiver: bb", 'am.yml:6: there is no receiver "bb"'),
        (
            "route:\n  receiver: a\n  routes:\n  - active_time_intervals: [nihgts]",
            'am.yml:6: there is no time interval "nihgts" (did you mean nights?)',
        ),
        ("route: {receiver: a, group_by: [x, x]}", "am.yml:3: route.group_by: a list: 'x' is given twice"),
        ("route: {receiver: a, group_by: ['...', x]}", "am.yml:3: route.group_by: a list: '...' already"),
        ("route: {receiver: a, group_interval: 0s}", "am.yml:3: route.group_interval: '0s': must be more"),
        ("route: {receiver: a, repeat_interval: 0s}", "am.yml:3: route.repeat_interval: '0s': must be more"),
        (
            "route:\n  receiver: a\n  routes:\n  - matchers: ['x=~(']",
            "am.yml:6: route.routes[0].matchers: a list: x=~'(': the pattern",
        ),
        (
            "route: {receiver: a}\ninhibit_rules: [{source_matchers: x}]",
            "am.yml:4: inhibit_rules[0].source_matchers: 'x' is no",
        ),
        (
            "route:\n  receiver: a\n  escalation: [{after: 5m, receivers: [boss]}]",
            'am.yml:5: there is no receiver "boss"',
        ),
        ("route: {receiver: a, receiver: b}", "am.yml:3:22: receiver is given twice"),
        ("rout: {receiver: a}", "am.yml:3: there is no setting 'rout'"),
    ],
)
def test_every_fault_names_its_line_and_its_mend(text: str, complaint: str) -> None:
    found = complaints(HEAD + text)
    assert any(line.startswith(complaint) for line in found), found


def test_a_secret_of_a_receiver_is_in_no_complaint() -> None:
    text = "route: {receiver: a}\nreceivers: [{name: a, webhook_configs: [{url: [a-secret-url]}]}]\n"
    assert "a-secret-url" not in "".join(complaints(text))
