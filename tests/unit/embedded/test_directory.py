import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from watchfleet.embedded.directory import Claimant, DataDirectory, claim, claimant, is_claimed
from watchfleet.embedded.state import State
from watchfleet.errors import FleetError


@pytest.fixture
def directory(tmp_path: Path) -> DataDirectory:
    found = DataDirectory(tmp_path / "data")
    found.prepare()
    return found


def test_it_is_made_for_its_owner_alone(directory: DataDirectory) -> None:
    assert stat.S_IMODE(directory.path.stat().st_mode) == 0o700


def test_preparing_it_again_changes_nothing(directory: DataDirectory) -> None:
    State().save(directory)
    directory.prepare()
    assert State.load(directory) is not None


def test_a_file_in_its_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FleetError, match=r"file is no folder.*--data-dir"):
        DataDirectory(tmp_path / "file").prepare()


def test_a_folder_below_a_file_is_an_error_too(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FleetError, match="--data-dir"):
        DataDirectory(tmp_path / "file" / "data").prepare()


def test_a_folder_with_other_things_is_left_as_it_is(tmp_path: Path) -> None:
    """Somebody mistyped --data-dir: their home must not become private, or full of ours."""
    (tmp_path / "thesis.tex").touch()
    tmp_path.chmod(0o755)
    with pytest.raises(FleetError, match=r"holds other things \(thesis\.tex\)"):
        DataDirectory(tmp_path).prepare()
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("folder", ["/proc/1/watchfleet", "/dev/null/watchfleet"])
def test_where_nobody_may_write_is_named_with_the_mend(folder: str) -> None:
    with pytest.raises(FleetError, match=r"(may write|no folder).*--data-dir|--data-dir.*may write"):
        DataDirectory(Path(folder)).prepare()


def test_the_lock_is_for_one(directory: DataDirectory) -> None:
    with claim(directory, "up") as first, claim(directory, "down") as second:
        assert first is not None
        assert second is None
        assert is_claimed(directory)
    assert not is_claimed(directory)


def test_a_process_that_inherits_the_lock_keeps_it(directory: DataDirectory) -> None:
    """As supervisord does, when the `up` that started it has gone."""
    with claim(directory, "up") as lock:
        assert lock is not None
        heir = subprocess.Popen(["sleep", "60"], pass_fds=(lock,))
    assert is_claimed(directory)
    heir.kill()
    heir.wait()
    assert not is_claimed(directory)


def test_the_claimant_is_known_and_a_later_process_of_its_pid_is_not_taken_for_it(
    directory: DataDirectory,
) -> None:
    with claim(directory, "up"):
        found = claimant(directory)
    assert found is not None
    assert (found.command, found.pid, found.lives()) == ("up", os.getpid(), True)
    assert not Claimant("up", found.pid, found.started - 100).lives()


def test_a_command_killed_outright_leaves_no_lock(directory: DataDirectory) -> None:
    code = (
        "import sys, time; from pathlib import Path;"
        "from watchfleet.embedded.directory import DataDirectory, claim\n"
        "with claim(DataDirectory(Path(sys.argv[1])), 'up'): print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(directory.path)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    with holder.stdout:
        assert holder.stdout.readline() == b"held\n"
    assert is_claimed(directory)
    holder.kill()
    holder.wait()
    assert not is_claimed(directory)
