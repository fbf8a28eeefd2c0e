import os
import socket
from pathlib import Path

import pytest
from support.servers import ROOT, free_port, use_environment

from watchfleet.embedded.checks import examine, fleet, machine, stores
from watchfleet.embedded.checks.finding import Finding, Setup
from watchfleet.embedded.directory import DataDirectory
from watchfleet.embedded.state import State


@pytest.fixture
def setup(tmp_path: Path, environment: pytest.MonkeyPatch) -> Setup:
    """Given servers that answer, a checkout, and a data directory that is not there yet."""
    environment.chdir(tmp_path)
    return Setup(DataDirectory(tmp_path / "data"), ROOT)


def levels(findings: list[Finding]) -> dict[str, str]:
    return {finding.check: finding.level for finding in findings}


def test_a_sound_setup_has_no_failure_and_every_warning_has_a_mend(setup: Setup) -> None:
    found = list(examine(setup))
    assert not [finding for finding in found if finding.level == "fail"]
    assert all(finding.mend for finding in found if finding.level == "warn")
    assert levels(found)["database"] == levels(found)["schema"] == levels(found)["broker"] == "ok"


def test_one_check_that_fails_keeps_no_other_from_being_made(
    setup: Setup, environment: pytest.MonkeyPatch
) -> None:
    setup.directory.path.touch()
    use_environment(environment, BROKER_URL=f"redis://:topsecret@127.0.0.1:{free_port()}/0")
    found = list(examine(setup))
    failed = {finding.check: finding for finding in found if finding.level == "fail"}
    assert set(failed) == {"data directory", "broker"}
    assert "BROKER_URL" in failed["broker"].mend
    assert "topsecret" not in failed["broker"].text
    assert len(found) == 20


def test_a_schema_that_is_behind_is_told_with_the_command(
    setup: Setup, environment: pytest.MonkeyPatch, empty_database_url: str
) -> None:
    use_environment(environment, DATABASE_URL=empty_database_url)
    found = stores.migrations(setup)
    assert (found.level, found.mend) == ("warn", "run `watchfleet db upgrade`")


def test_a_clock_that_differs_is_a_failure(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    assert stores.clock(setup).level == "ok"
    monkeypatch.setattr(stores, "_SKEW_SECONDS", -1)
    assert stores.clock(setup).level == "fail"


def test_a_file_that_cannot_be_used_is_named_with_its_line(
    setup: Setup, environment: pytest.MonkeyPatch
) -> None:
    Path("watchfleet.yml").write_text("log_max_files: many\n")
    use_environment(environment)
    found = fleet.configuration(setup)
    assert found.level == "fail"
    assert "watchfleet.yml:1" in found.text


def test_what_of_a_file_cannot_be_used_is_named_with_what_that_comes_to(
    setup: Setup, environment: pytest.MonkeyPatch
) -> None:
    Path("watchfleet.yml").write_text(
        "targets:\n- {name: shop, kind: htp}\n- {name: root, kind: disk, path: /}\nscrape:\n- {job: 1}\n"
    )
    use_environment(environment)
    found = fleet.configuration(setup)
    assert found.level == "warn"
    assert "watchfleet.yml:2" in found.text
    assert "this target is not probed (and " in found.text
    assert found.mend == "see `watchfleet config check`"


def test_an_application_that_cannot_be_imported_is_told_with_the_reason(setup: Setup, tmp_path: Path) -> None:
    (tmp_path / "workers").mkdir()
    (tmp_path / "workers" / "__init__.py").touch()
    (tmp_path / "workers" / "celery.py").write_text("import a_module_that_is_not_there\n")
    found = fleet.application(Setup(setup.directory, tmp_path))
    assert found.level == "fail"
    assert "a_module_that_is_not_there" in found.text


def test_channels_are_told_with_what_they_need(setup: Setup, environment: pytest.MonkeyPatch) -> None:
    silent = fleet.channels(setup)
    assert silent.level == "warn"
    assert "webhook off (needs ALERT_WEBHOOK_URL)" in silent.text
    use_environment(environment, ALERT_WEBHOOK_URL="https://example.com/hook")
    heard = fleet.channels(Setup(setup.directory, ROOT))
    assert heard.level == "ok"
    assert "webhook on" in heard.text


def test_without_a_checkout_that_is_what_is_told(setup: Setup) -> None:
    assert fleet.files(Setup(setup.directory, None)).level == "fail"


def test_little_room_warns_and_none_fails(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.disk(setup).level == "ok"
    monkeypatch.setattr(machine, "_LITTLE_DISK", 2**60)
    assert machine.disk(setup).level == "warn"
    monkeypatch.setattr(machine, "_NO_DISK", 2**60)
    assert machine.disk(setup).level == "fail"


def test_a_port_that_is_taken_is_told_with_its_holder(setup: Setup) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        setup.directory.prepare()
        State(web_port=listener.getsockname()[1], flower_port=free_port()).save(setup.directory)
        found = machine.web_ports(setup)
    assert found.level == "warn"
    assert f"(pid {os.getpid()})" in found.text
