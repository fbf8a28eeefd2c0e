"""Our wheel, and virtual environments that hold it and what it requires, made without a network."""

import subprocess
import sys
import venv
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
OURS = "watchfleet"


def build_wheel(folder: Path) -> Path:
    """Build the wheel with the backend of this environment."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=60)
    (wheel,) = folder.glob("*.whl")
    return wheel


def closure(requirements: Iterable[str], ours: Distribution) -> dict[str, Distribution]:
    """The distributions that pip would install for the requirements.

    Ours is taken from the wheel, whose own metadata thus decides; the others are found in this environment.
    """
    waiting = [Requirement(line) for line in requirements]
    seen: set[str] = set()
    found: dict[str, Distribution] = {}
    while waiting:
        requirement = waiting.pop()
        if str(requirement) in seen:
            continue
        seen.add(str(requirement))
        name = canonicalize_name(requirement.name)
        found[name] = ours if name == OURS else distribution(name)
        waiting.extend(_required(found[name], requirement.extras))
    return found


def _required(here: Distribution, extras: set[str]) -> Iterator[Requirement]:
    for line in here.requires or ():
        requirement = Requirement(line)
        marker = requirement.marker
        environments = [{**default_environment(), "extra": extra} for extra in ("", *extras)]
        if marker is None or any(marker.evaluate(environment) for environment in environments):
            yield requirement


class Environment:
    """A virtual environment of an application: our wheel, its requirements, nothing else.

    Files are links to those of this environment, so that it is made in a fraction of a second.
    """

    def __init__(self, folder: Path, wheel: Path, requirements: Iterable[str]) -> None:
        venv.create(folder, symlinks=True, with_pip=False)
        self.python = folder / "bin" / "python"
        (self.packages,) = folder.glob("lib/python*/site-packages")
        with ZipFile(wheel) as archive:
            archive.extractall(self.packages)
        (metadata,) = self.packages.glob(f"{OURS}-*.dist-info")
        self.distributions = closure(requirements, Distribution.at(metadata))
        for name, here in self.distributions.items():
            if name != OURS:
                self._link(here)

    def _link(self, here: Distribution) -> None:
        for file in here.files or ():
            if file.parts[0] == "..":
                continue  # commands and manual pages, outside site-packages
            link = self.packages / file
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(Path(str(file.locate())).resolve())

    def run(self, code: str, *options: str) -> str:
        """Run a program in it and return what it printed."""
        command = [str(self.python), *options, "-c", code]
        done = subprocess.run(
            command, cwd=self.packages.parent, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Our wheel, built once."""
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def bare_environment(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Environment:
    """An environment with the wheel and what it requires."""
    return Environment(tmp_path_factory.mktemp("bare"), wheel, [OURS])


@pytest.fixture(scope="session")
def scraper_environment(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Environment:
    """An environment as the example scraper's README makes it."""
    lines = (ROOT / "examples" / "scraper" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return Environment(tmp_path_factory.mktemp("scraper"), wheel, lines)
