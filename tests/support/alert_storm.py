"""A fleet that tells of alerts while everything it consists of is killed, stopped and cut off, in turn.

Alerts go through the whole pipeline: into the store, through the dispatcher, the outbox, a worker on the
broker, to real receivers of five channels. A ledger holds what the store confirmed. In the end every channel
must have taken each of them, firing before resolved, and the accounts must balance.
"""

import json
import os
import random
import secrets
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import psutil
from celery import Celery
from kombu.exceptions import OperationalError
from pydantic import TypeAdapter
from sqlalchemy import select
from support.mortal import Mortal
from support.servers import ROOT, free_port
from support.storm_receivers import Notes, Receivers

from watchfleet.clock import utcnow
from watchfleet.db.engine import in_transaction, transaction
from watchfleet.db.tables import outbox
from watchfleet.errors import StoreUnavailableError
from watchfleet.fleet import channel_queue
from watchfleet.model import AlertFacts, Destination, Message
from watchfleet.notify import pipeline
from watchfleet.notify.accounts import accounting
from watchfleet.notify.identity import fingerprint
from watchfleet.notify.incoming import of_rule
from watchfleet.notify.message import alone
from watchfleet.notify.policy import get_policy
from watchfleet.settings import get_settings

CHANNELS = ("log", "webhook", "email", "slack", "sentry")
RESOLVED = 0.4
RESTART = 0.5
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
"""Turns clocks, where it is installed."""
NOTIFICATIONS = "watchfleet.notifications"
RECIPIENT = "ops@example.com"
TOKEN = "xoxb-of-the-test"
_MESSAGE = TypeAdapter(Message)


class Arm(Enum):
    """What is in the storm: our fleet, or one that lacks what makes it safe."""

    OURS = "ours"
    NO_OUTBOX = "tasks that carry notifications, no outbox"
    NO_SWEEPER = "no sweeper"
    NO_FENCING = "outcomes without a fence, short leases"
    NO_RESTART = "no supervisor"


@dataclass(frozen=True)
class Shape:
    """How large and how rough a storm is.

    Attributes:
        alerts: How many fire.
        seconds: For how long they come.
        every: The shortest and the longest time between two faults.
        patience: Seconds without progress after which the rest is lost.
        faults: How many there are at least, on a machine however busy.
        limit: Seconds after which the rest is lost, whatever still happens.
    """

    alerts: int
    seconds: float
    every: tuple[float, float]
    patience: float = 180.0
    faults: int = 3
    limit: float = 600.0


@dataclass
class Outcome:
    """What a storm came to."""

    told: int
    lost_firing: int
    lost_resolved: int
    disorder: int
    doubled: int
    open: int
    unaccounted: int
    wire_duplicates: int
    dropped: int
    settled: float
    faults: Counter[str] = field(default_factory=Counter)

    @property
    def is_right(self) -> bool:
        wrong = (
            self.lost_firing,
            self.lost_resolved,
            self.disorder,
            self.doubled,
            self.open,
            self.unaccounted,
        )
        return not any(wrong)

    def __str__(self) -> str:
        faults = ", ".join(f"{count} x {what}" for what, count in sorted(self.faults.items()))
        return (
            f"{self.told} to tell, lost {self.lost_firing} firing and {self.lost_resolved} resolved, "
            f"{self.disorder} out of order, {self.doubled} doubled under another id, {self.open} open, "
            f"{self.unaccounted} unaccounted; {self.wire_duplicates} repeated under one id "
            f"({self.dropped} answers dropped); settled after {self.settled:.0f} s; {faults}"
        )


def configuration(receivers: Receivers, folder: Path) -> Path:
    """A notification configuration that tells every channel of every alert on its own."""
    path = folder / "watchfleet.yml"
    path.write_text(
        json.dumps(
            {
                "notify": {
                    "route": {
                        "receiver": "storm",
                        "group_by": ["..."],
                        "group_wait": "0s",
                        "group_interval": "1s",
                    },
                    "receivers": [
                        {
                            "name": "storm",
                            "log_configs": [{}],
                            "webhook_configs": [{"url": receivers.webhook, "timeout": "4s"}],
                            "email_configs": [
                                {
                                    "to": RECIPIENT,
                                    "smarthost": f"127.0.0.1:{receivers.smtp_port}",
                                    "require_tls": False,
                                    "digest_over": 0,
                                }
                            ],
                            "slack_configs": [
                                {
                                    "app_token": TOKEN,
                                    "app_url": receivers.slack,
                                    "channel": "C024BE91L",
                                    "rate_limit": 0,
                                    "digest_over": 0,
                                    "timeout": "4s",
                                }
                            ],
                            "sentry_configs": [{"dsn": receivers.sentry, "timeout": "4s"}],
                        }
                    ],
                }
            }
        )
    )
    return path


