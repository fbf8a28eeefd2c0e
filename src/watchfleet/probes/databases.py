"""The PostgreSQL databases that are probed."""

from typing import Final

from watchfleet.probes.postgres import PostgresOptions, store_url
from watchfleet.probes.targets import get_targets

MOST: Final = 50


def databases() -> dict[str, str]:
    """The address of each by its target's name, one target for each address; 50 at most.

    Raises:
        ConfigError: The configuration of targets cannot be read.
    """
    found: dict[str, str] = {}
    for target in get_targets():
        if isinstance(target.options, PostgresOptions):
            url = store_url(target.options.url)
            if url is not None and url not in found.values() and len(found) < MOST:
                found[target.name] = url
    return found
