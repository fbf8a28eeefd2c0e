"""Where the fleet's commands look for the fleet's files."""

from pathlib import Path

import pytest

from watchfleet.cli import _root
from watchfleet.errors import FleetError


@pytest.fixture
def fleet_files(tmp_path: Path) -> Path:
    folder = tmp_path / "fleet"
    (folder / "workers").mkdir(parents=True)
    (folder / "celeryconfig.py").touch()
    return folder


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The package as it is when its wheel is installed: no checkout around it."""
    package = tmp_path / "lib" / "site-packages" / "watchfleet"
    monkeypatch.setattr(_root.watchfleet, "__file__", str(package / "__init__.py"))
    monkeypatch.delenv("WATCHFLEET_HOME", raising=False)


def test_the_variable_wins(monkeypatch: pytest.MonkeyPatch, installed: None, fleet_files: Path) -> None:
    monkeypatch.setenv("WATCHFLEET_HOME", str(fleet_files))
    monkeypatch.chdir("/")
    assert _root.fleet_root() == fleet_files


def test_a_relative_variable_is_made_absolute(
    monkeypatch: pytest.MonkeyPatch, installed: None, fleet_files: Path
) -> None:
    monkeypatch.chdir(fleet_files.parent)
    monkeypatch.setenv("WATCHFLEET_HOME", "fleet")
    assert _root.fleet_root() == fleet_files


def test_a_variable_that_is_wrong_is_never_passed_over(
    monkeypatch: pytest.MonkeyPatch, installed: None, fleet_files: Path
) -> None:
    monkeypatch.chdir(fleet_files)
    monkeypatch.setenv("WATCHFLEET_HOME", "/nowhere")
    with pytest.raises(FleetError, match="WATCHFLEET_HOME=/nowhere holds no celeryconfig"):
        _root.fleet_root()


def test_the_working_directory_is_next(
    monkeypatch: pytest.MonkeyPatch, installed: None, fleet_files: Path
) -> None:
    monkeypatch.chdir(fleet_files)
    assert _root.fleet_root() == fleet_files


def test_an_editable_installation_leads_to_its_checkout(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("WATCHFLEET_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    assert (_root.fleet_root() / "src" / "watchfleet" / "cli" / "_root.py").is_file()


@pytest.mark.parametrize("missing", ["celeryconfig.py", "workers"])
def test_a_folder_without_the_files_is_named(
    monkeypatch: pytest.MonkeyPatch, installed: None, fleet_files: Path, missing: str
) -> None:
    (fleet_files / missing).rename(fleet_files / "gone")
    monkeypatch.chdir(fleet_files)
    with pytest.raises(FleetError) as error:
        _root.fleet_root()
    assert str(fleet_files) in str(error.value)
    assert "WATCHFLEET_HOME" in str(error.value)
