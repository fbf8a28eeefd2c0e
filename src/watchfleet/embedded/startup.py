"""From nothing to a healthy fleet: each step in its order, and back to nothing when one of them fails."""

import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from watchfleet import fleet
from watchfleet.embedded import dependencies, health, leftovers, postgres, report, supervisord, valkey
from watchfleet.embedded.commands import run
from watchfleet.embedded.directory import DataDirectory
from watchfleet.embedded.environment import addresses, environment, needs_postgres, needs_valkey
from watchfleet.embedded.interruption import Interruption
from watchfleet.embedded.logfiles import last_lines
from watchfleet.embedded.programs import Program, programs
from watchfleet.embedded.state import Managed, State, write_private
from watchfleet.errors import FleetError
from watchfleet.logs.readable import readable
from watchfleet.settings import Settings

_TRIES: Final = 3
"""A process that was started this often before the fleet was ready will not be well by itself."""
_LOG_LINES: Final = 15
_STOPPING: Final = 45
_PATIENCE: Final = 12
_EVERY: Final = 0.1


class Step(Protocol):
    """A step that is being made."""

    def say(self, detail: str) -> None:
        """Tell how it stands; the last words are kept."""


class Progress(Protocol):
    """Told of each step."""

    def step(self, title: str) -> AbstractContextManager[Step]:
        """Enter a step; it failed if the block raises."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the caller asked for.

    Attributes:
        port: The web process's port; None for the last or the usual one, 0 for any.
        flower_port: Flower's, likewise.
        demo: Whether the example application runs, too.
        detach: Whether the fleet outlives this process.
        timeout: Seconds until the fleet must be healthy.
    """

    port: int | None = None
    flower_port: int | None = None
    demo: bool = False
    detach: bool = False
    timeout: float = 120


