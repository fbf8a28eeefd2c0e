"""Kinds of queries beside PostgreSQL's own: what its query id joins is joined, and other kinds stay apart.

Not all of them: whether a LIMIT has an OFFSET, and the order of conditions, make no kind of their own here.
"""

import random
import re
from collections import defaultdict
from contextlib import closing

import psycopg2
import pytest

from watchfleet.db.engine import database_url, libpq_url
from watchfleet.instrument.fingerprint import key_of

TEMPLATES = (
    "SELECT relname FROM pg_class WHERE oid = {number}",
    "SELECT relname FROM pg_class WHERE relname = {text}",
    "SELECT relname, oid FROM pg_class WHERE relname = {text}",
    "SELECT count(*) FROM pg_class WHERE relpages > {number} AND relkind = {text}",
    "SELECT count(*) FROM pg_class WHERE relpages > {number} OR relkind = {text}",
    "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid WHERE a.attnum > {number}",
    "SELECT c.relname FROM pg_class c LEFT JOIN pg_index i ON i.indrelid = c.oid WHERE c.relpages < {number}",
    "SELECT relkind, sum(relpages) FROM pg_class GROUP BY relkind HAVING count(*) > {number} ORDER BY 2 DESC",
    "SELECT relkind, sum(relpages) FROM pg_class GROUP BY relkind HAVING count(*) > {number} ORDER BY 2",
    "SELECT relname FROM pg_class ORDER BY relname LIMIT {number}",
    "WITH big AS (SELECT relname FROM pg_class LIMIT {number}) SELECT 1 FROM big WHERE relname = {text}",
    "SELECT relname FROM pg_class WHERE oid IN (SELECT indrelid FROM pg_index WHERE indnatts = {number})",
    "SELECT CASE WHEN relpages > {number} THEN {text} ELSE {text} END FROM pg_class",
    "SELECT relname FROM pg_class WHERE relpages BETWEEN {number} AND {number}",
    "SELECT upper(relname), lower(relname) FROM pg_class WHERE length(relname) = {number}",
    "SELECT rank() OVER (PARTITION BY relkind ORDER BY relpages) FROM pg_class WHERE relpages > {number}",
    "SELECT relname FROM pg_class UNION ALL SELECT attname FROM pg_attribute WHERE attnum = {number}",
    "INSERT INTO kinds (id, name) VALUES ({number}, {text})",
    "INSERT INTO kinds (id, name) VALUES ({number}, {text}) ON CONFLICT DO NOTHING",
    "UPDATE kinds SET name = {text} WHERE id = {number}",
    "UPDATE kinds SET name = {text}, id = id + {number} WHERE id = {number}",
    "DELETE FROM kinds WHERE id = {number}",
    "DELETE FROM kinds WHERE name = {text}",
)
EACH = 12


def written(template: str, dice: random.Random) -> str:
    """The template with values, blanks, capitals and comments of its own."""
    statement = re.sub(r"\{number\}", lambda _: str(dice.randint(1, 10_000)), template)
    statement = re.sub(r"\{text\}", lambda _: f"'{dice.choice('abc')}{dice.random()} it''s'", statement)
    words = statement.split(" ")
    blanks = (dice.choice((" ", "  ", "\n", "\t", " /* why */ ")) for _ in words)
    plain = "'" not in statement
    shown = (word.lower() if plain and dice.random() < 0.5 else word for word in words)
    return "".join(part for pair in zip(shown, blanks, strict=True) for part in pair).strip()


@pytest.mark.usefixtures("environment")
def test_a_kind_is_what_the_server_takes_for_one() -> None:
    dice = random.Random(20260310)
    statements = [written(template, dice) for template in TEMPLATES for _ in range(EACH)]
    by_server: dict[int, set[str]] = defaultdict(set)
    with closing(psycopg2.connect(libpq_url(database_url()))) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SET compute_query_id = on; CREATE TEMPORARY TABLE kinds (id bigint UNIQUE, name text)"
        )
        for statement in statements:
            cursor.execute(f"EXPLAIN (VERBOSE, FORMAT JSON) {statement}")
            row = cursor.fetchone()
            assert row
            by_server[row[0][0]["Query Identifier"]].add(key_of(statement))
    assert len(by_server) == len(TEMPLATES)
    assert [keys for keys in by_server.values() if len(keys) != 1] == [], "split where the server joins"
    assert len(set.union(*by_server.values())) == len(TEMPLATES), "joined where the server splits"
