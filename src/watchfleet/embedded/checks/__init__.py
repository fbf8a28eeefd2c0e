"""What `watchfleet doctor` examines, in the order in which it tells of it."""

from collections.abc import Callable, Iterator
from typing import Final

from watchfleet.embedded.checks import fleet, machine, stores
from watchfleet.embedded.checks.finding import Finding, Setup, fail
from watchfleet.errors import WatchfleetError
from watchfleet.redact import redact

CHECKS: Final[tuple[Callable[[Setup], Finding], ...]] = (
    machine.python,
    machine.packages,
    machine.user,
    machine.postgres_wheel,
    machine.valkey_wheel,
    fleet.files,
    fleet.configuration,
    fleet.application,
    machine.data_directory,
    machine.disk,
    machine.memory,
    machine.web_ports,
    stores.database,
    stores.migrations,
    stores.broker,
    stores.cache,
    stores.clock,
    fleet.channels,
    fleet.processes,
    fleet.orphans,
)


def examine(setup: Setup) -> Iterator[Finding]:
    """Make every check; one that cannot be made has failed, and says why."""
    for check in CHECKS:
        try:
            found = check(setup)
        except (WatchfleetError, OSError) as error:
            found = fail(check.__name__.replace("_", " "), str(error))
        yield Finding(found.check, found.level, redact(found.text), found.mend)
