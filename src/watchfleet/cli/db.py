"""`watchfleet db`: the store's schema."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import click
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from watchfleet.cli._root import fleet_root
from watchfleet.db import schema
from watchfleet.db.engine import transaction
from watchfleet.errors import FleetError


@click.group()
def db() -> None:
    """Bring the store's schema up to date, and tell how it stands.

    \b
    Examples:
      watchfleet db upgrade
      watchfleet db check
    """


@db.command()
@click.argument("revision", default="head")
@click.option("--sql", is_flag=True, help="Print the statements instead; needs no database.")
def upgrade(revision: str, *, sql: bool) -> None:
    """Bring the schema to REVISION, by default to the newest.

    All steps are one transaction: an upgrade that fails changes nothing. Any number may run at once; one
    acts and the others wait for it. With --sql, REVISION may be a range such as 0001:0002.

    \b
    Examples:
      watchfleet db upgrade
      watchfleet db upgrade --sql > schema.sql
    """
    root = fleet_root()
    if sql:
        schema.print_sql(root, revision)
        return
    with _failures():
        with transaction() as connection:
            if schema.is_unknown(root, connection):
                click.echo(f"Nothing to do: {_unknown(connection)}.")
                return
        schema.upgrade(root, revision, on_step=_reporter())
        with transaction() as connection:
            found = schema.current(connection)
    newest = ", the newest" if found == schema.head(root) else ""
    click.echo(f"The schema is at revision {found}{newest}.")


@db.command()
def current() -> None:
    """Show the database's revision and the newest one.

    \b
    Examples:
      watchfleet db current
    """
    root = fleet_root()
    with _failures(), transaction() as connection:
        found = schema.current(connection)
    newest = schema.head(root)
    click.echo(f"database  {_named(found)}")
    click.echo(f"newest    {newest}  {schema.describe(root, newest)}")


@db.command()
def check() -> None:
    """Exit 1 if the schema is not the newest, or not as its revision made it.

    \b
    Examples:
      watchfleet db check
    """
    root = fleet_root()
    newest = schema.head(root)
    with _failures(), transaction() as connection:
        if schema.is_unknown(root, connection):
            raise FleetError(_unknown(connection))
        found = schema.current(connection)
        complaints = schema.differences(connection) if found == newest else []
    if found != newest:
        raise FleetError(
            f"the schema is at revision {found or 'none'} and the newest is {newest}: "
            "run `watchfleet db upgrade`"
        )
    if complaints:
        raise FleetError(
            f"the schema says that it is at revision {found}, but differs from it:\n  "
            + "\n  ".join(complaints)
        )
    click.echo(f"The schema is at revision {found}, the newest, and as it should be.")


def _unknown(connection: Connection) -> str:
    """What to say of a revision that is not ours.

    Raises:
        FleetError: It is not a newer watchfleet's either.
    """
    found = schema.current(connection)
    if not schema.suffices(connection):
        raise FleetError(
            f"the database's Alembic revision {found} is not of watchfleet, or is too new for this one: "
            "give watchfleet a database of its own, or install the release that made this one"
        )
    return f"the schema is at revision {found}, which a newer watchfleet made, and this one runs on it"


def _named(found: str | None) -> str:
    if found is None:
        return "none  (run `watchfleet db upgrade`)"
    what = schema.describe(fleet_root(), found)
    return f"{found}  {what or 'unknown here: made by a newer watchfleet, or by another application'}"


def _reporter() -> schema.Step:
    began = time.monotonic()

    def report(revision: str, what: str) -> None:
        nonlocal began
        now = time.monotonic()
        click.echo(f"{revision}  {what}  ({now - began:.2f} s)")
        began = now

    return report


@contextmanager
def _failures() -> Iterator[None]:
    """Say what PostgreSQL said, in one line instead of a traceback."""
    try:
        yield
    except DBAPIError as error:
        said = str(error.orig).strip().splitlines()[0]
        raise FleetError(f"PostgreSQL refused, and nothing was changed: {said}") from error
