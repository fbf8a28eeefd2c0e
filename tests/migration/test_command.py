"""`watchfleet db`, as a person at a terminal or a deployment runs it."""

import subprocess
import sys

import pytest
from support.revisions import revisions
from support.servers import free_port, use_environment

from watchfleet.cli import main
from watchfleet.db.engine import transaction

HEAD = revisions()[-1]
COMMAND = [sys.executable, "-c", "from watchfleet.cli import main; main()", "db"]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run the command in this process; returns its exit code, output and errors."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["watchfleet", "db", *arguments])
        with pytest.raises(SystemExit) as exited:
            main()
        return int(exited.value.code or 0), *capsys.readouterr()

    return run


def execute(statement: str) -> None:
    with transaction() as connection:
        connection.exec_driver_sql(statement)


def test_upgrade_tells_of_each_step_and_a_second_does_nothing(empty: str, run) -> None:
    code, out, _ = run("upgrade")
    lines = out.splitlines()
    assert code == 0
    assert [line.split("  ")[0] for line in lines[:-1]] == revisions()
    assert "Create the first schema" in lines[0]
    assert lines[-1] == f"The schema is at revision {HEAD}, the newest."
    assert run("upgrade") == (0, lines[-1] + "\n", "")


def test_current_and_check_before_and_after(empty: str, run) -> None:
    assert run("current")[1].startswith("database  none  (run `watchfleet db upgrade`)\n")
    assert run("check") == (
        1,
        "",
        f"watchfleet: the schema is at revision none and the newest is {HEAD}: run `watchfleet db upgrade`\n",
    )
    run("upgrade")
    code, out, _ = run("current")
    assert code == 0
    assert [line.split()[:2] for line in out.splitlines()] == [["database", HEAD], ["newest", HEAD]]
    assert run("check") == (0, f"The schema is at revision {HEAD}, the newest, and as it should be.\n", "")


def test_check_names_what_differs(filled: str, run) -> None:
    execute("ALTER TABLE alert DROP COLUMN value")
    execute("CREATE TABLE orders (id int)")
    code, _, err = run("check")
    assert code == 1
    assert "column alert.value is missing" in err
    assert "orders" not in err, "tables of others are no concern of ours"


def test_a_newer_schema_is_left_alone(filled: str, run) -> None:
    """A deployment that is rolled back runs `db upgrade` of the older release."""
    execute("ALTER TABLE alert ADD COLUMN extra text")
    execute("UPDATE alembic_version SET version_num = '9999'")
    code, out, _ = run("upgrade")
    assert code == 0
    assert out.startswith("Nothing to do: the schema is at revision 9999, which a newer watchfleet made")
    assert run("check")[0] == 1
    assert "9999  unknown here" in run("current")[1]


def test_the_database_of_another_application_is_refused(empty: str, run) -> None:
    execute("CREATE TABLE alembic_version (version_num text); INSERT INTO alembic_version VALUES ('ae10')")
    code, _, err = run("upgrade")
    assert code == 1
    assert "give watchfleet a database of its own" in err
    with transaction() as connection:
        assert connection.exec_driver_sql("SELECT to_regclass('series')").scalar() is None


def test_an_upgrade_that_fails_changes_nothing(empty: str, run) -> None:
    execute("CREATE TABLE outbox (id int)")
    code, _, err = run("upgrade")
    assert code == 1
    assert (
        err == 'watchfleet: PostgreSQL refused, and nothing was changed: relation "outbox" already exists\n'
    )
    with transaction() as connection:
        assert connection.exec_driver_sql("SELECT to_regclass('series')").scalar() is None


def test_an_unknown_revision_is_named(empty: str, run) -> None:
    code, _, err = run("upgrade", "0815")
    assert code == 1
    assert "'0815'" in err
    assert f"the newest revision here is {HEAD}" in err


def test_sql_is_printed_without_a_database(monkeypatch: pytest.MonkeyPatch, run) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    code, out, _ = run("upgrade", "--sql")
    assert code == 0
    assert out.startswith("BEGIN;")
    assert "CREATE TABLE outbox" in out


def test_a_missing_address_and_a_server_that_is_away_are_told_apart(
    monkeypatch: pytest.MonkeyPatch, empty: str, run
) -> None:
    use_environment(monkeypatch, DATABASE_URL=f"postgresql://watchfleet:geheim17@127.0.0.1:{free_port()}/x")
    code, _, err = run("check")
    assert code == 1
    assert err.startswith("watchfleet: PostgreSQL does not answer")
    assert "geheim17" not in err
    use_environment(monkeypatch, DATABASE_URL="")
    code, _, err = run("check")
    assert code == 2
    assert err.startswith("watchfleet: DATABASE_URL is not set")


def test_four_upgrades_at_once_make_one(empty: str) -> None:
    processes = [
        subprocess.Popen([*COMMAND, "upgrade"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(4)
    ]
    outputs = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0, 0], outputs
    assert sum("Create the first schema" in output for output in outputs) == 1
