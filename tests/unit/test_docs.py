"""The documents are true: what they name exists, what they show works."""

import re

import pytest
from support.documents import complaints
from support.generated import DOCUMENTS, ROOT, SECTIONS
from support.settings_names import variables


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_document_is_true(document: str) -> None:
    assert complaints(document, (ROOT / document).read_text()) == []


def test_every_setting_is_documented() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text()
    missing = [name for name, found in variables().items() if not any(f"`{each}`" in text for each in found)]
    assert missing == []


def test_every_generated_table_is_in_a_document() -> None:
    text = "".join((ROOT / document).read_text() for document in DOCUMENTS)
    assert [name for name in SECTIONS if f"<!-- generated: {name} -->" not in text] == []


def test_the_changelog_has_the_form_of_keep_a_changelog() -> None:
    heads = re.findall(r"^##+ (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert heads[0] == "[Unreleased]"
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    releases = [head for head in heads[1:] if head not in kinds]
    assert [head for head in releases if not re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", head)] == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("<!-- generated: schedule -->\nold\n<!-- end -->", "a generated table is out of date"),
        ("See [there](docs/nowhere.md).", "the link to docs/nowhere.md leads nowhere"),
        (
            "See [there](docs/configuration.md#nothing).",
            "docs/configuration.md#nothing: there is no such heading",
        ),
        ("See [above](#nothing).", "#nothing: there is no such heading"),
        ("Look at `src/watchfleet/nothing.py`.", "there is no src/watchfleet/nothing.py"),
        ("Look into `src/nothing/`.", "there is no src/nothing/"),
        ("Write `alert_channel/<channel>.py`.", "there is no alert_channel/<channel>.py"),
        ("Run `watchfleet start`.", "watchfleet has no command start"),
        ("Run `watchfleet db lift`.", "watchfleet db has no command lift"),
        ("Run `watchfleet up --fast`.", "watchfleet up has no option --fast"),
        ("```sh\n.venv/bin/watchfleet up --fast  # at once\n```", "watchfleet up has no option --fast"),
        ("The task `watchfleet.probes.rest`.", "watchfleet.probes.rest is no module, task or queue"),
        ("Set `ALERT_WEBHOK_URL`.", "ALERT_WEBHOK_URL is no setting"),
        ("```sh\nexport SMTP_HOTS=x\n```", "SMTP_HOTS is no setting"),
        ("```yaml\na: [\n```", "an example is no use"),
        ("```yaml watchfleet.yml\nprobe_intervall: 5s\n```", "an example is no use"),
        ("```yaml watchfleet.yml\ntargets:\n  - name: a\n    kind: htp\n```", "an example is no use"),
        ("```python\nimport (\n```", "an example is no Python"),
        ("```python\nfrom watchfleet.signals import scraped\n```", "watchfleet.signals has no scraped"),
        ("Run `make tests`.", "make has no target tests"),
        ("```sh\nmake tests\n```", "make has no target tests"),
    ],
)
def test_an_untrue_document_is_caught(text: str, complaint: str) -> None:
    found = complaints("README.md", text + "\n")
    assert any(line.startswith(f"README.md: {complaint}") for line in found), found


@pytest.mark.parametrize(
    "text",
    [
        "Look at `src/watchfleet/cli/db.py`, `deploy/` and `migrations/versions/*.py`.",
        "Write `alert_channels/<channel>.py`.",
        "Run `watchfleet db upgrade --sql` or `.venv/bin/watchfleet up --data-dir=/srv --wait`.",
        "The queue `watchfleet.alerts.email`, the task `watchfleet.rules.evaluate`, `watchfleet.signals`.",
        "Set `DATABASE_URL_FILE`, `SMTP_USER` or `WATCHFLEET_CONFIG`.",
        "```yaml watchfleet.yml\ntargets:\n  - {name: a, kind: http, url: 'https://example.org/'}\n```",
        "```python\nfrom watchfleet.signals import account_scraped\n```",
        "See [there](docs/configuration.md#settings) and [that](https://example.org/).",
    ],
)
def test_a_true_document_passes(text: str) -> None:
    assert complaints("README.md", text + "\n") == []
