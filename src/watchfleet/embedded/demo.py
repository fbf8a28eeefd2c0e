"""The example application that `watchfleet up --demo` runs beside the fleet, as a stranger would run it."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from watchfleet.embedded.directory import DataDirectory
from watchfleet.embedded.ports import HOST

FOLDER: Final = Path("examples") / "scraper"
_WORKER: Final = "celery -A scraper worker --beat --hostname=scraper@%h --concurrency=2 --loglevel=INFO"
_WEB: Final = "gunicorn web:app --threads=4 --no-control-socket"


@dataclass(frozen=True, slots=True)
class DemoProgram:
    """One process of the example.

    Attributes:
        name: Its name under the supervisor.
        command: Its command, run in `FOLDER`.
        purpose: What it does.
    """

    name: str
    command: tuple[str, ...]
    purpose: str


def demo_programs(port: int) -> list[DemoProgram]:
    """The example's processes; its web side listens on `port`."""
    python = (sys.executable, "-m")
    web = (*python, *_WEB.split(), f"--bind={HOST}:{port}")
    return [
        DemoProgram("demo-worker", (*python, *_WORKER.split()), "the example scraper, with its own schedule"),
        DemoProgram("demo-web", web, f"the example's Flask side on http://{HOST}:{port}"),
    ]


def demo_environment(directory: DataDirectory) -> dict[str, str]:
    """What the example keeps lies in the data directory, too."""
    return {"SCRAPER_LEDGER": str(directory.demo / "ledger.sqlite3")}
