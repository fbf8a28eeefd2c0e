"""The schema's revisions, and the rows that each one's release would have written."""

from pathlib import Path

from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from support.expand_contract import tables
from support.servers import ROOT

from watchfleet.db import schema
from watchfleet.db.engine import transaction

ROWS = ROOT / "tests" / "migration" / "rows"


def scripts(root: Path = ROOT) -> ScriptDirectory:
    return ScriptDirectory.from_config(schema.configuration(root))


def revisions(root: Path = ROOT) -> list[str]:
    """Every revision, the oldest first."""
    return [script.revision for script in scripts(root).walk_revisions()][::-1]


def contracts(root: Path, revision: str) -> tuple[str, ...]:
    """The tables and columns (`table.column`) that a revision removes, unused since the release before."""
    script = scripts(root).get_revision(revision)
    return tuple(getattr(script.module, "CONTRACTS", ()))


def climb(root: Path, to: str) -> None:
    """Upgrade revision by revision, and write at each the rows of its release; `base` is no revision."""
    known = ["base", *revisions(root)]
    for revision in known[1 : known.index(to) + 1]:
        schema.upgrade(root, revision)
        with transaction() as connection:
            fill(connection, revision)


def fill(connection: Connection, revision: str) -> None:
    """Write the rows of a revision's release, if it brought tables of its own."""
    file = ROWS / f"{revision}.sql"
    if file.exists():
        connection.exec_driver_sql(file.read_text().replace("%", "%%"))


def counts(connection: Connection) -> dict[str, int]:
    """How many rows each table holds."""
    return {
        name: connection.scalar(text(f'SELECT count(*) FROM "{name}"')) or 0 for name in tables(connection)
    }
