"""`watchfleet config`, as a user calls it."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.settings_names import OTHERS, variables

from watchfleet.cli import main

GOOD = "probe_interval: 10s\ntargets:\n- {name: shop, kind: http, url: 'http://127.0.0.1/'}\n"


@dataclass
class Done:
    code: int
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Calls the command line in an empty folder, with no variables but those given."""
    for name in set().union(*variables().values()) | OTHERS.keys():
        if name != "PATH":
            monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str, **environment: str) -> Done:
        with monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", ["watchfleet", "config", *arguments])
            with pytest.raises(SystemExit) as ended:
                main()
        printed = capsys.readouterr()
        return Done(int(ended.value.code or 0), printed.out, printed.err)

    return call


def test_a_good_file_is_fine(run: Run, tmp_path: Path) -> None:
    (tmp_path / "good.yml").write_text(GOOD)
    done = run("check", "good.yml")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        "good.yml: fine; 2 settings in the file, 1 target, 2 checks of the fleet itself"
    ]


def test_every_problem_is_named_at_once(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.yml").write_text(
        "smtp_prot: 1\ntargets:\n- {name: x, kind: http}\n- {name: y, kind: memory}\n"
    )
    done = run("check", "bad.yml")
    assert (done.code, done.out) == (2, "")
    assert [line.split(" (")[0] for line in done.err.splitlines()] == [
        "watchfleet: bad.yml:1: there is no setting 'smtp_prot'",
        'watchfleet: bad.yml:3: target "x": url is missing',
    ]


def test_a_file_is_judged_alone_and_what_is_in_use_with_its_environment(run: Run, tmp_path: Path) -> None:
    (tmp_path / "watchfleet.yml").write_text(GOOD)
    assert run("check", "watchfleet.yml", SMTP_PORT="many").code == 0
    done = run("check", SMTP_PORT="many")
    assert done.code == 2
    assert "environment variable SMTP_PORT: 'many'" in done.err


@pytest.mark.parametrize(
    ("content", "complaint"),
    [(None, "w.yml: cannot be read"), ("a: b: c", "w.yml:1:5: not YAML"), ("- a", "w.yml:1: holds a list")],
)
def test_a_file_that_is_none(run: Run, tmp_path: Path, content: str | None, complaint: str) -> None:
    if content is not None:
        (tmp_path / "w.yml").write_text(content)
    done = run("check", "w.yml")
    assert done.code == 2
    assert complaint in done.err


def test_a_likely_slip_is_a_note(run: Run) -> None:
    done = run("check", ALERT_EMAIL_ENABLED="1", ALERT_EMAIL_TO="a@b")
    assert done.code == 0
    assert "note: alert_email_enabled is on, but smtp_host is not set" in done.out


def test_show_names_each_source_and_masks_secrets(run: Run, tmp_path: Path) -> None:
    (tmp_path / "watchfleet.yml").write_text(GOOD)
    given = {"DATABASE_URL": "postgresql://u:p@ss:wörd@h/d", "API_TOKEN": "token-to-hide"}
    done = run("show", "--json", **given)
    assert done.code == 0
    shown = json.loads(done.out)
    assert shown["database_url"] == {
        "value": "postgresql://u:***@h/d",
        "source": "environment DATABASE_URL",
    }
    assert shown["api_token"] == {"value": "***", "source": "environment API_TOKEN"}
    assert shown["probe_interval"] == {"value": "10s", "source": "watchfleet.yml:1"}
    assert shown["targets"] == {"value": "1 target", "source": "watchfleet.yml:2"}
    table = run("show", **given).out
    assert "wörd" not in table
    assert "token-to-hide" not in table
    assert "smtp_host" in table


def test_the_schema_knows_every_setting_and_every_kind_s_options(run: Run, tmp_path: Path) -> None:
    done = run("schema", "--output", "schema.json")
    assert (done.code, done.out) == (0, "The schema is in schema.json.\n")
    schema = json.loads((tmp_path / "schema.json").read_text())
    assert json.loads(run("schema").out) == schema
    assert schema["properties"]["probe_interval"]["default"] == "15s"
    assert all("description" in one for one in schema["properties"].values())
    http = schema["$defs"]["target_http"]
    assert {"name", "kind", "url"} <= set(http["required"])
    assert {"interval", "labels", "expected_text", "max_redirects"} <= set(http["properties"])
    assert http["additionalProperties"] is False


def test_a_schema_that_cannot_be_written_says_why(run: Run) -> None:
    done = run("schema", "--output", "no/such/folder.json")
    assert done.code == 2
    assert "cannot be written: No such file or directory" in done.err
