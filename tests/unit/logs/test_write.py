import json
import logging
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from celery import Celery, signals
from opentelemetry.sdk.trace import TracerProvider

from watchfleet import correlation
from watchfleet.logs import configure_logging
from watchfleet.logs.format import JsonFormatter
from watchfleet.redact import register


class Hostile:
    """Its class's name would end a line."""


Hostile.__name__ = "x\n2026-11-25T09:30:00Z ERROR forged"


def records(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def written(path: Path, message: str, *arguments: object, **more: object) -> dict[str, object]:
    configure_logging("app", directory=path)
    logging.getLogger("shop.cart").warning(message, *arguments, **more)
    return records(path / "app.log")[-1]


def test_a_line_is_json_with_the_time_in_utc_to_the_microsecond(tmp_path: Path):
    before = time.time()
    record = written(tmp_path, "hello %s", "world")
    at = datetime.strptime(str(record["time"]), "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    assert before - 0.001 <= at.timestamp() <= time.time()
    assert (record["level"], record["logger"], record["message"]) == ("WARNING", "shop.cart", "hello world")
    assert "task" not in record
    assert "trace_id" not in record


@pytest.mark.parametrize(
    "hostile",
    ["one\ntwo", "a\rb", "\x1b[31mred\x1b[0m", "nul \x00", "\x9b31m", "a\u2028b", "a\x85b", "\u202eevil"],
)
@pytest.mark.parametrize("form", ["json", "text"])
def test_control_characters_are_escaped(tmp_path: Path, hostile: str, form: str):
    configure_logging("app", directory=tmp_path, form=form)
    logging.getLogger("shop").error("%s", hostile)
    raw = (tmp_path / "app.log").read_bytes().decode()
    assert raw.endswith("\n")
    assert len(raw.splitlines()) == 1
    assert not set(raw[:-1]) & {hostile[i] for i in range(len(hostile)) if not hostile[i].isprintable()}
    if form == "json":
        assert json.loads(raw)["message"] == hostile


def test_half_a_surrogate_pair_costs_no_line(tmp_path: Path):
    """In a process of its own: what pytest captures here, pytest-xdist could not send on."""
    code = "import logging, sys; from watchfleet.logs import configure_logging; "
    code += "configure_logging('app', directory=sys.argv[1]); logging.warning('half \\ud83d')"
    subprocess.run([sys.executable, "-c", code, tmp_path], check=True, timeout=30)
    assert records(tmp_path / "app.log")[-1]["message"] == "half \ud83d"


def test_secrets_are_redacted_wherever_they_are(tmp_path: Path):
    register("hunter2hunter2")
    try:
        int("hunter2hunter2 in https://user:pw123456@host/")
    except ValueError:
        record = written(
            tmp_path,
            "sent hunter2hunter2",
            exc_info=True,
            extra={"url": "redis://:geheim@host/0", "api_key": "k", "deep": {"password": ["p"], "n": 1}},
        )
    text = json.dumps(record)
    for secret in ("hunter2hunter2", "pw123456", "geheim"):
        assert secret not in text
    assert record["api_key"] == "***"
    assert record["deep"] == {"password": "***", "n": 1}
    assert "ValueError" in str(record["exception"])


def test_what_extra_adds_is_a_field_of_its_own_and_takes_no_other_s_place(tmp_path: Path):
    record = written(tmp_path, "x", extra={"account": 7, "ratio": float("nan"), "level": "mine", "pid": -1})
    assert (record["account"], record["ratio"], record["level"]) == (7, "nan", "WARNING")
    assert record["pid"] != -1


def test_a_wrong_format_costs_no_line():
    record = logging.makeLogRecord({"name": "shop", "msg": "%d items", "args": ("three",)})
    assert json.loads(JsonFormatter().format(record))["message"] == "%d items ('three',)"


def test_a_line_has_a_bound(tmp_path: Path):
    message = str(written(tmp_path, "x" * 1_000_000)["message"])
    assert len(message) < 140_000
    assert message.endswith("more characters)")


def test_a_task_and_a_span_name_themselves(tmp_path: Path):
    app = Celery("shop", set_as_current=False)
    app.conf.task_always_eager = True

    @app.task(name="shop.buy")
    def buy() -> None:
        with TracerProvider().get_tracer("test").start_as_current_span("x"):
            logging.getLogger("shop").warning("bought")

    configure_logging("app", directory=tmp_path)
    with correlation.bound("request-1"):
        result = buy.delay()
    (record,) = [one for one in records(tmp_path / "app.log") if one["logger"] == "shop"]
    assert (record["task"], record["task_id"]) == ("shop.buy", result.id)
    assert record["correlation_id"] == "request-1"
    assert len(str(record["trace_id"])) == 32
    assert len(str(record["span_id"])) == 16


def test_text_is_for_people_and_nothing_in_a_traceback_looks_like_a_record(tmp_path: Path):
    configure_logging("app", directory=tmp_path, form="text")
    try:
        json.loads(Hostile())
    except TypeError:
        logging.getLogger("shop").exception("failed", extra={"correlation_id": "abc"})
    first, *rest = (tmp_path / "app.log").read_text().splitlines()
    assert first.endswith(" ERROR MainProcess shop: failed correlation_id=abc")
    assert rest[0] == "  Traceback (most recent call last):"
    assert all(line.startswith("  ") for line in rest)


def test_it_replaces_what_it_did_before_and_leaves_other_handlers(tmp_path: Path):
    other = logging.NullHandler()
    logging.getLogger().addHandler(other)
    configure_logging("one", directory=tmp_path)
    configure_logging("two", directory=tmp_path)
    logging.getLogger("shop").warning("here")
    assert (tmp_path / "one.log").read_text() == ""
    assert len(records(tmp_path / "two.log")) == 1
    assert other in logging.getLogger().handlers


def test_celery_leaves_the_log_alone_afterwards(tmp_path: Path):
    configure_logging("app", directory=tmp_path)
    assert signals.setup_logging.send(None)  # with a receiver, Celery sets up none


def test_without_a_directory_it_goes_to_standard_error(capsys: pytest.CaptureFixture[str]):
    configure_logging("app")
    logging.getLogger("shop").warning("here")
    assert json.loads(capsys.readouterr().err)["message"] == "here"


def test_a_directory_that_cannot_be_made_is_told_once_and_lost_is_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "file").touch()
    configure_logging("app", directory=tmp_path / "file" / "logs")
    logging.getLogger("shop").warning("here")
    told, line = capsys.readouterr().err.splitlines()
    assert f"LOG_DIRECTORY={tmp_path / 'file' / 'logs'}: " in told
    assert json.loads(line)["message"] == "here"


def test_a_name_is_no_path(tmp_path: Path):
    configure_logging("../../evil/x", directory=tmp_path / "logs")
    assert [path.name for path in (tmp_path / "logs").iterdir()] == ["_._.._evil_x.log"]


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"DATABASE_URL": "mysql://a/b", "BROKER_URL": "nonsense"}, ""),
        ({"LOG_MAX_FILES": "many"}, "LOG_MAX_FILES"),
    ],
)
def test_a_host_s_other_variables_are_its_own_business(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    variables: dict[str, str],
    told: str,
):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    configure_logging("app", directory=tmp_path)
    logging.getLogger("shop").warning("here")
    said = capsys.readouterr().err
    assert told in said
    assert bool(said) is bool(told)
    assert records(tmp_path / "app.log")[0]["message"] == "here"


def test_it_needs_the_ground_floor_alone():
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['flask', 're2', 'isal', 'sqlalchemy', 'psycopg2']));"
        "from watchfleet.logs import configure_logging; configure_logging(); print('fine')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "fine\n"
