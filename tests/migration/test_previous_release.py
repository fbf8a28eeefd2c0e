"""The previous release's code runs on the next schema: expand first, contract a release later."""

import itertools
import shutil
from pathlib import Path

import pytest
from sqlalchemy import Connection
from support.expand_contract import complaints, remember
from support.revisions import ROOT, climb, contracts, revisions

from watchfleet.db import schema
from watchfleet.db.engine import transaction

TEMPLATE = '''"""A step for the test."""

from alembic import op

revision = "{revision}"
down_revision = "{before}"
CONTRACTS = {contracts!r}


def upgrade() -> None:
    op.execute({statement!r})
'''


def outcome(root: Path, after: str) -> list[str]:
    """Upgrade the database, and tell what the release that it was of can no longer do."""
    with transaction() as connection:
        shapes = remember(connection, contracts(root, after))
    schema.upgrade(root, after)
    with transaction() as connection:
        return complaints(connection, shapes)


@pytest.fixture
def next_revision(tmp_path: Path):
    """Our migrations and one more, made of one statement, in a root of their own."""

    def make(statement: str, contracts: tuple[str, ...] = ()) -> tuple[Path, str]:
        shutil.copy(ROOT / "pyproject.toml", tmp_path)
        shutil.copytree(ROOT / "migrations", tmp_path / "migrations")
        before = revisions()[-1]
        after = f"{int(before) + 1:04}"
        script = TEMPLATE.format(revision=after, before=before, contracts=contracts, statement=statement)
        (tmp_path / "migrations" / "versions" / f"{after}_step.py").write_text(script)
        return tmp_path, after

    return make


@pytest.mark.parametrize(("before", "after"), list(itertools.pairwise(["base", *revisions()])))
def test_each_release_runs_on_the_next_schema(empty: str, before: str, after: str) -> None:
    climb(ROOT, before)
    assert outcome(ROOT, after) == []


def test_an_expanding_revision_passes(filled: str, next_revision) -> None:
    assert outcome(*next_revision("ALTER TABLE outbox ADD COLUMN priority integer")) == []


def test_a_destructive_revision_is_caught(filled: str, next_revision) -> None:
    found = outcome(
        *next_revision("ALTER TABLE alert DROP COLUMN value, DROP COLUMN labels", ("alert.value",))
    )
    assert found
    assert all("labels" in line for line in found), "what CONTRACTS names may go, and nothing else"


def test_what_the_release_before_no_longer_uses_may_go(filled: str, next_revision) -> None:
    step = "ALTER TABLE alert DROP COLUMN value; DROP TABLE beat_entry"
    assert outcome(*next_revision(step, ("alert.value", "beat_entry"))) == []


# The same check on one statement, in a transaction that is taken back.


def found_after(connection: Connection, statement: str) -> list[str]:
    shapes = remember(connection)
    connection.exec_driver_sql(statement)
    return complaints(connection, shapes)


def test_nothing_is_found_where_nothing_changed(rehearsal: Connection) -> None:
    assert found_after(rehearsal, "SELECT 1") == []


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE outbox ADD COLUMN priority integer",
        "ALTER TABLE outbox ADD COLUMN priority integer NOT NULL DEFAULT 0",
        "CREATE TABLE extra (id integer PRIMARY KEY)",
        "CREATE INDEX ix_outbox_state ON outbox (state)",
        "ALTER TABLE alert ALTER value TYPE numeric",
        "ALTER TABLE probe_target ALTER reason DROP NOT NULL",
        "ALTER TABLE alert DROP CONSTRAINT ck_alert_state",
    ],
)
def test_an_expanding_step_passes(rehearsal: Connection, statement: str) -> None:
    assert found_after(rehearsal, statement) == []


@pytest.mark.parametrize(
    ("statement", "complaint"),
    [
        ("ALTER TABLE alert DROP COLUMN value", "alert: rows read as before: column"),
        ("ALTER TABLE alert RENAME COLUMN rule TO name", "alert: rows read as before: column"),
        ("DROP TABLE beat_entry", "beat_entry: rows read as before: relation"),
        (
            "ALTER TABLE alert ADD team text NOT NULL DEFAULT ''; ALTER TABLE alert ALTER team DROP DEFAULT",
            "alert: insert of every column: null value",
        ),
        ("ALTER TABLE outbox ALTER attempts DROP DEFAULT", "outbox: insert of what has no default: null"),
        (
            "ALTER TABLE alert DROP CONSTRAINT uq_alert_rule_fingerprint",
            "alert: upsert by rule, fingerprint: there",
        ),
        ("ALTER TABLE probe_target ALTER failures TYPE text", "probe_target: rows read as before: EXCEPT"),
        ("ALTER TABLE probe_target ADD CHECK (status = 'up') NOT VALID", "probe_target: update: new row"),
        ("UPDATE alert SET rule = lower(rule)", "alert: rows read as before: rows were changed or lost"),
        ("DELETE FROM ingest_rejects", "ingest_rejects: rows read as before: rows were changed or lost"),
        (
            "ALTER TABLE account DROP failed, ADD failed bigint GENERATED ALWAYS AS (1) STORED",
            "account: update: column",
        ),
    ],
)
def test_a_destructive_step_is_caught(rehearsal: Connection, statement: str, complaint: str) -> None:
    found = found_after(rehearsal, statement)
    assert any(line.startswith(complaint) for line in found), found
