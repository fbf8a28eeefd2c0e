"""How a real PostgreSQL executes the heaviest kinds of queries: asked for once, and again when it changes."""

import json
from contextlib import closing
from typing import Any

import psycopg2
import pytest
from click.testing import CliRunner
from support.servers import use_environment

from tasks.detectors import query_plans
from watchfleet import correlation, wire
from watchfleet.cli import cli
from watchfleet.clock import utcnow
from watchfleet.db.engine import database_url, get_engine, libpq_url
from watchfleet.detectors import plans
from watchfleet.instrument.fingerprint import key_of, text_of
from watchfleet.metrics import ingest, rollups
from watchfleet.model import Activity, Kind, Sample

ASKED = "SELECT count(*) FROM plan_probe WHERE owner = 'geheim' AND number > 17"
MISSING = "SELECT * FROM table_of_another_database WHERE id = 1"
HARMFUL = "DROP TABLE plan_probe"


@pytest.fixture(autouse=True)
def _reported(environment: pytest.MonkeyPatch) -> None:
    """What an application told of three kinds."""
    use_environment(environment, EXPLAIN_QUERIES="1")
    with closing(psycopg2.connect(libpq_url(database_url()))) as connection, connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE plan_probe AS SELECT n AS number, n::text AS owner FROM generate_series(1, 5000) n"
        )
        connection.commit()
    now = utcnow()
    samples, kinds = [], []
    for statement in (ASKED, MISSING, HARMFUL):
        labels = {"service": "shop", "operation": "SELECT", "fingerprint": key_of(statement)}
        samples.append(Sample("db_query_duration_seconds", labels, Kind.DURATION, now.timestamp(), 0.5))
        told = {"statement": text_of(statement)}
        kinds.append(Activity("statement", now.timestamp(), correlation.new(), key_of(statement), told))
    with get_engine().begin() as connection:
        ingest.write(connection, "reported", wire.pack(samples, (), kinds), now)
    rollups.drain(get_engine(), utcnow())


def run(statement: str) -> None:
    with closing(psycopg2.connect(libpq_url(database_url()))) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        connection.commit()


def shown() -> list[dict[str, Any]]:
    answer = CliRunner().invoke(cli, ["queries", "show", key_of(ASKED), "--json"], catch_exceptions=False)
    found: list[dict[str, Any]] = json.loads(answer.output)["plans"]
    return found


def test_a_plan_is_kept_once_and_again_when_it_is_another(environment: pytest.MonkeyPatch) -> None:
    assert query_plans() == 1
    assert query_plans() == 0
    (first,) = shown()
    assert "Seq Scan on plan_probe" in str(first["plan"])
    assert "geheim" not in str(first)
    run("CREATE INDEX plan_probe_owner ON plan_probe (owner)")
    run("ANALYZE plan_probe")
    assert query_plans() == 1
    newest, oldest = shown()
    assert "using plan_probe_owner" in str(newest["plan"])
    assert oldest == first
    text = CliRunner().invoke(cli, ["queries", "show", key_of(ASKED)]).output
    assert f"Plan {newest['shape']} of " in text
    assert "using plan_probe_owner" in text
    use_environment(environment, EXPLAIN_QUERIES="0")
    run("DROP INDEX plan_probe_owner")
    assert query_plans() == 0, "it is off unless somebody wants it"


@pytest.mark.parametrize(
    ("statement", "good"),
    [
        ("SELECT 1", True),
        ("  with a as (select $1) select * from a", True),
        ("SELECT 1; DROP TABLE orders", False),
        ("DROP TABLE orders", False),
        ("VACUUM", False),
        ("EXPLAIN ANALYZE SELECT 1", False),
        (f"SELECT {'1,' * 500}", False),
    ],
)
def test_only_one_whole_statement_is_sent(statement: str, good: bool) -> None:
    assert plans.can_be_planned(statement) is good


def test_a_plan_is_another_by_what_it_does_and_not_by_its_estimates() -> None:
    scan = {"Node Type": "Seq Scan", "Relation Name": "orders", "Total Cost": 5.0, "Plan Rows": 1}
    assert plans.shape(scan) == plans.shape({**scan, "Total Cost": 900.0, "Plan Rows": 17})
    assert plans.shape(scan) != plans.shape({**scan, "Node Type": "Index Scan"})
    assert plans.shape({"Node Type": "Limit", "Plans": [scan]}) != plans.shape({"Node Type": "Limit"})
