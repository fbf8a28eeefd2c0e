"""Every revision leads up to the schema of `db/tables.py` and down again, on a real PostgreSQL with rows."""

import itertools
from contextlib import closing

import psycopg2
import pytest
from alembic import command
from sqlalchemy import Connection, text
from support.revisions import ROOT, climb, contracts, counts, revisions, scripts

from watchfleet.db import schema
from watchfleet.db.engine import transaction
from watchfleet.db.tables import metadata

REVISIONS = revisions()
HEAD = REVISIONS[-1]


def downgrade(revision: str) -> None:
    command.downgrade(schema.configuration(ROOT), revision)


def test_revisions_are_numbered_in_one_line() -> None:
    assert [f"{number:04}" for number in range(1, len(REVISIONS) + 1)] == REVISIONS
    assert scripts().get_heads() == [HEAD]


def test_migrations_and_metadata_agree(rehearsal: Connection) -> None:
    """With rows, hence with partitions, which are no difference."""
    assert schema.current(rehearsal) == schema.head(ROOT) == HEAD
    assert schema.differences(rehearsal, foreign=True) == []


@pytest.mark.parametrize(
    ("statement", "complaint"),
    [
        ("DROP TABLE beat_entry", "table beat_entry is missing"),
        ("CREATE TABLE extra (id int)", "table extra should not be there"),
        ("ALTER TABLE alert DROP COLUMN value", "column alert.value is missing"),
        ("ALTER TABLE alert ADD COLUMN extra int", "column alert.extra should not be there"),
        ("ALTER TABLE alert ALTER rule DROP NOT NULL", "alert.rule: nullable is True, should be False"),
        ("ALTER TABLE outbox ALTER attempts DROP DEFAULT", "outbox.attempts: default is None"),
        ("ALTER TABLE series ALTER kind TYPE varchar(9)", "series.kind: type is VARCHAR(length=9)"),
        ("DROP INDEX ix_outbox_open", "index ix_outbox_open is missing"),
        (
            "ALTER TABLE alert DROP CONSTRAINT uq_alert_rule_fingerprint",
            "uq_alert_rule_fingerprint is missing",
        ),
        ("ALTER TABLE outbox DROP CONSTRAINT fk_outbox_event_id_alert_event", "alert_event is missing"),
    ],
)
def test_a_difference_is_found(rehearsal: Connection, statement: str, complaint: str) -> None:
    rehearsal.execute(text(statement))
    assert any(complaint in line for line in schema.differences(rehearsal, foreign=True))


def test_tables_of_others_are_no_difference_unless_asked_for(rehearsal: Connection) -> None:
    rehearsal.execute(text("CREATE TABLE orders (id int)"))
    assert schema.differences(rehearsal) == []


def test_every_table_has_rows_to_migrate(rehearsal: Connection) -> None:
    """A revision that creates a table adds rows of it: tests/migration/rows/<revision>.sql."""
    found = counts(rehearsal)
    assert set(found) == set(metadata.tables)
    assert [name for name, rows in found.items() if not rows] == []


@pytest.mark.parametrize("start", REVISIONS)
def test_an_upgrade_from_each_revision_keeps_the_rows(empty: str, start: str) -> None:
    climb(ROOT, start)
    gone = {name for later in REVISIONS[REVISIONS.index(start) + 1 :] for name in contracts(ROOT, later)}
    with transaction() as connection:
        before = counts(connection)
    schema.upgrade(ROOT)
    with transaction() as connection:
        after = counts(connection)
        assert schema.differences(connection, foreign=True) == []
    kept = {name: rows for name, rows in before.items() if name not in gone}
    assert kept == {name: rows for name, rows in after.items() if name in kept}


@pytest.mark.parametrize("to", ["base", *REVISIONS[:-1]])
def test_down_to_each_revision_and_up_again(filled: str, to: str) -> None:
    downgrade(to)
    with transaction() as connection:
        assert schema.current(connection) == (None if to == "base" else to)
        assert to != "base" or counts(connection) == {}
    schema.upgrade(ROOT)
    with transaction() as connection:
        assert schema.differences(connection, foreign=True) == []


def test_the_printed_statements_make_the_same_schema(
    empty: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        patch.delenv("DATABASE_URL")  # it needs no database
        schema.print_sql(ROOT)
    with closing(psycopg2.connect(empty)) as connection:
        connection.autocommit = True  # the statements bring their own BEGIN and COMMIT
        connection.cursor().execute(capsys.readouterr().out)
    with transaction() as connection:
        assert schema.current(connection) == HEAD
        assert schema.differences(connection, foreign=True) == []


def test_each_revision_downgrades_to_exactly_the_one_before(empty: str) -> None:
    """Column by column: what a downgrade leaves is what the upgrade found."""
    columns = text(
        "SELECT table_name, column_name, data_type, is_nullable, column_default "
        "FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2"
    )
    for before, after in itertools.pairwise(["base", *REVISIONS]):
        with transaction() as connection:
            found = connection.execute(columns).all()
        schema.upgrade(ROOT, after)
        downgrade(before)
        with transaction() as connection:
            left = [row for row in connection.execute(columns) if row[0] != "alembic_version"]
            assert left == [row for row in found if row[0] != "alembic_version"]
        schema.upgrade(ROOT, after)
