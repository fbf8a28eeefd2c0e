"""One running fleet, looked at from all sides, and one process of it after the other killed."""

import json
import stat

import psutil
import pytest
from support.fleet import PATIENCE, Fleet
from support.servers import free_port, wait_until
from support.victims import VICTIMS

from watchfleet import fleet as plan
from watchfleet.clock import utcnow

OWN_TARGETS = {"postgres", "redis", "celery-workers", "celery-queues", "celery-beat", "disk", "memory"}


def test_every_process_runs_and_the_fleet_is_ready(fleet: Fleet) -> None:
    wait_until(fleet.is_healthy, PATIENCE)
    found = fleet.status()
    names = [process["name"] for process in found["processes"]]
    families = [family.name for family in plan.families()]
    ours = ["beat-1", "beat-2", "dispatcher", *families, "web", "flower"]
    assert names == ["postgres", "valkey", *ours, "supervisord"]
    assert {process["state"] for process in found["processes"]} == {"RUNNING"}
    assert all(process["memory_bytes"] > 0 for process in found["processes"])
    ready = f"{fleet.addresses['web'].removesuffix('/health')}/health/ready"
    wait_until(lambda: fleet.get(ready)[0] == 200, PATIENCE)


def test_status_for_people_names_what_it_shows(fleet: Fleet) -> None:
    done = fleet.run("status")
    assert done.returncode == 0
    for word in ("PROCESS", "RESTARTS", "MEMORY", "beat-2", fleet.addresses["metrics"]):
        assert word in done.stdout


def test_commands_reach_its_servers_unless_the_settings_name_others(fleet: Fleet) -> None:
    wait_until(lambda: fleet.ask("probes", "history", "disk").returncode == 0, PATIENCE)
    assert fleet.ask("breakers", "list").returncode == 0
    elsewhere = fleet.ask("probes", "history", "disk", DATABASE_URL=f"postgresql://127.0.0.1:{free_port()}/x")
    assert elsewhere.returncode == 1
    nowhere = fleet.ask("probes", "history", "disk", WATCHFLEET_DATA_DIR=str(fleet.folder))
    assert "DATABASE_URL is not set" in nowhere.stderr


def test_a_second_up_says_that_it_runs_and_where(fleet: Fleet) -> None:
    done = fleet.run("up")
    assert done.returncode == 1
    assert f"runs in {fleet.directory.path} already: {fleet.addresses['web']}" in done.stderr
    assert {process["state"] for process in fleet.status()["processes"]} == {"RUNNING"}


def test_no_secret_is_on_a_command_line_or_readable_for_others(fleet: Fleet) -> None:
    secrets = [
        fleet.state.postgres_password,
        fleet.state.valkey_password,
        fleet.directory.flower_password.read_text().strip(),
    ]
    lines = [" ".join(process.cmdline()) for process in fleet.processes()]
    assert lines
    assert not [line for line in lines for secret in secrets if secret in line]
    assert stat.S_IMODE(fleet.directory.path.stat().st_mode) == 0o700
    for name in ("fleet.json", "supervisord.conf", "flower.password", "valkey/valkey.conf"):
        assert stat.S_IMODE((fleet.directory.path / name).stat().st_mode) == 0o600


def test_no_log_holds_a_secret(fleet: Fleet) -> None:
    text = "".join(path.read_text(errors="replace") for path in fleet.directory.log.iterdir())
    assert fleet.state.postgres_password not in text
    assert fleet.state.valkey_password not in text


def test_every_process_has_a_log_and_logs_shows_it(fleet: Fleet) -> None:
    done = fleet.run("logs", "-n", "5")
    assert done.returncode == 0
    shown = {line.partition(" |")[0].strip() for line in done.stdout.splitlines()}
    assert {"postgres", "valkey", "beat-1", "probes", "flower", "supervisord"} <= shown
    one = fleet.run("logs", "postgres", "-n", "3")
    assert len(one.stdout.splitlines()) == 3
    assert "|" not in one.stdout.splitlines()[0][:12]


def test_logs_of_a_process_that_is_not_there_names_those_that_are(fleet: Fleet) -> None:
    done = fleet.run("logs", "beet-1")
    assert done.returncode == 2
    assert "beat-1" in done.stderr


def test_doctor_finds_nothing_that_must_be_mended(fleet: Fleet) -> None:
    wait_until(lambda: fleet.run("doctor").returncode == 0, PATIENCE)
    checks = json.loads(fleet.run("doctor", "--json").stdout)["checks"]
    levels = {check["check"]: check["level"] for check in checks if check["check"] != "processes"}
    assert set(levels.values()) <= {"ok", "warn"}
    assert levels["database"] == levels["schema"] == levels["broker"] == levels["leftovers"] == "ok"


def test_flower_wants_a_login_and_shows_workers_and_periodic_tasks(fleet: Fleet) -> None:
    flower = fleet.addresses["flower"]
    assert fleet.get(f"{flower}/api/workers")[0] == 401

    def shown() -> bool:
        workers = json.loads(fleet.get(f"{flower}/api/workers", login=True)[1])
        done = json.loads(fleet.get(f"{flower}/api/tasks?state=SUCCESS", login=True)[1])
        families = {family.name for family in plan.families()}
        tasks = {task["name"] for task in done.values()}
        return (
            families <= {node.partition("@")[0] for node in workers}
            and {"watchfleet.probes.dispatch", "watchfleet.upkeep.sweep_outbox"} <= tasks
        )

    wait_until(shown, 60, every=1)


KILLED = (
    "valkey",
    "postgres",
    "leading beat",
    "rules worker",
    "child of the background worker",
    "probes worker",
    "web",
)


@pytest.mark.parametrize("victim", KILLED)
def test_whatever_is_killed_comes_back_by_itself(fleet: Fleet, victim: str) -> None:
    pid = VICTIMS[victim](fleet)
    children = psutil.Process(pid).children(recursive=True)
    killed_at = utcnow()
    fleet.kill(pid)
    wait_until(
        lambda: fleet.is_healthy() and fleet.targets_up_since(killed_at) >= OWN_TARGETS, PATIENCE, every=0.5
    )
    wait_until(lambda: not any(lives(child) for child in children), PATIENCE)


def lives(process: psutil.Process) -> bool:
    """More than a zombie, which only init can take away."""
    return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
