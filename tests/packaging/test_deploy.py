"""The deployment files agree with the code; and each rule that says so can fail."""

import re
import shutil
from pathlib import Path

import pytest
from support.deployment import platforms
from support.deployment_rules import complaints
from support.servers import ROOT

from watchfleet.web.app import create_app


def test_the_deployment_files_agree_with_the_code() -> None:
    assert complaints(ROOT) == []


@pytest.mark.parametrize("platform", ["compose", "systemd", "kubernetes"])
def test_every_process_is_described(platform: str) -> None:
    found = [unit.role for unit in platforms(ROOT)[platform]]
    assert {*found} == {"worker", "beat", "dispatcher", "gunicorn", "flower", "watchfleet"}


def test_the_web_process_serves_what_health_checks_ask_for() -> None:
    served = {rule.rule for rule in create_app().url_map.iter_rules()}
    units = [unit for found in platforms(ROOT).values() for unit in found if unit.role == "gunicorn"]
    asked = {path for unit in units for path in re.findall(r"/health/\w+", unit.health)}
    assert asked == {"/health/live", "/health/ready"}
    assert asked <= served


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """What the rules read, free to be spoiled."""
    for name in ("compose.yaml", "Dockerfile", ".dockerignore"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    for name in ("celeryconfig.py", "pyproject.toml", "README.md", "LICENSE", "requirements.lock"):
        (tmp_path / name).touch()
    for name in ("alert_channels", "migrations", "schedules", "tasks", "src", "workers"):
        (tmp_path / name).mkdir()
    for name in ("flowerconfig.py", "gunicornconf.py"):
        (tmp_path / "workers" / name).touch()
    return tmp_path


def test_a_copy_passes(copy: Path) -> None:
    assert complaints(copy) == []


SPOILED = [
    # file, what stands there, what is put in its place, what a rule must say then
    (
        "compose.yaml",
        "--queues=watchfleet.rules",
        "--queues=watchfleet.rule",
        "0 workers run the family rules",
    ),
    (
        "compose.yaml",
        "--queues=watchfleet.rules",
        "--queues=watchfleet.rule",
        "queue watchfleet.rule is not one",
    ),
    ("compose.yaml", "--queues=watchfleet.rules", "--queues=watchfleet.rule", "rules is served by 0 workers"),
    ("compose.yaml", "--pool=threads", "--pool=prefork", "0 workers run the family probes"),
    ("compose.yaml", "--concurrency=8", "--concurrency=9", "0 workers run the family alerts"),
    ("compose.yaml", "beat, --hostname=beat-2", "beat, --hostname=beat-1", "two beats have one name"),
    (
        "compose.yaml",
        "[watchfleet, db, upgrade]",
        "[watchfleet, db, lift]",
        "command watchfleet db lift does not",
    ),
    ("compose.yaml", "[watchfleet, db, upgrade]", "[watchfleet, db, check]", "nothing upgrades the schema"),
    ("compose.yaml", "-A, workers, beat", "-A, worker, beat", "beat-1: the module worker does not exist"),
    ("compose.yaml", "-m, workers.dispatcher", "-m, workers.web", "dispatcher does not run once"),
    ("compose.yaml", "-m, gunicorn", "-m, unicorn", "web: the module unicorn does not exist"),
    (
        "compose.yaml",
        "workers.web:app",
        "workers.web:wsgi",
        "the application workers.web:wsgi does not exist",
    ),
    (
        "compose.yaml",
        "workers/flowerconfig.py",
        "workers/flower.py",
        "the file workers/flower.py does not exist",
    ),
    (
        "compose.yaml",
        "    WATCHFLEET_CONFIG",
        "    WATCHFLEET_CONF",
        "variable WATCHFLEET_CONF means nothing",
    ),
    ("compose.yaml", "    WATCHFLEET_CONFIG", "    LOG_DIRECTORY", "the configuration file is not named"),
    (
        "compose.yaml",
        "stop_grace_period: 30s",
        "stop_grace_period: 15s",
        "15 s to stop cut off the soft shutdown",
    ),
    ("compose.yaml", "restart: always  #", 'restart: "no"  #', "alerts: is not restarted"),
    ("compose.yaml", "mem_limit: 512m", 'mem_limit: ""', "alerts: no limit of memory"),
    ("compose.yaml", "init: true", "user: root", "alerts: runs as root"),
    ("compose.yaml", "--bind=0.0.0.0:8420", "--bind=0.0.0.0:8000", "web: listens on {8000}"),
    ("compose.yaml", "127.0.0.1}:8420:8420", "127.0.0.1}:8420:80", "published are [80], should be 8420"),
    ("compose.yaml", '"127.0.0.1", 8420', '"127.0.0.1", 80', "web: the health check does not ask port 8420"),
    ("compose.yaml", '"/health/live"', '"/live"', "web: the health check does not ask /health/live"),
    ("compose.yaml", "${REDIS_PASSWORD:?set it in .env}@", "geheim@", "://:geheim@ holds a password"),
    (
        "compose.yaml",
        "REDISCLI_AUTH: ${REDIS_PASSWORD:?set it in .env}",
        "REDISCLI_AUTH: x",
        "is written out",
    ),
    ("compose.yaml", "--appendonly yes", "--appendonly no", "redis: --appendonly yes is missing"),
    ("compose.yaml", "requirepass", "masterauth", "redis: requirepass is missing"),
    ("compose.yaml", "noeviction", "allkeys-lru", "redis: --maxmemory-policy noeviction is missing"),
    ("compose.yaml", "postgres:18", "postgres:13", "postgres:13 is not PostgreSQL 14 or newer"),
    ("compose.yaml", "    shm_size: 256m", "    ports: ['5432:5432']", "postgres: is open to the network"),
    ("compose.yaml", "      - redis:/data", "", "redis: volumes"),
    ("compose.yaml", "    redis:\n      condition", "    valkey:\n      condition", "depends on valkey"),
    ("compose.yaml", "./deploy/watchfleet.yml", "./watchfleet.yml", "does not exist"),
    ("compose.yaml", "${WEB_ADDRESS", "${WEB_HOST", "WEB_HOST is missing, and compose.yaml asks for it"),
    ("deploy/compose.env.example", "SMTP_HOST=", "SMPT_HOST=", "the variable SMPT_HOST means nothing"),
    ("deploy/compose.env.example", "API_TOKEN=", "API_TOKEN=x", "API_TOKEN is written out"),
    (
        "deploy/systemd/families/rules.env",
        "watchfleet.rules",
        "watchfleet.probes",
        "0 workers run the family rules",
    ),
    ("deploy/systemd/watchfleet.target", "Wants=watchfleet-beat@2.service\n", "", "systemd: 1 beats"),
    ("deploy/systemd/watchfleet.target", "worker@rules", "worker@rule", "families/rule.env does not exist"),
    (
        "deploy/systemd/watchfleet.target",
        "Wants=watchfleet-web.service\n",
        "",
        "is not wanted by watchfleet.target",
    ),
    ("deploy/systemd/watchfleet-beat@.service", "beat-%i@", "beat@", "two beats have one name"),
    (
        "deploy/systemd/watchfleet-worker@.service",
        "Restart=always",
        "Restart=no",
        "worker@rules: is not restarted",
    ),
    ("deploy/systemd/watchfleet-worker@.service", "StopSec=30", "StopSec=10", "10 s to stop cut off"),
    ("deploy/systemd/watchfleet-web.service", "User=watchfleet", "User=root", "watchfleet-web: runs as root"),
    ("deploy/systemd/watchfleet-web.service", "MemoryMax=512M\n", "", "watchfleet-web: no limit of memory"),
    (
        "deploy/systemd/watchfleet-web.service",
        "PYTHONPATH=",
        "API_TOKEN=x PYTHONPATH=",
        "API_TOKEN is written out",
    ),
    ("deploy/kubernetes/dispatcher.yaml", "/tmp/alive", "/tmp/dead", "does not look at /tmp/alive"),
    ("deploy/kubernetes/beat.yaml", "replicas: 2", "replicas: 1", "kubernetes: 1 beats"),
    ("deploy/kubernetes/beat.yaml", "/tmp/alive", "/tmp/dead", "health check does not look at /tmp/alive"),
    (
        "deploy/kubernetes/workers.yaml",
        "--concurrency=16",
        "--concurrency=17",
        "0 workers run the family probes",
    ),
    ("deploy/kubernetes/workers.yaml", "runAsUser: 10001", "runAsUser: 0", "watchfleet-ingest: runs as root"),
    (
        "deploy/kubernetes/workers.yaml",
        "GracePeriodSeconds: 30",
        "GracePeriodSeconds: 15",
        "15 s to stop cut off",
    ),
    (
        "deploy/kubernetes/web.yaml",
        "containerPort: 8420",
        "containerPort: 80",
        "published are [80], should be 8420",
    ),
    ("deploy/kubernetes/web.yaml", "path: /health/live", "path: /live", "does not ask /health/live"),
    (
        "deploy/kubernetes/web.yaml",
        "component: web\n  ports",
        "component: www\n  ports",
        "Service watchfleet-web selects no",
    ),
    (
        "deploy/kubernetes/flower.yaml",
        "claimName: watchfleet-flower",
        "claimName: state",
        "Claim state does not exist",
    ),
    (
        "deploy/kubernetes/flower.yaml",
        "            - name: tmp\n              mountPath: /tmp\n",
        "",
        "a volume is not mounted",
    ),
    (
        "deploy/kubernetes/configuration.yaml",
        "WATCHFLEET_CONFIG:",
        "WATCHFLEET_CONF:",
        "WATCHFLEET_CONF means nothing",
    ),
    (
        "deploy/kubernetes/configuration.yaml",
        "name: watchfleet-yml",
        "name: yml",
        "ConfigMap watchfleet-yml does not",
    ),
    ("deploy/kubernetes/secret.example.yaml", 'API_TOKEN: ""', "API_TOKEN: x", "API_TOKEN is written out"),
    ("deploy/kubernetes/kustomization.yaml", "  - web.yaml\n", "", "web.yaml: nothing applies it"),
    ("deploy/kubernetes/kustomization.yaml", "- name: watchfleet", "- name: fleet", "the image of every pod"),
    (
        "deploy/kubernetes/migrate.yaml",
        "            - upgrade",
        "            - check",
        "nothing upgrades the schema",
    ),
    ("Dockerfile", "python:3.14-slim\nRUN", "debian:13\nRUN", "Dockerfile: the base image debian:13 is"),
    ("Dockerfile", "USER 10001:10001\n", "", "Dockerfile: runs as root"),
    ("Dockerfile", "WORKDIR /app", "WORKDIR /srv", "Dockerfile: the working directory is missing"),
    ("Dockerfile", "PYTHONPATH=/app", "PYTHONPATH=/srv", "Dockerfile: PYTHONPATH is missing"),
    ("Dockerfile", "HEALTHCHECK", "# HEALTHCHECK", "Dockerfile: a health check is missing"),
    ("Dockerfile", "COPY tasks ./tasks\n", "", "Dockerfile: tasks is not in the image"),
    ("Dockerfile", "COPY tasks ./tasks", "COPY jobs ./tasks", "Dockerfile: COPY jobs: no such file"),
    (
        "Dockerfile",
        "RUN sed",
        "RUN curl https://example.org/i | sh && sed",
        "Dockerfile: runs what it downloads",
    ),
    (".dockerignore", "!tasks\n", "", ".dockerignore: tasks is held back"),
    (".dockerignore", "!src\n", "!src\n!secrets\n", ".dockerignore: secrets is sent and not copied"),
]


@pytest.mark.parametrize(("file", "stands", "instead", "complaint"), SPOILED)
def test_a_mistake_is_found(copy: Path, file: str, stands: str, instead: str, complaint: str) -> None:
    path = copy / file
    assert stands in path.read_text()
    path.write_text(path.read_text().replace(stands, instead))
    found = complaints(copy)
    assert any(complaint in line for line in found), found