# --- the fleet's processes


class Fleet:
    """The processes, each started again half a second after it ended, unless the arm has no supervisor."""

    def __init__(self, arm: Arm, folder: Path) -> None:
        self._folder, self._restarts = folder, arm is not Arm.NO_RESTART
        self._commands = dict(_commands(arm))
        self._environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "src"), str(ROOT / "tests"))),
            "SCHEDULES": json.dumps({"watchfleet.upkeep.sweep_outbox": _sweep_period(arm)}),
        }
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._clocks: dict[str, dict[str, str]] = {}
        self._end, self._lock = threading.Event(), threading.Lock()
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Fleet":
        for name in self._commands:
            self._start(name)
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._watcher.join()
        for name in self._running:
            self.kill(name, tree=True)

    def kill(self, name: str, *, tree: bool = False) -> None:
        """Kill -9 of the process, and of its children if `tree`; a worker's children die with it anyway."""
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(self._running[name].pid)
            for each in [*(process.children(recursive=True) if tree else []), process]:
                with suppress(psutil.NoSuchProcess):
                    each.kill()
        self._running[name].wait(10)

    def kill_child(self, name: str) -> None:
        with suppress(psutil.NoSuchProcess, IndexError):
            psutil.Process(self._running[name].pid).children()[-1].kill()

    def turn_clock(self, name: str, seconds: float) -> None:
        """Kill a process; when it is started again, its clock is wrong by that much."""
        self._clocks[name] = {"LD_PRELOAD": str(FAKETIME), "FAKETIME": f"{seconds:+g}s"} if seconds else {}
        self.kill(name)

    def pause(self, name: str, seconds: float) -> None:
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(self._running[name].pid)
            process.suspend()
            time.sleep(seconds)
            process.resume()

    def log(self, name: str) -> str:
        return (self._folder / f"{name}.log").read_text(errors="replace")

    def wait_ready(self) -> None:
        end = time.monotonic() + 240
        while not all(" ready." in self.log(name) for name in ("alerts", "upkeep")):
            assert time.monotonic() < end, self.log("alerts")
            time.sleep(0.1)

    def _start(self, name: str) -> None:
        with (self._folder / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                self._commands[name],
                cwd=ROOT,
                env={**self._environment, **self._clocks.get(name, {})},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _watch(self) -> None:
        while not self._end.wait(RESTART):
            for name, process in list(self._running.items()):
                if self._restarts and process.poll() is not None and not self._end.is_set():
                    self._start(name)


def _commands(arm: Arm) -> Iterator[tuple[str, list[str]]]:
    celery = [sys.executable, "-m", "celery", "-A", "workers"]
    options = ["--without-gossip", "--without-mingle", "--loglevel=INFO"]
    include = {
        Arm.NO_OUTBOX: ["--include=support.direct_tasks"],
        Arm.NO_FENCING: ["--include=support.unfenced"],
    }
    queues = ",".join(channel_queue(name) for name in CHANNELS)
    alerts = [*celery, "worker", f"--queues={queues}", "--pool=threads", "--concurrency=8", *options]
    yield "alerts", [*alerts, "--hostname=alerts@%h", *include.get(arm, [])]
    if arm is Arm.NO_FENCING:
        yield "alerts-2", [*alerts, "--hostname=alerts2@%h", *include[arm]]
    upkeep = ["--queues=watchfleet.upkeep", "--pool=prefork", "--concurrency=1", "--hostname=upkeep@%h"]
    yield "upkeep", [*celery, "worker", *upkeep, *options, *include.get(arm, [])]
    yield "beat", [*celery, "beat", "--loglevel=INFO"]
    yield "dispatcher", [sys.executable, "-m", "workers.dispatcher"]
    gunicorn = [sys.executable, "-m", "gunicorn", "-c", "workers/gunicornconf.py"]
    yield "web", [*gunicorn, f"--bind=127.0.0.1:{free_port()}", "workers.web:app"]


def _sweep_period(arm: Arm) -> str:
    return "1h" if arm is Arm.NO_SWEEPER else "1s"


# --- alerts


@dataclass
class Ledger:
    """What was confirmed: (fingerprint, status) each."""

    entries: list[tuple[str, str]] = field(default_factory=list)
    ids: dict[str, tuple[str, str]] = field(default_factory=dict)


def facts_of(number: int, status: str, began: float) -> AlertFacts:
    labels = {"alertname": "Storm", "target": f"shop-{number}", "severity": "critical"}
    start = utcnow() if not began else utcnow() - timedelta(seconds=time.monotonic() - began)
    over = status == "resolved"
    annotations = {"summary": f"shop-{number} is {'up' if over else 'down'}"}
    return AlertFacts(
        labels,
        annotations,
        "resolved" if over else "firing",
        start,
        utcnow() if over else None,
        fingerprint(labels),
    )


def produce(arm: Arm, shape: Shape, ledger: Ledger, seed: int) -> None:
    """Have alerts fire and some of them end; each is noted when it was confirmed."""
    rng, began = random.Random(seed), time.monotonic()
    plan: list[tuple[float, int, str]] = []
    for number in range(shape.alerts):
        at = shape.seconds * 0.8 * number / shape.alerts
        plan.append((at, number, "firing"))
        if rng.random() < RESOLVED:
            plan.append((rng.uniform(at + 2, max(at + 3, shape.seconds)), number, "resolved"))
    started: dict[int, float] = {}
    confirm = _confirm_task() if arm is Arm.NO_OUTBOX else _confirm_store
    for at, number, status in sorted(plan):
        time.sleep(max(0.0, began + at - time.monotonic()))
        found = facts_of(number, status, started.get(number, 0.0))
        started.setdefault(number, time.monotonic())
        confirm(found, ledger)
        ledger.entries.append((found.fingerprint, status))


def _confirm_store(found: AlertFacts, ledger: Ledger) -> None:
    policy = get_policy(get_settings())

    def submit(connection: Any) -> None:
        pipeline.submit(connection, policy, [of_rule(found, utcnow())], utcnow(), wakes=False)

    in_transaction(submit, 120)


def _confirm_task() -> Callable[[AlertFacts, Ledger], None]:
    client = Celery(broker=os.environ["BROKER_URL"])
    client.conf.broker_transport_options = {"socket_timeout": 2, "socket_connect_timeout": 2}

    def confirm(found: AlertFacts, ledger: Ledger) -> None:
        for channel in CHANNELS:
            part = RECIPIENT if channel == "email" else ""
            name = secrets.token_hex(8)
            ledger.ids[name] = (found.fingerprint, found.status)
            message = {**_MESSAGE.dump_python(alone(found), mode="json"), "delivery_id": name, "part": part}
            arguments = [list(Destination(channel, "storm", 0, part)), message]
            _until_taken(partial(client.send_task, "storm.direct", arguments, queue=channel_queue(channel)))

    return confirm


def _until_taken(publish: Callable[[], object]) -> None:
    for _ in range(100):
        try:
            publish()
        except (OperationalError, OSError):
            time.sleep(0.3)
        else:
            return


# --- faults


def faults(
    fleet: Fleet, postgres: Mortal, valkey: Mortal, receivers: Receivers
) -> dict[str, Callable[[], None]]:
    def restart(server: Mortal) -> None:
        server.kill()
        time.sleep(0.5)
        server.start()

    def cut() -> None:
        receivers.relay.cut()
        time.sleep(1.5)
        receivers.relay.mend()

    turns = cycle((600.0, -600.0, 0.0))
    jump = {"clock of the worker that sends": lambda: fleet.turn_clock("alerts", next(turns))}
    return {
        **(jump if FAKETIME else {}),
        "kill -9 of Redis": partial(restart, valkey),
        "kill -9 of PostgreSQL": partial(restart, postgres),
        "kill -9 of the worker that sends": partial(fleet.kill, "alerts"),
        "kill -9 of the worker that sweeps": partial(fleet.kill, "upkeep"),
        "kill -9 of a child": partial(fleet.kill_child, "upkeep"),
        "kill -9 of beat": partial(fleet.kill, "beat"),
        "kill -9 of the dispatcher": partial(fleet.kill, "dispatcher"),
        "kill -9 of web": partial(fleet.kill, "web", tree=True),
        "SIGSTOP of the worker that sends": partial(fleet.pause, "alerts", 3.0),
        "cut of a receiver's line": cut,
    }


def rage(every: Mapping[str, Callable[[], None]], shape: Shape, rng: random.Random) -> Counter[str]:
    """One fault after the other, each once before any comes again."""
    done: Counter[str] = Counter()
    end, queue = time.monotonic() + shape.seconds, list[str]()
    while time.monotonic() < end or done.total() < shape.faults:
        time.sleep(rng.uniform(*shape.every))
        queue = queue or rng.sample(sorted(every), len(every))
        name = queue.pop()
        every[name]()
        done[name] += 1
    return done


# --- the end


def storm(
    arm: Arm,
    shape: Shape,
    folder: Path,
    *,
    servers: tuple[Mortal, Mortal],
    receivers: Receivers,
    notes: Notes,
    seed: int,
    only: Sequence[str] = (),
    others: Mapping[str, Callable[[], None]],
) -> Outcome:
    """Let alerts come and faults rage, then wait until all is told, and compare with the ledger."""
    ledger = Ledger()
    with Fleet(arm, folder) as fleet:
        fleet.wait_ready()
        producer = threading.Thread(target=produce, args=(arm, shape, ledger, seed), daemon=True)
        producer.start()
        known = {**faults(fleet, *servers, receivers), **others}
        chosen = {name: known[name] for name in only or known}
        raged = rage(chosen, shape, random.Random(seed))
        producer.join(180)
        assert not producer.is_alive(), "the producer did not get through"
        began = time.monotonic()
        _settle(arm, shape, ledger, notes, fleet)
        settled = time.monotonic() - began
        outcome = _compare(arm, ledger, notes, fleet)
    outcome.settled, outcome.faults = settled, raged
    return outcome


def _settle(arm: Arm, shape: Shape, ledger: Ledger, notes: Notes, fleet: Fleet) -> None:
    """Wait until everything is told and terminal, or nothing has happened for long."""
    last, since = (-1, -1), time.monotonic()
    end = since + shape.limit
    while time.monotonic() < min(end, since + shape.patience):
        rows = _rows()
        open_rows = sum(row.state in {"pending", "sending", "retry"} for row in rows)
        taken = _taken(notes, fleet)
        ids = _meanings(arm, ledger, rows)
        if not open_rows and not _missing(ledger, taken, ids):
            return
        if (open_rows, len(taken)) != last:
            last, since = (open_rows, len(taken)), time.monotonic()
        time.sleep(0.5)


def _rows() -> list[Any]:
    columns = (outbox.c.delivery_id, outbox.c.state, outbox.c.channel, outbox.c.message)
    with suppress(StoreUnavailableError), transaction() as connection:
        return list(connection.execute(select(*columns)))
    return []


def _meanings(arm: Arm, ledger: Ledger, rows: Sequence[Any]) -> dict[str, list[tuple[str, str]]]:
    """What each delivery tells of."""
    if arm is Arm.NO_OUTBOX:
        return {name: [entry] for name, entry in ledger.ids.items()}
    return {
        row.delivery_id: [(each["fingerprint"], each["status"]) for each in row.message["alerts"]]
        for row in rows
    }


def _taken(notes: Notes, fleet: Fleet) -> list[tuple[str, str]]:
    found = [(each.channel, each.delivery_id) for each in list(notes.taken)]
    for line in fleet.log("alerts").splitlines() + _second_log(fleet):
        if NOTIFICATIONS in line:
            with suppress(ValueError, KeyError):  # a line that a kill has cut
                found.append(("log", json.loads(json.loads(line)["message"])["delivery_id"]))
    return found


def _second_log(fleet: Fleet) -> list[str]:
    with suppress(OSError):
        return fleet.log("alerts-2").splitlines()
    return []


def _missing(
    ledger: Ledger, taken: Sequence[tuple[str, str]], ids: Mapping[str, list[tuple[str, str]]]
) -> Counter[str]:
    told = {(channel, *entry) for channel, name in taken for entry in ids.get(name, ())}
    lost: Counter[str] = Counter()
    for entry in set(ledger.entries):
        lost[entry[1]] += sum((channel, *entry) not in told for channel in CHANNELS)
    return +lost


def _compare(arm: Arm, ledger: Ledger, notes: Notes, fleet: Fleet) -> Outcome:
    rows, taken = _rows(), _taken(notes, fleet)
    ids = _meanings(arm, ledger, rows)
    lost = _missing(ledger, taken, ids)
    names: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    ended: set[tuple[str, str]] = set()
    disorder = 0
    for channel, name in taken:
        for alert, status in ids.get(name, ()):
            names[channel, alert, status].add(name)
            if status == "resolved":
                ended.add((channel, alert))
            elif (channel, alert) in ended:
                disorder += 1
    with transaction() as connection:
        counts = accounting(connection)
    return Outcome(
        told=len(set(ledger.entries)) * len(CHANNELS),
        lost_firing=lost["firing"],
        lost_resolved=lost["resolved"],
        disorder=disorder,
        doubled=sum(len(found) - 1 for found in names.values()),
        open=counts["open"],
        unaccounted=abs(counts["unaccounted"]),
        wire_duplicates=len(taken) - len(set(taken)),
        dropped=notes.dropped,
        settled=0.0,
    )
