"""Disk and memory of this machine, measured against limits that it surely keeps or breaks."""

from pathlib import Path

import pytest
from support.target_of import checked


@pytest.mark.parametrize("kind", ["disk", "memory"])
@pytest.mark.parametrize(
    ("degraded", "down", "status"), [(0, 0, "up"), (100, 0, "degraded"), (100, 100, "down")]
)
def test_limits(kind: str, degraded: float, down: float, status: str) -> None:
    result = checked(kind, degraded_below_percent=degraded, down_below_percent=down)
    assert result.status == status
    assert bool(result.reason) == (status != "up")
    assert all(found.value >= 0 for found in result.values)


def test_a_disk_is_told_by_the_path_it_was_asked_of(tmp_path: Path) -> None:
    result = checked("disk", path=str(tmp_path), degraded_below_percent=0, down_below_percent=0)
    free = next(found for found in result.values if found.name == "disk_free_bytes")
    assert free.labels == {"path": str(tmp_path)}
    assert free.value > 0


def test_a_path_that_is_gone_is_down(tmp_path: Path) -> None:
    result = checked("disk", path=str(tmp_path / "gone"))
    assert (result.status, result.reason) == ("down", "path_missing")
