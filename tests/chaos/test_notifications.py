"""Faults at random lose no notification, and would show what does.

`make chaos SECONDS=600 SEED=1 ALERTS=2000` runs the long form.
"""

import os
import secrets
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from support.alert_storm import Arm, Outcome, Shape, configuration, storm
from support.mortal import Mortal, mortal_postgres, mortal_valkey
from support.servers import ROOT, PostgresServer, forget_environment, use_environment
from support.small_disk import Disk, small_disk
from support.storm_receivers import Notes, moody_receivers

SECONDS = float(os.environ.get("CHAOS_SECONDS", "14"))
ALERTS = int(os.environ.get("CHAOS_ALERTS", "40"))
SEED = int(os.environ.get("CHAOS_SEED", "0")) or secrets.randbelow(2**31) + 1
LONG = SECONDS >= 60
OURS = Shape(ALERTS, SECONDS, (3.0, 6.0) if LONG else (0.5, 1.5), faults=6)
CONTROL = Shape(30, 8, (1.0, 2.0), patience=15.0, limit=40.0)
UNFENCED = Shape(30, 10, (1.0, 2.0), patience=15.0, limit=25.0)
SENDING = "kill -9 of the worker that sends"

Storm = Callable[..., Outcome]


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Disk | None]]:
    """Where PostgreSQL keeps its data; a disk that can be filled, where the machine allows."""
    folder = tmp_path_factory.mktemp("alerts-chaos")
    with small_disk(folder, 1024) as found:
        yield folder, found


@pytest.fixture(scope="module")
def postgres(disk: tuple[Path, Disk | None]) -> Iterator[tuple[Mortal, PostgresServer, str]]:
    """A PostgreSQL that writes through, and the name of a database with the schema."""
    with mortal_postgres(disk[0], fsync="on") as (mortal, server):
        template = server.create()
        with pytest.MonkeyPatch.context() as patch:
            use_environment(patch, DATABASE_URL=server.url(template))
            command.upgrade(Config(toml_file=ROOT / "pyproject.toml"), "head")
        forget_environment()
        yield mortal, server, template


def full_disk(disk: Disk, postgres: Mortal, server: PostgresServer) -> None:
    """PostgreSQL cannot write for two seconds; what it does not survive is started again."""
    with disk.filled():
        time.sleep(2)
    if not server.answers():
        postgres.kill()
        postgres.start()


@pytest.fixture
def rage(postgres, disk, tmp_path: Path, monkeypatch, capsys) -> Iterator[Storm]:
    """A storm over a database, a Valkey and receivers of its own."""
    mortal, server, template = postgres
    others = {"full disk": partial(full_disk, disk[1], mortal, server)} if disk[1] else {}

    def run(
        arm: Arm, shape: Shape, *, only: tuple[str, ...] = (), seed: int = SEED, **moods: float
    ) -> Outcome:
        folder, name, notes = tmp_path / secrets.token_hex(4), server.create(template), Notes(seed, **moods)
        folder.mkdir()
        with mortal_valkey(folder) as (valkey, broker), moody_receivers(notes) as receivers:
            path = configuration(receivers, folder)
            use_environment(
                monkeypatch, DATABASE_URL=server.url(name), BROKER_URL=broker, WATCHFLEET_CONFIG=str(path)
            )
            found = storm(
                arm,
                shape,
                folder,
                servers=(mortal, valkey),
                receivers=receivers,
                notes=notes,
                seed=seed,
                only=only,
                others=others,
            )
        with capsys.disabled():
            print(f"\n{arm.value}, seed {seed}, {shape.seconds:g} s: {found}")  # noqa: T201 - the seed must be known
        return found

    yield run
    forget_environment()


@pytest.mark.timeout(300 + 4 * SECONDS)
def test_nothing_is_lost_or_out_of_order_or_unaccounted_for(rage: Storm) -> None:
    outcome = rage(Arm.OURS, OURS)
    assert outcome.told > 0
    assert outcome.is_right, outcome


CONTROLS: tuple[tuple[Arm, Shape, tuple[str, ...], dict[str, float]], ...] = (
    (Arm.NO_OUTBOX, CONTROL, (SENDING, "kill -9 of Redis"), {"fails": 0.1, "drops": 0.1}),
    (Arm.NO_SWEEPER, CONTROL, (SENDING, "kill -9 of Redis"), {"fails": 0.1, "drops": 0.1}),
    (Arm.NO_RESTART, CONTROL, (SENDING, "kill -9 of Redis"), {"fails": 0.1, "drops": 0.1}),
    (Arm.NO_FENCING, UNFENCED, ("SIGSTOP of the worker that sends",), {"drops": 0.3, "slowest": 2.0}),
)


@pytest.mark.timeout(900)
def test_a_fleet_without_what_makes_it_safe_is_shown_to_be_wrong(rage: Storm) -> None:
    """Every control arm in the long form, one by turns in the short one."""
    chosen = CONTROLS if LONG else CONTROLS[SEED % len(CONTROLS) :][:1]
    for arm, shape, only, moods in chosen:
        outcome = rage(arm, shape, only=only, **moods)
        assert not outcome.is_right, (arm, outcome)