@dataclass(kw_only=True)
class Launch:
    """One start of a fleet. The caller holds the directory's lock.

    Attributes:
        directory: The data directory, prepared.
        root: The fleet's root.
        settings: The settings of this process.
        wishes: What the caller asked for.
        progress: Told of each step.
        interruption: Ends the start at its next step or wait.
        state: Ports and the like, once `prepare` has run.
        process: supervisord, once `run` has started it.
    """

    directory: DataDirectory
    root: Path
    settings: Settings
    wishes: Wishes
    progress: Progress
    interruption: Interruption
    state: State = field(default_factory=State)
    process: subprocess.Popen[bytes] | None = None
    _programs: list[Program] = field(default_factory=list)
    _environment: dict[str, str] = field(default_factory=dict, repr=False)
    _deadline: float = 0

    def __post_init__(self) -> None:
        self._deadline = time.monotonic() + self.wishes.timeout

    def prepare(self) -> None:
        """Everything before the first process: what the fleet stands on, its ports, its files.

        Raises:
            FleetError: Something is in the way; the message tells what to do about it.
            SignalReceivedError: A signal came.
        """
        self._sweep()
        self.state = self._remembered()
        supervisord.remove_traces(self.directory, self.state.runtime)
        self.state.choose_ports(self.wishes.port, self.wishes.flower_port)
        self.state.runtime = supervisord.runtime_folder(self.directory)
        self.state.save(self.directory)
        self._check_given()
        if needs_postgres(self.settings):
            self._initialise()
        if needs_valkey(self.settings):
            valkey.configure(self.directory.valkey, self.state.valkey_port, self.state.valkey_password)
        self._write_files()

    def run(self, lock: int) -> None:
        """Start supervisord, the servers, the schema and then all else; returns before the fleet is ready.

        Args:
            lock: The lock's descriptor, which supervisord inherits.

        Raises:
            FleetError: A part does not start; holds its last log lines.
            SignalReceivedError: A signal came.
        """
        self._spawn(lock)
        client = report.supervisor_of(self.directory, self.state)
        # Its log may still end with the restarts of the last time.
        self._await("supervisord", lambda: "" if client.answers() else "it does not answer", look=False)
        if self._servers():
            with self.progress.step("Servers") as step:
                self._await("servers", self._servers_answer)
                step.say(self._addresses())
        self._migrate()
        for group in ("fleet", "demo"):
            if any(program.group == group for program in self._programs):
                client.start_group(group)

    def await_health(self) -> None:
        """Wait until every process runs, `/health/ready` answers 200 and Flower knows every worker.

        Raises:
            FleetError: That does not come within the time limit, or a process ends again and again.
            SignalReceivedError: A signal came.
        """
        with self.progress.step("Processes") as step:
            self._await("processes", lambda: self._all_run(step))
        with self.progress.step("Health") as step:
            self._await("health", lambda: health.why_not_ready(self.state.web_port))
            self._await("flower", self._flower_is_blind)
            step.say("ready")

    def stop(self) -> None:
        """Stop everything and remove what only a running fleet needs; a second signal hurries it."""
        hurried = self.process is not None and self._shut_down(self.process)
        leftovers.sweep(self.directory, patience=0 if hurried else _PATIENCE)
        supervisord.remove_traces(self.directory, self.state.runtime)

    def has_ended(self) -> bool:
        """Whether supervisord is gone."""
        return self.process is None or self.process.poll() is not None

    def ended_by_order(self) -> bool:
        """Whether it was told to go."""
        return self.process is not None and self.process.poll() == 0

    def _sweep(self) -> None:
        if leftovers.find(self.directory):
            with self.progress.step("Processes of a supervisor that was killed") as step:
                step.say(f"{leftovers.sweep(self.directory)} ended")

    def _remembered(self) -> State:
        state = State.load(self.directory)
        if state is None and (self.directory.postgres / "PG_VERSION").exists():
            raise FleetError(
                f"{self.directory.postgres} is here and {self.directory.state} with its password is not: "
                "restore that file from a backup, or name a new --data-dir"
            )
        state = state or State()
        state.register_secrets()
        return state

    def _check_given(self) -> None:
        """A server that the settings name must answer before anything is started for it."""
        if self.settings.database_url:
            with self.progress.step("DATABASE_URL") as step:
                step.say(dependencies.check_database(self.settings.database_url.get_secret_value()))
        if self.settings.broker_url:
            with self.progress.step("BROKER_URL") as step:
                step.say(dependencies.check_broker(self.settings.broker_url.get_secret_value()))
        if self.settings.redis_url:
            with self.progress.step("REDIS_URL") as step:
                step.say(dependencies.check_redis(self.settings.redis_url.get_secret_value()))

    def _initialise(self) -> None:
        with self.progress.step("Data") as step:
            made = postgres.initialise(
                self.directory.postgres, self.state.postgres_password, self.interruption
            )
            step.say(f"{'new' if made else 'continued'} in {self.directory.path}")

    def _write_files(self) -> None:
        self._programs = programs(
            self.settings, self.state, self.directory, self.root, with_demo=self.wishes.demo
        )
        self._environment = environment(
            self.settings, self.state, self.directory, self.root, _flower_password(self.directory)
        )
        self.state.processes = [
            Managed(
                name=program.name,
                purpose=program.purpose,
                log=supervisord.log_file(program.name, self.directory, self.settings),
            )
            for program in self._programs
        ]
        for managed in self.state.processes:
            managed.log.parent.mkdir(parents=True, exist_ok=True)
        runtime = self.state.runtime or self.directory.path
        supervisord.write(self.directory, runtime, self._programs, self.settings)
        self.state.save(self.directory)

    def _spawn(self, lock: int) -> None:
        self.interruption.pause(0)
        command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(self.directory.configuration)]
        with (self.directory.log / "supervisord.out").open("wb") as output:
            self.process = subprocess.Popen(
                command if self.wishes.detach else [*_dying_with_us(), *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._environment,
                cwd=self.root,
                pass_fds=(lock,),
                start_new_session=True,  # the terminal's signals reach us alone, and we stop it in order
            )

    def _migrate(self) -> None:
        with self.progress.step("Schema") as step:
            command = [sys.executable, "-m", "watchfleet", "db", "upgrade"]
            said = run(
                command,
                self.interruption,
                timeout=max(1.0, self._left()),
                environment=self._environment,
                directory=self.root,
            )
            step.say(said.splitlines()[-1] if said else "")

    def _servers(self) -> list[Program]:
        return [program for program in self._programs if program.group == "servers"]

    def _addresses(self) -> str:
        ports = {"postgres": self.state.postgres_port, "valkey": self.state.valkey_port}
        return ", ".join(f"{one.name} on port {ports[one.name]}" for one in self._servers())

    def _servers_answer(self) -> str:
        """Why the embedded servers do not serve yet; empty when they do."""
        urls = addresses(self.settings, self.state)
        try:
            for name, url in urls.items():
                check = dependencies.check_database if name == "DATABASE_URL" else dependencies.check_redis
                check(url)
        except FleetError as error:
            return str(error)
        return ""

    def _all_run(self, step: Step) -> str:
        found = report.supervisor_of(self.directory, self.state).processes()
        waiting = [process.name for process in found if process.state != report.RUNNING]
        step.say(f"{len(found) - len(waiting)} of {len(found)}")
        return f"not running yet: {', '.join(waiting)}" if waiting else ""

    def _flower_is_blind(self) -> str:
        login = self._environment["FLOWER_BASIC_AUTH"].partition(",")[0]  # of several users the first
        families = [family.name for family in fleet.families()]
        return health.why_flower_is_not_ready(self.state.flower_port, login, families)

    def _await(self, what: str, why_not: Callable[[], str], *, look: bool = True) -> None:
        """Wait until `why_not` has nothing against it.

        Args:
            what: What is waited for.
            why_not: What speaks against it; empty when nothing does.
            look: Whether to give up when a process ends again and again.

        Raises:
            FleetError: The time is over, or what is waited for will not be well by itself.
        """
        looked = time.monotonic()
        while reason := why_not():
            self._refuse_ended()
            if look and time.monotonic() - looked > 1:
                self._refuse_restarting()
                looked = time.monotonic()
            if self._left() <= 0:
                raise FleetError(f"{what}: not within {self.wishes.timeout:.0f} s: {reason}")
            self.interruption.pause(_EVERY)

    def _refuse_ended(self) -> None:
        if self.process is not None and self.has_ended():
            log = self.directory.log / "supervisord.out"
            raise FleetError(f"supervisord ended with code {self.process.returncode}:\n{_last_words(log)}")

    def _refuse_restarting(self) -> None:
        """Give up on a process that is not going to be well by itself, with its own last words."""
        counts = report.restarts(self.directory)
        for managed in self.state.processes:
            if counts[managed.name] >= _TRIES:
                raise FleetError(
                    f"{managed.name} ends again and again; the end of {managed.log}:\n"
                    f"{_last_words(managed.log)}"
                )

    def _left(self) -> float:
        return self._deadline - time.monotonic()

    def _shut_down(self, process: subprocess.Popen[bytes]) -> bool:
        """Have supervisord stop every group in order, and end; return whether a signal hurried that."""
        with suppress(ProcessLookupError):
            process.terminate()
        end = time.monotonic() + _STOPPING
        hurried = False
        while process.poll() is None and not hurried and time.monotonic() < end:
            hurried = self.interruption.came(_EVERY)
        process.kill()
        process.wait()
        return hurried


def _dying_with_us() -> list[str]:
    """What, before a command, has it end when this process is killed; nothing where that cannot be had."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig=TERM"] if setpriv and sys.platform == "linux" else []


def _flower_password(directory: DataDirectory) -> str:
    """The password of Flower's user, kept where its owner can read it."""
    if not directory.flower_password.exists():
        write_private(directory.flower_password, secrets.token_urlsafe(18) + "\n")
    return directory.flower_password.read_text(encoding="utf-8").strip()


def _last_words(log: Path) -> str:
    lines = [text for line in last_lines(log, _LOG_LINES) for text in readable(line)]
    return "\n".join(f"  {line}" for line in lines) or "  (it is empty)"
