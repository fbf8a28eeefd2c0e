"""Checks of the fleet itself: its files, its configuration, its channels, and how it runs."""

import os
import sys

from watchfleet import fleet
from watchfleet.embedded import health, leftovers, report
from watchfleet.embedded.checks.finding import Finding, Setup, fail, ok, warn
from watchfleet.embedded.commands import run
from watchfleet.embedded.environment import imports
from watchfleet.embedded.interruption import Interruption
from watchfleet.embedded.omissions import omissions
from watchfleet.errors import ConfigError, FleetError
from watchfleet.notify.receivers import config_of
from watchfleet.settings import config_path, get_settings


def files(setup: Setup) -> Finding:
    """Whether the fleet's own files are found."""
    if setup.root is None:
        mend = "run this in a checkout of watchfleet, or set WATCHFLEET_HOME to one"
        return fail("files", "celeryconfig.py and workers/ are not here", mend)
    return ok("files", str(setup.root))


def configuration(_setup: Setup) -> Finding:
    """Whether the settings can be used, and every target, job and budget."""
    try:
        get_settings()
    except ConfigError as error:
        return fail("configuration", str(error), "see `watchfleet config check`")
    if left_out := omissions():
        more = f" (and {len(left_out) - 1} more)" if len(left_out) > 1 else ""
        return warn("configuration", left_out[0] + more, "see `watchfleet config check`")
    path = config_path()
    return ok("configuration", str(path.absolute()) if path.exists() else "environment only")


def application(setup: Setup) -> Finding:
    """Whether the Celery application, with every task, can be imported."""
    if setup.root is None or setup.settings is None:
        return fail("application", "not tried: see above")
    load = "from workers.celery import app; app.loader.import_default_modules(); print(len(app.tasks))"
    environment = {**os.environ, **imports(setup.root)}
    command = [sys.executable, "-c", load]
    try:
        said = run(command, Interruption(), timeout=60, environment=environment, directory=setup.root)
    except FleetError as error:
        return fail("application", str(error).splitlines()[-1], "python -m celery -A workers report")
    return ok("application", f"{said.splitlines()[-1]} tasks")


def channels(setup: Setup) -> Finding:
    """Which notification channels have a receiver."""
    if setup.root is None or setup.settings is None:
        return fail("channels", "not tried: see above")
    words, on = [], 0
    for name in fleet.channel_names():
        kind = config_of(name)
        configured = kind.from_settings(setup.settings) is not None
        on += configured
        words.append(f"{name} on" if configured else f"{name} off (needs {kind.needs})")
    if on <= 1:
        return warn("channels", ", ".join(words), "alerts reach nobody but the log: set one of these")
    return ok("channels", ", ".join(words))


def processes(setup: Setup) -> Finding:
    """Whether the fleet runs, and is well."""
    if not setup.runs or setup.state is None:
        return ok("processes", "no fleet runs here")
    rows = report.rows(setup.directory, setup.state)
    unwell = [f"{row.name} {row.state}" for row in rows if not row.runs]
    if unwell:
        return fail("processes", ", ".join(unwell), f"watchfleet logs {unwell[0].split()[0]}")
    why = health.why_not_ready(setup.state.web_port)
    if why:
        return fail("processes", why, "watchfleet logs web")
    return ok("processes", f"{len(rows)} run, ready")


def orphans(setup: Setup) -> Finding:
    """Whether a killed supervisor left processes."""
    left = 0 if setup.runs else len(leftovers.find(setup.directory))
    if left:
        text = f"{left} processes without a supervisor"
        return warn("leftovers", text, "`watchfleet up` replaces them, `watchfleet down` ends them")
    return ok("leftovers", "none")
