import os
import signal
import threading
from pathlib import Path

import pytest

from watchfleet.embedded import postgres
from watchfleet.embedded.interruption import Interruption, SignalReceivedError
from watchfleet.errors import FleetError


def test_a_directory_is_made_once_and_its_password_is_not_left_behind(tmp_path: Path) -> None:
    data = tmp_path / "postgres"
    (tmp_path / "postgres.new").mkdir()
    (tmp_path / "postgres.new" / "PG_VERSION").write_text("half made, by an `up` that was killed")
    assert postgres.initialise(data, "unmistakable")
    assert not postgres.initialise(data, "unmistakable")
    assert [entry.name for entry in tmp_path.iterdir()] == ["postgres"]
    assert (data / "PG_VERSION").read_text().strip() == str(postgres.MAJOR)


def test_another_major_version_is_refused_with_both_numbers_and_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "PG_VERSION").write_text("15\n")
    with pytest.raises(FleetError, match=rf"PostgreSQL 15.*brings {postgres.MAJOR}.*dump.*DATABASE_URL"):
        postgres.initialise(tmp_path, "unmistakable")


def test_a_signal_while_it_is_made_leaves_nothing_to_be_served(tmp_path: Path) -> None:
    with Interruption() as interruption:
        timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM))
        timer.start()
        with pytest.raises(SignalReceivedError):
            postgres.initialise(tmp_path / "postgres", "unmistakable", interruption)
        timer.join()
    assert not (tmp_path / "postgres").exists()
