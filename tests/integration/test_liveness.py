"""The file that health checks of the image and of Kubernetes look at."""

import os
import sys
from pathlib import Path

import pytest
from support.servers import ROOT, running, wait_until

from workers import liveness

CELERY = [sys.executable, "-m", "celery", "-A", "workers"]
PROCESSES = {
    "worker": [*CELERY, "worker", "--hostname=rules@%h", "--queues=watchfleet.rules", "--pool=solo"],
    "beat": [*CELERY, "beat", "--hostname=beat-1@%h"],
}


def age(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0


@pytest.mark.parametrize("process", PROCESSES)
def test_a_live_process_renews_its_file(
    environment: pytest.MonkeyPatch, tmp_path: Path, process: str
) -> None:
    alive = tmp_path / "alive"
    environment.setenv("WATCHFLEET_LIVENESS_FILE", str(alive))
    environment.setenv("PYTHONPATH", os.fspath(ROOT))
    environment.chdir(ROOT)
    with running(PROCESSES[process], tmp_path / "log"):
        wait_until(lambda: age(alive) > 0)
        first = age(alive)
        wait_until(lambda: age(alive) > first)


def test_a_file_that_cannot_be_renewed_ends_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(liveness.VARIABLE, str(tmp_path / "missing" / "alive"))
    liveness.touch()
    monkeypatch.delenv(liveness.VARIABLE)
    liveness.touch()
    assert list(tmp_path.iterdir()) == []
