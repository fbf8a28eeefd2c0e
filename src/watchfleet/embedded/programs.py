"""What `watchfleet up` runs: each process, its command, why it exists and how it ends."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from watchfleet import fleet
from watchfleet.embedded import postgres, valkey
from watchfleet.embedded.demo import FOLDER, demo_programs
from watchfleet.embedded.directory import DataDirectory
from watchfleet.embedded.environment import needs_postgres, needs_valkey
from watchfleet.embedded.ports import HOST
from watchfleet.embedded.state import State
from watchfleet.settings import Settings

Group = Literal["servers", "fleet", "demo"]
GROUPS: Final[tuple[Group, ...]] = ("servers", "fleet", "demo")
"""In the order in which they start; they stop in the opposite one."""

_CELERY: Final = (sys.executable, "-m", "celery", "-A", "workers")


@dataclass(frozen=True, slots=True)
class Program:
    """One process under the supervisor.

    Attributes:
        name: Its name, as in `watchfleet logs NAME`.
        group: What starts and stops together.
        command: Its command; holds no secret.
        purpose: What it does, for people.
        directory: Its working directory.
        stop_signal: What ends it cleanly.
        stop_seconds: How long it may take before it is killed.
    """

    name: str
    group: Group
    command: tuple[str, ...]
    purpose: str
    directory: Path
    stop_signal: str = "TERM"
    stop_seconds: int = 12


def programs(
    settings: Settings, state: State, directory: DataDirectory, root: Path, *, with_demo: bool
) -> list[Program]:
    """Every process of the fleet, in the order in which they start."""
    found = [*_servers(settings, state, directory), *_beats(root), _dispatcher(root), *_workers(root)]
    found += [_web(state, root), _flower(state, root)]
    if with_demo:
        found += [
            Program(one.name, "demo", one.command, one.purpose, root / FOLDER)
            for one in demo_programs(state.demo_port)
        ]
    return found


def _servers(settings: Settings, state: State, directory: DataDirectory) -> list[Program]:
    found = []
    if needs_postgres(settings):
        command = postgres.serve_command(directory.postgres, state.postgres_port)
        # SIGINT is PostgreSQL's fast shutdown: open connections are no reason to wait.
        found.append(
            Program(
                "postgres",
                "servers",
                tuple(command),
                f"PostgreSQL {postgres.MAJOR}: the store",
                directory.path,
                "INT",
            )
        )
    if needs_valkey(settings):
        command = valkey.serve_command(directory.valkey / valkey.FILE)
        role = "broker and cache" if settings.broker_url is None else "cache"
        found.append(Program("valkey", "servers", tuple(command), f"Valkey: {role}", directory.path))
    return found


def _beats(root: Path) -> list[Program]:
    return [
        Program(
            name,
            "fleet",
            (*_CELERY, "beat", f"--hostname={name}@%h", "--loglevel=INFO"),
            "sends what is due; of two, one acts and the other takes over",
            root,
        )
        for name in ("beat-1", "beat-2")
    ]


def _dispatcher(root: Path) -> Program:
    command = (sys.executable, "-m", "workers.dispatcher")
    purpose = "looks at groups of alerts when they are due: waits, repeats, ends of silences"
    return Program("dispatcher", "fleet", command, purpose, root)


def _workers(root: Path) -> list[Program]:
    # Celery ends what runs on SIGTERM; longer than the soft shutdown, so that it is not cut off.
    return [
        Program(
            family.name,
            "fleet",
            (*_CELERY, *family.arguments()),
            f"{family.pool} × {family.concurrency}: {family.why}",
            root,
            stop_seconds=25,
        )
        for family in fleet.families()
    ]


def _web(state: State, root: Path) -> Program:
    command = (
        sys.executable,
        "-m",
        "gunicorn",
        "--config=workers/gunicornconf.py",
        f"--bind={HOST}:{state.web_port}",
        "workers.web:app",
    )
    return Program("web", "fleet", command, "gunicorn: health, metrics, alerts from outside", root)


def _flower(state: State, root: Path) -> Program:
    command = (
        *_CELERY,
        "flower",
        "--conf=workers/flowerconfig.py",
        f"--address={HOST}",
        f"--port={state.flower_port}",
    )
    return Program("flower", "fleet", command, "Flower: workers and tasks, live", root)
