"""supervisord: the file that configures it, and a client that speaks to it over its socket."""

import http.client
import os
import re
import shlex
import shutil
import socket
import tempfile
import xmlrpc.client
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil
from supervisor.xmlrpc import Faults

from watchfleet.embedded.directory import DataDirectory
from watchfleet.embedded.programs import GROUPS, Program
from watchfleet.embedded.state import write_private
from watchfleet.errors import FleetError
from watchfleet.logs.options import LogOptions
from watchfleet.settings import Settings

NAME: Final = "supervisord"
"""Its name among its processes, and its log's."""
SOCKET: Final = "supervisord.sock"
# A Unix socket's path holds 107 bytes on Linux and 103 on macOS; supervisord adds a dot and its pid.
_LONGEST: Final = 103 - len(".4194304")
# What begins a comment; and % in a path, which supervisord expands once for some settings, twice for others.
_UNSAFE: Final = re.compile(r"[\r\n]|\s[;#]")
_TIMEOUT: Final = 10

_HEADER: Final = """\
; Written by `watchfleet up`, which writes it anew at every start.
[unix_http_server]
file={socket}
chmod=0600

[supervisord]
nodaemon=true
silent=true
identifier=watchfleet
logfile={log}/{name}.log
logfile_maxbytes={size}
logfile_backups={backups}
pidfile={pid}
childlogdir={log}
nocleanup=true
{user}
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""
_GROUP: Final = """
[group:{name}]
programs={programs}
priority={priority}
"""
# A process that lived for a second counts as started and is restarted at once when it ends; one that ends
# before is tried again after 1, 2, 3, ... seconds. It is never given up: what it waits for may come back.
_PROGRAM: Final = """
[program:{name}]
command={command}
directory={directory}
autostart={autostart}
autorestart=true
startsecs=1
startretries=1000000
stopsignal={signal}
stopwaitsecs={seconds}
stopasgroup=false
killasgroup=true
redirect_stderr=true
stdout_logfile={log}
stdout_logfile_maxbytes={size}
stdout_logfile_backups={backups}
"""


@dataclass(frozen=True, slots=True)
class Process:
    """What supervisord knows of one process.

    Attributes:
        name: Its name.
        state: STARTING, RUNNING, BACKOFF, STOPPING, STOPPED, EXITED, FATAL or UNKNOWN.
        pid: Its pid, 0 when it does not run.
        started: Unix time of its last start.
        note: supervisord's own words, such as `Exited too quickly (process log may have details)`.
    """

    name: str
    state: str
    pid: int
    started: float
    note: str


class Supervisor:
    """Commands for a running supervisord.

    Every method raises FleetError when it does not answer.

    Args:
        path: Its socket.
    """

    def __init__(self, path: Path) -> None:
        self._transport = _Transport(path)
        self._proxy = xmlrpc.client.ServerProxy("http://localhost/RPC2", transport=self._transport)

    def answers(self) -> bool:
        """Whether it is there."""
        try:
            self._call("getPID")
        except FleetError:
            return False
        return True

    def processes(self) -> list[Process]:
        """Every process that it looks after."""
        return [
            Process(one["name"], one["statename"], one["pid"], one["start"], one["spawnerr"])
            for one in self._call("getAllProcessInfo")
        ]

    def itself(self) -> Process:
        """supervisord, as one of the processes."""
        pid = int(self._call("getPID"))
        try:
            started = psutil.Process(pid).create_time()
        except psutil.Error as error:
            raise FleetError(f"supervisord is gone: {error}") from error
        return Process(NAME, self._call("getState")["statename"], pid, started, "")

    def start_group(self, name: str) -> None:
        """Start the processes of a group, all at the same time, without waiting for them.

        Raises:
            FleetError: One of them cannot even be tried, such as a program that may not be executed.
        """
        answers = self._call("startProcessGroup", name, False)  # noqa: FBT003 - XML-RPC knows positions alone
        refused = [one for one in answers if one["status"] != Faults.SUCCESS]
        if refused:
            names = ", ".join(one["name"] for one in refused)
            raise FleetError(f"supervisord cannot start {names}: {refused[0]['description']}")

    def shutdown(self) -> None:
        """Have it stop all processes, group by group, and end."""
        self._call("shutdown")

    def _call(self, method: str, *arguments: Any) -> Any:
        try:
            return getattr(self._proxy.supervisor, method)(*arguments)
        except (OSError, http.client.HTTPException, xmlrpc.client.Error) as error:
            raise FleetError(f"supervisord does not answer: {error}") from error
        finally:
            self._transport.close()


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(_TIMEOUT)
        self.sock.connect(str(self._path))


class _Transport(xmlrpc.client.Transport):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        connection = _Connection(self._path)
        self._connection = host, connection  # what the base class closes
        return connection


def runtime_folder(directory: DataDirectory) -> Path:
    """The folder for the socket: the data directory, or a new short one when its path is too long."""
    if len(bytes(directory.path / SOCKET)) <= _LONGEST:
        return directory.path
    parent = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
    return Path(tempfile.mkdtemp(prefix="watchfleet-", dir=parent if parent.is_dir() else None))


def write(
    directory: DataDirectory,
    runtime: Path,
    programs: Iterable[Program],
    settings: Settings,
) -> None:
    """Write `supervisord.conf`.

    Args:
        directory: The data directory.
        runtime: The folder for the socket.
        programs: What to run.
        settings: Where logs go and how large they get.

    Raises:
        FleetError: A path holds what supervisord would take for a comment.
    """
    programs = list(programs)
    text = _HEADER.format(
        socket=_path(runtime / SOCKET),
        log=_path(directory.log),
        name=NAME,
        pid=_path(directory.pid),
        **_limits(settings),
        user="user=root\n" if os.geteuid() == 0 else "",  # it warns unless that is said
    )
    for priority, name in enumerate(GROUPS, start=1):
        members = ",".join(program.name for program in programs if program.group == name)
        if members:
            text += _GROUP.format(name=name, programs=members, priority=priority)
    text += "".join(_section(program, directory, settings) for program in programs)
    write_private(directory.configuration, text)


def remove_traces(directory: DataDirectory, runtime: Path | None) -> None:
    """Remove the pid file and the socket, which only a running supervisord needs."""
    directory.pid.unlink(missing_ok=True)
    if runtime == directory.path:
        (runtime / SOCKET).unlink(missing_ok=True)
    elif runtime is not None:
        shutil.rmtree(runtime, ignore_errors=True)


def log_directory(directory: DataDirectory, settings: Settings) -> Path:
    """Where the processes' output goes."""
    return (settings.log_directory or directory.log).absolute()


