"""Short visits to the databases that are watched: read only, and over within two seconds."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Final, TypeVar

import psycopg2
from psycopg2.extras import RealDictCursor

from watchfleet.redact import redact

logger = logging.getLogger(__name__)

SECONDS: Final = 2
"""How long a server gets to answer."""
Seen = TypeVar("Seen")


@contextmanager
def visiting(url: str) -> Iterator[RealDictCursor]:
    """A cursor on a database, whose rows are dictionaries.

    Args:
        url: The database's address, `postgresql://...`.

    Raises:
        psycopg2.Error: It does not answer.
    """
    options = f"-c statement_timeout={SECONDS}s -c default_transaction_read_only=on"
    with closing(
        psycopg2.connect(url, connect_timeout=SECONDS, options=options, application_name="watchfleet queries")
    ) as connection:
        yield connection.cursor(cursor_factory=RealDictCursor)


def each(databases: Mapping[str, str], look: Callable[[str], Seen]) -> Iterator[tuple[str, Seen]]:
    """What each database showed; one that does not answer is left out: that is told by its probe.

    Args:
        databases: Addresses by the name under which they are known.
        look: What to do with an address.
    """
    for name, url in databases.items():
        try:
            yield name, look(url)
        except psycopg2.Error as error:
            logger.info("%s tells nothing: %s", name, redact(str(error)).strip())
