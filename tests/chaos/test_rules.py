"""Kills of the evaluator and of PostgreSQL, and ticks that beat lost, change no alert's course.

`make chaos-rules KILLS=8 SEED=1` runs the long form.
"""

import os
import random
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import select
from support.mortal import Mortal, mortal_postgres
from support.rule_driver import STEP
from support.ruled import START, events, put
from support.servers import ROOT, PostgresServer, forget_environment, use_environment

from watchfleet.db.engine import transaction
from watchfleet.db.tables import outbox

KILLS = int(os.environ.get("CHAOS_KILLS", "2"))
SEED = int(os.environ.get("CHAOS_SEED", "0")) or secrets.randbelow(2**31) + 1
APART = 8
"""Evaluations from one lost tick to the next kill: more than `for` and `keep_firing_for` take.

A rule's clock starts at an evaluation. If both the one that would start it and the one at which it runs
out are lost, the alert is late by two, as it would be in Prometheus.
"""
PLACES = 20 * KILLS + 20
"""How many evaluations there are."""
ROUND = 600
"""Seconds after which the hosts do the same again."""

Step = tuple[float, str, str, str]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Mortal, PostgresServer, str]]:
    """A PostgreSQL, and the name of a database with the schema."""
    with mortal_postgres(tmp_path) as (mortal, postgres):
        template = postgres.create()
        with pytest.MonkeyPatch.context() as patch:
            use_environment(patch, DATABASE_URL=postgres.url(template))
            command.upgrade(Config(toml_file=ROOT / "pyproject.toml"), "head")
        forget_environment()
        yield mortal, postgres, template


def fill() -> None:
    """Two hosts that are high for some minutes each in every round, one of them twice."""
    high = {"a": ((60, 240), (360, 480)), "b": ((150, 300),)}
    for host, spans in high.items():
        levels = [
            (float(second), 9.0 if any(low <= second % ROUND < end for low, end in spans) else 1.0)
            for second in range(0, STEP * PLACES + 1, 5)
        ]
        put("load", levels, host=host, job="j")


def driver(first: int) -> "subprocess.Popen[str]":
    arguments = [START.isoformat(), str(first), str(PLACES)]
    return subprocess.Popen(
        [sys.executable, "-m", "support.rule_driver", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "tests")},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def until(process: "subprocess.Popen[str]", place: int) -> int:
    """Let the evaluator come to a place; returns the last one that it did."""
    assert process.stdout is not None
    done = -1
    for line in process.stdout:
        done = int(line)
        if done >= place:
            break
    return done


def course(mortal: Mortal | None, dice: random.Random) -> list[Step]:
    """The course of all alerts; with kills if there is a server to kill, each with a tick that is lost."""
    first = 0
    for number in range(KILLS if mortal else 0):
        place = first + APART + dice.randrange(4)
        process = driver(first)
        assert until(process, place) == place
        time.sleep(dice.random() * 0.05)
        if mortal and number % 2:
            mortal.kill()
            mortal.start()
            forget_environment()
        process.kill()
        rest = process.communicate()[0].split()
        first = max([place, *map(int, rest)]) + 2
    process = driver(first)
    assert until(process, PLACES) == PLACES
    process.communicate()
    return events()


@pytest.mark.timeout(240 + 20 * KILLS)
def test_the_course_of_alerts_is_that_of_an_undisturbed_run(
    server: tuple[Mortal, PostgresServer, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    mortal, postgres, template = server
    courses: list[list[Step]] = []
    for victim in (None, mortal):
        use_environment(monkeypatch, DATABASE_URL=postgres.url(postgres.create(template)))
        fill()
        courses.append(course(victim, random.Random(SEED)))
    with capsys.disabled():
        print(f"\nseed {SEED}, {KILLS} kills: {len(courses[0])} transitions")  # noqa: T201 - to be known
    quiet, stormy = (sorted(steps, key=lambda step: step[1]) for steps in courses)
    assert [step[1:] for step in stormy] == [step[1:] for step in quiet]
    assert max(abs(one[0] - other[0]) for one, other in zip(quiet, stormy, strict=True)) <= STEP
    assert len(quiet) >= 12
    with transaction() as connection:
        told = connection.execute(select(outbox.c.delivery_id)).scalars().all()
    assert len(set(told)) == len(told)
    forget_environment()