def log_file(name: str, directory: DataDirectory, settings: Settings) -> Path:
    """Where one process's output goes."""
    return log_directory(directory, settings) / f"{name}.log"


def _section(program: Program, directory: DataDirectory, settings: Settings) -> str:
    return _PROGRAM.format(
        name=program.name,
        command=_value(shlex.join(program.command)),
        directory=_path(program.directory),
        # The servers come first: the others start when the schema is there.
        autostart="true" if program.group == "servers" else "false",
        signal=program.stop_signal,
        seconds=program.stop_seconds,
        log=_path(log_file(program.name, directory, settings)),
        **_limits(settings),
    )


def _limits(settings: Settings) -> dict[str, int]:
    """At which size a log is rotated: at least a byte, as 0 would mean never."""
    options = LogOptions.of(settings)
    return {"size": options.max_bytes, "backups": options.generations}


def _path(path: Path) -> str:
    if "%" in str(path):
        raise _unreadable(str(path))
    return _value(str(path))


def _value(text: str) -> str:
    if _UNSAFE.search(text):
        raise _unreadable(text)
    return text.replace("%", "%%")


def _unreadable(text: str) -> FleetError:
    return FleetError(
        f"{text!r} holds a line end, a %, ' ;' or ' #', which supervisord cannot read: "
        "name a --data-dir (and keep watchfleet in a folder) without them"
    )
