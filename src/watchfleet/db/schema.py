"""The schema's revision: which one the database has, how it gets to another, whether it is as it should be.

Alembic does the work, with the revisions in the fleet's `migrations/` folder; this module is what the
command line and `watchfleet up` ask.
"""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text

from watchfleet.db.tables import metadata
from watchfleet.errors import FleetError

Step = Callable[[str, str], None]
"""Told of each revision that was applied: its id and what it does."""

_MISSING: Final = "is missing"
_IS: Final = {
    "modify_type": "type",
    "modify_nullable": "nullable",
    "modify_default": "default",
    "modify_comment": "comment",
}


def configuration(root: Path, on_step: Step | None = None) -> Config:
    """Alembic's configuration, from the `pyproject.toml` in the fleet's root."""
    logging.getLogger("alembic").setLevel(logging.WARNING)  # we tell of each step ourselves
    return Config(toml_file=root / "pyproject.toml", attributes={"on_step": on_step})


def head(root: Path) -> str:
    """The newest revision that this fleet's files know."""
    return str(ScriptDirectory.from_config(configuration(root)).get_current_head())


def describe(root: Path, revision: str) -> str | None:
    """What a revision does, in its author's words; None if this fleet's files do not know it."""
    try:
        script = ScriptDirectory.from_config(configuration(root)).get_revision(revision)
    except CommandError:
        return None
    return script.doc.rstrip(".") if script else None


def current(connection: Connection) -> str | None:
    """The revision that the database has; None when it has none of ours."""
    return MigrationContext.configure(connection).get_current_revision()


def upgrade(root: Path, revision: str = "head", on_step: Step | None = None) -> None:
    """Bring the database to a revision, in one transaction; nothing happens if it is there already.

    Raises:
        FleetError: There is no such revision, or the database has one that these files do not know.
    """
    try:
        command.upgrade(configuration(root, on_step), revision)
    except CommandError as error:
        raise FleetError(_unknown(root, str(error))) from error


def print_sql(root: Path, revision: str = "head") -> None:
    """Print what an upgrade of an empty database would do; `from:to` gives another beginning.

    Raises:
        FleetError: There is no such revision.
    """
    try:
        command.upgrade(configuration(root), revision, sql=True)
    except CommandError as error:
        raise FleetError(_unknown(root, str(error))) from error


def differences(connection: Connection, *, foreign: bool = False) -> list[str]:
    """What in the database is not as `db/tables.py` has it, one line each; empty when all is well.

    Args:
        connection: The database.
        foreign: Also complain of tables that are not ours; a shared database may well hold some.
    """
    left_out = partitions(connection)

    def include(name: str | None, kind: str, _parents: Mapping[str, str | None]) -> bool:
        return kind != "table" or name in metadata.tables or (foreign and name not in left_out)

    context = MigrationContext.configure(
        connection,
        opts={"target_metadata": metadata, "include_name": include, "compare_server_default": True},
    )
    return [_words(item) for found in compare_metadata(context, metadata) for item in _flat(found)]


def is_unknown(root: Path, connection: Connection) -> bool:
    """Whether the database has a revision that this fleet's files do not know."""
    found = current(connection)
    return found is not None and describe(root, found) is None


def suffices(connection: Connection) -> bool:
    """Whether every table and column of ours is there, as it is when a newer watchfleet made the schema."""
    lines = differences(connection)
    return not [line for line in lines if line.startswith(("table", "column")) and line.endswith(_MISSING)]


def partitions(connection: Connection) -> frozenset[str]:
    """The names of the partitions, which come and go without a migration."""
    return frozenset(connection.scalars(text("SELECT relname FROM pg_class WHERE relispartition")))


def _unknown(root: Path, message: str) -> str:
    return f"{message}; the newest revision here is {head(root)} ({root / 'migrations'})"


def _flat(found: Any) -> list[tuple[Any, ...]]:
    """Alembic groups the changes of one column into a list, and leaves all others bare."""
    return found if isinstance(found, list) else [found]


def _words(item: tuple[Any, ...]) -> str:
    verb, *rest = item
    if verb in _IS:
        _, table, column, _, found, wanted = rest
        return f"{table}.{column}: {_IS[verb]} is {found!r}, should be {wanted!r}"
    action, _, kind = verb.partition("_")
    name = f"{rest[1]}.{rest[2].name}" if kind == "column" else getattr(rest[0], "name", rest[0])
    return f"{kind} {name} {_MISSING if action == 'add' else 'should not be there'}"
