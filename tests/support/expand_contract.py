"""Does the code of one release run on the schema of the next?

The code itself is not needed: what it does to the store is to read the columns it knows, to insert rows
of them (all, or only those without a default), to update them, and to name unique keys in `ON CONFLICT`.
`remember` takes these shapes, and rows, from the older schema; `complaints` tries each on the newer one.

A column or table that the older release no longer uses may go: its revision says so in `CONTRACTS`.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

KEPT = "before"
"""The PostgreSQL schema that holds a copy of every row while the migration runs."""


@dataclass(frozen=True)
class Shape:
    """What a release knows of one table."""

    table: str
    columns: tuple[str, ...]
    writable: tuple[str, ...]
    required: tuple[str, ...]
    keys: tuple[str, ...]


_COLUMNS = text("""
    SELECT attname, attgenerated <> '' OR attidentity = 'a', attnotnull AND NOT atthasdef AND attidentity = ''
    FROM pg_attribute WHERE attrelid = to_regclass(:table) AND attnum > 0 AND NOT attisdropped ORDER BY attnum
""")
_KEYS = text("""
    SELECT string_agg(attname, ', ') || CASE WHEN indpred IS NULL THEN ''
        ELSE ') WHERE (' || pg_get_expr(indpred, indrelid) END
    FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY (indkey)
    WHERE indrelid = to_regclass(:table) AND indisunique AND indexprs IS NULL
    GROUP BY indexrelid, indpred, indrelid HAVING NOT array_agg(attname::text) && :gone
""")
_TABLES = text("""
    SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition
    AND relnamespace = 'public'::regnamespace AND relname <> 'alembic_version' ORDER BY relname
""")


def tables(connection: Connection) -> list[str]:
    """Every table, without partitions and without Alembic's own."""
    return list(connection.scalars(_TABLES))


def remember(connection: Connection, contracts: Collection[str] = ()) -> list[Shape]:
    """The shapes of every table, and a copy of its rows; without what `contracts` names."""
    connection.execute(text(f"CREATE SCHEMA {KEPT}"))
    shapes = []
    for table in tables(connection):
        if table not in contracts:
            connection.execute(text(f'CREATE TABLE {KEPT}."{table}" AS SELECT * FROM public."{table}"'))
            shapes.append(_shape(connection, table, contracts))
    return shapes


def complaints(connection: Connection, shapes: Collection[Shape]) -> list[str]:
    """What no longer works, one line each; leaves the rows as they are."""
    found = []
    for shape in shapes:
        for purpose, statements in _uses(shape):
            said = _refusal(connection, statements)
            found += [f"{shape.table}: {purpose}: {said}"] if said else []
    return found


def _shape(connection: Connection, table: str, contracts: Collection[str]) -> Shape:
    rows = connection.execute(_COLUMNS, {"table": table}).all()
    columns = [row for row in rows if f"{table}.{row[0]}" not in contracts]
    gone = [row[0] for row in rows if row not in columns]
    return Shape(
        table,
        tuple(_quoted(name) for name, _, _ in columns),
        tuple(_quoted(name) for name, given, _ in columns if not given),
        tuple(_quoted(name) for name, given, required in columns if required and not given),
        tuple(connection.scalars(_KEYS, {"table": table, "gone": gone})),
    )


def _uses(shape: Shape) -> Iterator[tuple[str, list[str]]]:
    """Each way in which a release uses a table: what for, and the statements."""
    table, kept = f'public."{shape.table}"', f'{KEPT}."{shape.table}"'
    columns, writable, required = map(", ".join, (shape.columns, shape.writable, shape.required))
    difference = f"SELECT {columns} FROM {kept} EXCEPT SELECT {columns} FROM {table}"
    yield "rows read as before", [f"SELECT {columns} FROM {table}", _fail_if_any(difference)]
    yield "update", [f"UPDATE {table} SET " + ", ".join(f"{name} = {name}" for name in shape.writable)]
    empty = f"TRUNCATE {table} CASCADE"
    yield "insert of every column", [empty, f"INSERT INTO {table} ({writable}) SELECT {writable} FROM {kept}"]
    if required:
        insert = f"INSERT INTO {table} ({required}) SELECT {required} FROM {kept}"
        yield "insert of what has no default", [empty, insert]
    for key in shape.keys:
        insert = f"INSERT INTO {table} ({writable}) SELECT {writable} FROM {kept}"
        yield f"upsert by {key}", [empty, f"{insert} ON CONFLICT ({key}) DO NOTHING"]


def _refusal(connection: Connection, statements: list[str]) -> str:
    savepoint = connection.begin_nested()
    try:
        for statement in statements:
            connection.exec_driver_sql(statement)
    except DBAPIError as error:
        return str(error.orig).splitlines()[0]
    finally:
        savepoint.rollback()
    return ""


def _fail_if_any(query: str) -> str:
    return f"DO $$ BEGIN IF EXISTS ({query}) THEN RAISE 'rows were changed or lost'; END IF; END $$"


def _quoted(name: str) -> str:
    return f'"{name}"'
