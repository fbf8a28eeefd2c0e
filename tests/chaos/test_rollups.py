"""Kills at random do no harm to samples and rollups, and would show what does.

`make chaos-rollups SECONDS=600 SEED=1` runs it longer, or with another seed.
"""

import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from support.mortal import Mortal, mortal_postgres
from support.servers import ROOT, PostgresServer, forget_environment, use_environment
from support.storm import Arm, Outcome, storm

SECONDS = float(os.environ.get("CHAOS_SECONDS", "60"))
SEED = int(os.environ.get("CHAOS_SEED", "0")) or secrets.randbelow(2**31) + 1
OUTAGE_EVERY = 3.0
CONTROL_SECONDS, CONTROL_ROUNDS = 1.5, 8

Storm = Callable[[Arm, float, int], Outcome]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Mortal, PostgresServer, str]]:
    """A PostgreSQL that writes through, and the name of a database with the schema."""
    with mortal_postgres(tmp_path_factory.mktemp("chaos"), fsync="on") as (mortal, postgres):
        template = postgres.create()
        with pytest.MonkeyPatch.context() as patch:
            use_environment(patch, DATABASE_URL=postgres.url(template))
            command.upgrade(Config(toml_file=ROOT / "pyproject.toml"), "head")
        forget_environment()
        yield mortal, postgres, template


@pytest.fixture
def rage(server, tmp_path: Path, monkeypatch, capsys) -> Iterator[Storm]:
    """A storm over a database of its own."""
    mortal, postgres, template = server

    def run(arm: Arm, seconds: float, outages: int) -> Outcome:
        folder, name = tmp_path / secrets.token_hex(4), postgres.create(template)
        folder.mkdir()
        url = postgres.url(name)
        use_environment(monkeypatch, DATABASE_URL=url)
        outcome = storm(arm, folder, url, mortal, seed=SEED, seconds=seconds, outages=outages)
        with capsys.disabled():
            print(f"\n{arm.value}, seed {SEED}, {seconds:g} s: {outcome}")  # noqa: T201 - the seed must be known
        return outcome

    yield run
    forget_environment()


@pytest.mark.timeout(240 + 4 * SECONDS)
def test_nothing_is_lost_or_doubled_and_every_tier_is_right_after_kills(rage: Storm):
    outcome = rage(Arm.OURS, SECONDS, round(SECONDS / OUTAGE_EVERY))
    assert outcome.kills["PostgreSQL"] > 0
    assert outcome.kills["writer"] > 0
    assert outcome.kills["worker"] > 0
    assert outcome.sent > 0
    assert outcome.is_right, (outcome, outcome.wrong[:10])


@pytest.mark.timeout(240)
@pytest.mark.parametrize("arm", [Arm.NO_BATCH_ID, Arm.DO_NOTHING, Arm.LAST_WINDOWS], ids=lambda one: one.name)
def test_the_storm_shows_that_a_weaker_algorithm_is_wrong(arm: Arm, rage: Storm):
    outcomes = (rage(arm, CONTROL_SECONDS, 0) for _ in range(CONTROL_ROUNDS))
    failed = next((outcome for outcome in outcomes if not outcome.is_right), None)
    assert failed is not None, "it withstood every round"
    assert bool(failed.doubled) == (arm is Arm.NO_BATCH_ID)
    assert not failed.missing
