"""`watchfleet query`: tables, JSON, and errors that show where they are."""

import json
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner, Result

from watchfleet.cli import cli
from watchfleet.clock import utcnow
from watchfleet.db.engine import transaction
from watchfleet.metrics import ingest
from watchfleet.model import Kind, Sample


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["query", *arguments])


@pytest.fixture
def at(environment: pytest.MonkeyPatch) -> datetime:
    """Five minutes of samples a minute apart, up to this time."""
    now = utcnow().replace(microsecond=0)
    some = [
        Sample("up", {"job": job}, Kind.GAUGE, now.timestamp() - 60 * ago, float(ago % 2))
        for job in ("api", "[red]")
        for ago in range(6)
    ]
    with transaction() as connection:
        ingest.write_samples(connection, "b1", some, now)
    return now


def test_answers(at: datetime) -> None:
    table = run("up", "--at", str(at.timestamp())).output.split("\n")
    assert [line.split() for line in table if line] == [
        ["SERIES", "VALUE"],
        ['up{job="api"}', "0"],
        ['up{job="[red]"}', "0"],
    ]
    assert run("1 + 0.5").output == "1.5\n"
    assert run("'text'").output == "text\n"
    nothing = run("gone")
    assert (nothing.exit_code, nothing.stdout) == (0, "")
    assert "no series has a value" in nothing.stderr
    (found,) = json.loads(run('up{job="api"}', "--at", at.isoformat(), "--json").output)["result"]
    assert found == {"metric": {"__name__": "up", "job": "api"}, "value": [int(at.timestamp()), "0"]}
    assert "metric might not be a counter" in run("rate(up[5m])").stderr


def test_a_range(at: datetime) -> None:
    span = ("--from", f"{at.timestamp() - 120}", "--to", f"{at.timestamp()}", "--step", "1m")
    (found,) = json.loads(run("sum(up)", *span, "--json").output)["result"]
    assert [value for _, value in found["values"]] == ["0", "2", "0"]
    shown = run("sum(up)", *span).output.split("\n")
    assert [line.split()[-1] for line in shown if line] == ["VALUE", "0", "2", "0"]
    assert datetime.fromtimestamp(at.timestamp(), UTC).strftime("%Y-%m-%d %H:%M:%S") in shown[-2]
    assert len(json.loads(run("up", "--from", "4m", "--json").output)["result"]) == 2


@pytest.mark.usefixtures("at")
def test_errors_show_where_they_are() -> None:
    broken = run("sum(up +\n  rate(up))")
    assert broken.exit_code == 2
    line, mark = broken.stderr.rstrip("\n").split("\n")[-2:]
    assert "2:" in broken.stderr
    assert mark.index("^") == line.index("up)")
    failing = run("up * on () up")
    assert failing.exit_code == 1
    assert "^" in failing.stderr
    assert failing.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        (("up", "--at", "yesterday"), "is no time"),
        (("up", "--at", "1h", "--step", "5m"), "--at is for one instant"),
        (("up", "--step", "5m"), "a range needs --from"),
        (("up", "--from", "1h", "--to", "2h"), "--to must not be before --from"),
        (("up", "--from", "1h", "--step", "0s"), "at least 1ms"),
    ],
)
def test_bad_usage(arguments: tuple[str, ...], cause: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert cause in result.stderr
