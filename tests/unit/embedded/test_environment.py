import os
from pathlib import Path

import pytest
from support.servers import forget_environment, use_environment

from watchfleet.embedded.directory import DataDirectory
from watchfleet.embedded.environment import addresses, environment, needs_postgres, needs_valkey
from watchfleet.embedded.leftovers import MARK
from watchfleet.embedded.state import State
from watchfleet.settings import Settings

STATE = State(postgres_port=15001, valkey_port=15002)
POSTGRES = f"postgresql://watchfleet:{STATE.postgres_password}@127.0.0.1:15001/postgres"
VALKEY = f"redis://:{STATE.valkey_password}@127.0.0.1:15002/0"
GIVEN = ("postgresql://u:p@db/x", "redis://r", "amqp://q", "redis://c")


@pytest.mark.parametrize(
    ("given", "needed", "expected"),
    [
        ({}, (True, True), {"DATABASE_URL": POSTGRES, "BROKER_URL": VALKEY}),
        ({"database_url": GIVEN[0]}, (False, True), {"BROKER_URL": VALKEY}),
        ({"broker_url": GIVEN[1]}, (True, False), {"DATABASE_URL": POSTGRES}),
        ({"broker_url": GIVEN[2]}, (True, True), {"DATABASE_URL": POSTGRES, "REDIS_URL": VALKEY}),
        ({"broker_url": GIVEN[2], "redis_url": GIVEN[3]}, (True, False), {"DATABASE_URL": POSTGRES}),
        ({"redis_url": GIVEN[3]}, (True, True), {"DATABASE_URL": POSTGRES, "BROKER_URL": VALKEY}),
        ({"database_url": GIVEN[0], "broker_url": GIVEN[1]}, (False, False), {}),
    ],
)
def test_embedded_servers_stand_in_for_what_is_not_given(
    given: dict[str, str], needed: tuple[bool, bool], expected: dict[str, str]
) -> None:
    settings = Settings(**given)
    assert (needs_postgres(settings), needs_valkey(settings)) == needed
    assert addresses(settings, STATE) == expected


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    forget_environment()


def made(folder: Path) -> dict[str, str]:
    return environment(Settings(), STATE, DataDirectory(folder / "data"), folder / "root", "geheim")


def test_paths_are_absolute_since_the_processes_run_elsewhere(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "watchfleet.yml").write_text("targets: []\n")
    (folder / "secret").write_text("postgresql://u:p@db/x\n")
    use_environment(monkeypatch, DATABASE_URL_FILE="secret")
    found = made(folder)
    assert found["WATCHFLEET_CONFIG"] == str(folder / "watchfleet.yml")
    assert found["DATABASE_URL_FILE"] == str(folder / "secret")
    assert "DATABASE_URL" not in found
    assert found["PYTHONPATH"].split(os.pathsep)[0] == str(folder / "root")
    assert found[MARK] == str(folder / "data")


def test_a_file_that_happens_to_lie_in_the_root_is_not_read(folder: Path) -> None:
    """`up` without a configuration file, called from a folder that has none."""
    assert made(folder)["WATCHFLEET_CONFIG"] == os.devnull


def test_flower_s_login_is_ours_unless_one_is_given(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert made(folder)["FLOWER_BASIC_AUTH"] == "watchfleet:geheim"
    monkeypatch.setenv("FLOWER_BASIC_AUTH", "me:mine")
    assert made(folder)["FLOWER_BASIC_AUTH"] == "me:mine"


def test_logs_are_where_log_directory_says_as_an_absolute_path(folder: Path) -> None:
    assert made(folder)["LOG_DIRECTORY"] == str(folder / "data" / "log")
    settings = Settings(log_directory=Path("logs"))
    found = environment(settings, STATE, DataDirectory(folder / "data"), folder / "root", "geheim")
    assert found["LOG_DIRECTORY"] == str(folder / "logs")
