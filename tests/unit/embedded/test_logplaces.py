from pathlib import Path

import pytest

from watchfleet.embedded.directory import DataDirectory
from watchfleet.embedded.leftovers import MARK
from watchfleet.embedded.logplaces import own_places, places
from watchfleet.embedded.state import Managed, State
from watchfleet.settings import Settings


def fleet(path: Path, logs: Path) -> DataDirectory:
    directory = DataDirectory(path / "data")
    directory.prepare()
    state = State(processes=[Managed(name="web", purpose="", log=logs / "web.log")])
    state.save(directory)
    return directory


def test_without_a_directory_and_without_a_fleet_there_are_none(tmp_path: Path):
    assert places(Settings(), None) == []
    assert places(Settings(), DataDirectory(tmp_path / "data")) == []


def test_a_single_process_has_the_directory_of_the_settings(tmp_path: Path):
    (place,) = own_places(Settings(log_directory=tmp_path, log_max_files=3, log_retention_days=2))
    assert place.directory == tmp_path
    assert (place.policy.generations, place.policy.max_age.days, place.policy.numbered) == (3, 2, frozenset())


def test_what_supervisord_numbers_is_ours_where_it_keeps_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    directory = fleet(tmp_path, tmp_path / "logs")
    monkeypatch.setenv(MARK, str(directory.path))
    found = {place.directory: place.policy.numbered for place in own_places(Settings())}
    assert found == {tmp_path / "logs": {"web.log"}, directory.log: {"supervisord.log"}}


def test_a_directory_that_is_named_is_the_only_one(tmp_path: Path):
    directory = fleet(tmp_path, tmp_path / "logs")
    (place,) = places(Settings(log_directory=tmp_path), directory, tmp_path / "logs")
    assert (place.directory, place.policy.numbered) == (tmp_path / "logs", {"web.log"})
