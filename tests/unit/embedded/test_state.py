import stat
from pathlib import Path

import pytest

from watchfleet.embedded.directory import DataDirectory
from watchfleet.embedded.state import LAYOUT, State
from watchfleet.errors import FleetError
from watchfleet.redact import redact


@pytest.fixture
def directory(tmp_path: Path) -> DataDirectory:
    found = DataDirectory(tmp_path / "data")
    found.prepare()
    return found


def test_what_was_saved_is_loaded(directory: DataDirectory) -> None:
    state = State(web_port=1234)
    state.save(directory)
    assert State.load(directory) == state


def test_without_a_file_there_is_no_state(directory: DataDirectory) -> None:
    assert State.load(directory) is None


def test_only_its_owner_reads_the_file(directory: DataDirectory) -> None:
    State().save(directory)
    assert stat.S_IMODE(directory.state.stat().st_mode) == 0o600


def test_passwords_are_new_each_time_hidden_in_repr_and_redacted(
    directory: DataDirectory,
) -> None:
    state = State()
    state.save(directory)
    State.load(directory)
    assert state.postgres_password != State().postgres_password
    assert state.postgres_password not in repr(state)
    assert state.valkey_password not in redact(f"AUTH {state.valkey_password}")


def test_another_layout_is_refused_with_both_numbers(directory: DataDirectory) -> None:
    State(layout=LAYOUT + 1, version="9.9").save(directory)
    text = directory.state.read_text().replace(State().version, "9.9")
    directory.state.write_text(text)
    with pytest.raises(FleetError, match=rf"watchfleet 9\.9 with layout {LAYOUT + 1}.*uses layout {LAYOUT}"):
        State.load(directory)


def test_a_damaged_file_is_refused_by_its_name(directory: DataDirectory) -> None:
    directory.state.write_text('{"layout": 1, "web_port"')
    with pytest.raises(FleetError, match=r"fleet\.json is damaged"):
        State.load(directory)
