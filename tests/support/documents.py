"""What must hold for the documents; each rule yields a line for each place that breaks it."""

import ast
import importlib.util
import re
import shlex
from collections.abc import Iterator
from functools import cache

import click
import yaml
from support import settings_names
from support.generated import ROOT, renewed

import schedules
from watchfleet import fleet
from watchfleet.cli import cli
from watchfleet.cli.logs import DefaultGroup
from watchfleet.errors import WatchfleetError
from watchfleet.probes.targets import load_targets
from watchfleet.settings import Settings

_FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_PATH = re.compile(
    r"(?:[\w.-]+/)*[\w.@-]+\.(?:py|md|yaml|yml|toml|lock|sql|mako|service|target|env|example)|(?:[\w.-]+/)+"
)
_COMMAND = re.compile(r"(?:^|&& |bin/)watchfleet((?: [\w.:=/<>@$-]+)+)", re.MULTILINE)
_NAME = re.compile(r"\bwatchfleet(?:\.\w+)+(?!\w|\.<)")
_VARIABLE = re.compile(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b")
OTHER_FILES = {"watchfleet.yml", "schema.json", "watchfleet.target"}
"""Names that a user's files have."""
OTHER_VARIABLES = {
    *settings_names.OTHERS,
    "WATCHFLEET_BROKER_URL",
    "WATCHFLEET_DISABLED",
    "WATCHFLEET_SQL_COMMENTS",
    "WATCHFLEET_SPOOL_DIR",
    "WATCHFLEET_FORBID_SKIPS",
    "OTEL_SERVICE_NAME",
    "NAME_FILE",
    "POSTGRES_PASSWORD",
    "REDIS_PASSWORD",
    "WATCHFLEET_YML",
    "WEB_ADDRESS",
    "FLOWER_ADDRESS",
}


def complaints(document: str, text: str) -> list[str]:
    """Everything that is wrong in one document."""
    rules = (tables, links, paths, commands, names, variables, configurations, programs, targets_of_make)
    return [f"{document}: {line}" for rule in rules for line in rule(document, text)]


def tables(_document: str, text: str) -> Iterator[str]:
    """What the code writes is as the code writes it."""
    if renewed(text) != text:
        yield "a generated table is out of date: .venv/bin/python -m tests.support.generated"


def links(document: str, text: str) -> Iterator[str]:
    """Files and headings that are linked exist."""
    for target in _LINK.findall(_FENCE.sub("", text)):
        if target.startswith(("https://", "http://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        file = (ROOT / document).parent / path if path else ROOT / document
        if not file.exists():
            yield f"the link to {target} leads nowhere"
        elif anchor and anchor not in _anchors(text if not path else file.read_text()):
            yield f"{target}: there is no such heading"


def paths(_document: str, text: str) -> Iterator[str]:
    """Files and folders that are named exist; `<kind>` and `*` stand for any name."""
    for span in _CODE.findall(_FENCE.sub("", text)):
        if _PATH.fullmatch(span.split(":")[0].replace("<", "").replace(">", "").replace("*", "x")):
            pattern = re.sub(r"<\w+>", "*", span.split(":")[0]).rstrip("/")
            if pattern not in OTHER_FILES and not any(ROOT.glob(pattern)):
                yield f"there is no {span}"


def commands(_document: str, text: str) -> Iterator[str]:
    """`watchfleet` has the subcommands and the options that are named."""
    for piece in [*_CODE.findall(_FENCE.sub("", text)), *_shell(text)]:
        for words in _COMMAND.findall(re.sub(r"#.*", "", piece)):
            yield from _unknown(shlex.split(words))


def _shell(text: str) -> Iterator[str]:
    """What is typed: the lines of `sh` blocks, and those of `console` blocks that begin with a prompt."""
    for info, body in _FENCE.findall(text):
        if info == "sh":
            yield body
        elif info == "console":
            yield from (line[2:] for line in body.splitlines() if line.startswith("$ "))


def _unknown(words: list[str]) -> Iterator[str]:
    command: click.Command = cli
    shown = "watchfleet"
    for word in words:
        if isinstance(command, DefaultGroup) and word not in command.commands:
            command = command.default
        known = {
            flag for parameter in command.params for flag in (*parameter.opts, *parameter.secondary_opts)
        }
        if word.startswith("-"):
            if word.partition("=")[0] not in {*known, "--help", "--version", "-h"}:
                yield f"{shown} has no option {word}"
        elif isinstance(command, click.Group):
            found = command.get_command(click.Context(command), word)
            if found is None:
                yield f"{shown} has no command {word}"
                return
            command, shown = found, f"{shown} {word}"


def names(_document: str, text: str) -> Iterator[str]:
    """`watchfleet.x.y` is a module or an attribute, a task, a queue, or a group of entry points."""
    known = {*fleet.queue_names(), *(entry.task for entry in schedules.ENTRIES), *_tasks(), *ENTRY_POINTS}
    for span in _CODE.findall(_FENCE.sub("", text)):
        for name in _NAME.findall(span):
            if name not in known and name not in OTHER_FILES and not _importable(name):
                yield f"{name} is no module, task or queue"


ENTRY_POINTS = {"watchfleet.probes", "watchfleet.channels"}


@cache
def _tasks() -> frozenset[str]:
    sources = [path.read_text() for path in (ROOT / "tasks").glob("*.py")]
    return frozenset(
        name for source in sources for name in re.findall(r'name="(watchfleet\.[\w.]+)"', source)
    ) | {
        fleet.INGEST_TASK,
        *(f"{fleet.channel_queue(channel)}.deliver" for channel in fleet.channel_names()),
    }


@cache
def _importable(name: str) -> bool:
    module, _, attribute = name.rpartition(".")
    try:
        if importlib.util.find_spec(name) is not None:
            return True
    except ModuleNotFoundError:
        pass
    try:
        return hasattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError:
        return False


def variables(_document: str, text: str) -> Iterator[str]:
    """Variables in upper case are settings, or known by name."""
    known = {name for found in settings_names.variables().values() for name in found}
    known |= settings_names.of_rules()
    prose = [
        *_CODE.findall(_FENCE.sub("", text)),
        *(body for info, body in _FENCE.findall(text) if info == "sh"),
    ]
    for piece in prose:
        for name in _VARIABLE.findall(piece):
            if name not in known | OTHER_VARIABLES | _constants():
                yield f"{name} is no setting"


@cache
def _constants() -> frozenset[str]:
    sources = [
        path.read_text()
        for folder in ("src", "alert_channels", "tasks")
        for path in (ROOT / folder).rglob("*.py")
    ]
    return frozenset(
        name for source in sources for name in re.findall(r"^([A-Z][A-Z0-9_]+)\b", source, re.MULTILINE)
    )


def configurations(_document: str, text: str) -> Iterator[str]:
    """Examples of watchfleet.yml can be used; any other YAML can be read."""
    for info, body in _FENCE.findall(text):
        if info.split(" ")[0] == "yaml":
            try:
                content = yaml.safe_load(body)
                problems = (
                    load_targets(Settings(**content)).problems if info.endswith("watchfleet.yml") else ()
                )
            except (yaml.YAMLError, ValueError, WatchfleetError) as error:
                yield f"an example is no use: {error}"
            else:
                yield from (f"an example is no use: {problem}" for problem in problems)


def programs(_document: str, text: str) -> Iterator[str]:
    """Python in examples is Python, and imports what is there."""
    for info, body in _FENCE.findall(text):
        if info == "python":
            try:
                tree = ast.parse(body)
            except SyntaxError as error:
                yield f"an example is no Python: {error}"
                continue
            for node in ast.walk(tree):
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("watchfleet"):
                    module = importlib.import_module(node.module or "")
                    yield from (
                        f"{node.module} has no {alias.name}"
                        for alias in node.names
                        if not hasattr(module, alias.name)
                    )


def targets_of_make(_document: str, text: str) -> Iterator[str]:
    """`make x` is a target of the Makefile."""
    known = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for piece in [*_CODE.findall(_FENCE.sub("", text)), *_shell(text)]:
        for name in re.findall(r"(?:^|\s)make ([a-z]+)", piece):
            if name not in known:
                yield f"make has no target {name}"


@cache
def _anchors(text: str) -> frozenset[str]:
    heads = re.findall(r"^#+ (.+)$", _FENCE.sub("", text), re.MULTILINE)
    return frozenset(re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads)
