"""Contracts between schedule, tasks, routes and queues, and of the shape of a task."""

import ast
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from celery import Celery
from support.servers import ROOT

from watchfleet import fleet
from workers.celery import app as fleet_app
from workers.task import Task

LONGEST_BODY = 15
FOLDERS = ("tasks", "workers", "alert_channels")
FILES = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]


@pytest.fixture(scope="module")
def app() -> Celery:
    fleet_app.loader.import_default_modules()
    return fleet_app


def registered(app: Celery) -> set[str]:
    """The tasks in `tasks/`."""
    return {name for name, task in app.tasks.items() if type(task).__module__.partition(".")[0] == "tasks"}


def functions(path: Path) -> Iterator[ast.FunctionDef]:
    return (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef))


def is_task(function: ast.FunctionDef) -> bool:
    return any(re.match(r"(shared_task|app\.task)\b", ast.unparse(one)) for one in function.decorator_list)


def body_lines(function: ast.FunctionDef) -> int:
    """How many lines it has after its docstring."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_every_scheduled_entry_names_a_task(app: Celery):
    assert {entry["task"] for entry in app.conf.beat_schedule.values()} - registered(app) == set()


def test_every_task_is_routed_to_a_queue_that_a_worker_serves(app: Celery):
    for name in registered(app):
        matching = [glob for glob in app.conf.task_routes if fnmatchcase(name, glob)]
        assert len(matching) == 1, f"{name} is matched by {matching}"
        assert app.conf.task_routes[matching[0]]["queue"] in fleet.queue_names()


def test_every_route_matches_a_task(app: Celery):
    unused = [glob for glob in app.conf.task_routes if not any(fnmatchcase(n, glob) for n in registered(app))]
    assert unused == []


def test_an_entry_is_sent_where_its_task_is_routed(app: Celery):
    for entry in app.conf.beat_schedule.values():
        assert app.amqp.router.route({}, entry["task"])["queue"].name == entry["options"]["queue"]


def test_every_task_has_the_fleets_base(app: Celery):
    assert {name for name in registered(app) if not isinstance(app.tasks[name], Task)} == set()


def test_there_are_tasks_to_look_at():
    assert sum(is_task(function) for path in FILES for function in functions(path)) >= 7


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_task_is_thin(path: Path):
    long = {one.name: body_lines(one) for one in functions(path) if is_task(one)}
    assert {name: lines for name, lines in long.items() if lines > LONGEST_BODY} == {}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_imported_inside_a_function(path: Path):
    found = [
        f"{function.name}:{node.lineno}"
        for function in functions(path)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert found == []
