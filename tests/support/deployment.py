"""What the deployment files say, read into one form: compose.yaml, systemd units, Kubernetes manifests."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

INSTALLED = "/opt/watchfleet/"
"""Where the systemd units expect the checkout."""


@dataclass
class Unit:
    """One process as a deployment file describes it.

    `health` is what its health checks ask for: commands and paths; `file` is where it is described.
    """

    file: str
    name: str
    command: list[str]
    environment: dict[str, str]
    restarts: bool = False
    replicas: int = 1
    grace: float = 0
    memory: str = ""
    user: str = ""
    ports: list[int] = field(default_factory=list)
    health: str = ""

    @property
    def role(self) -> str:
        """`worker`, `beat`, `dispatcher`, `flower`, `gunicorn` or `watchfleet`."""
        roles = {"worker", "beat", "flower", "gunicorn", "workers.dispatcher"}
        words = [word.removeprefix("workers.") for word in self.command if word in roles]
        return words[0] if words else Path(self.command[0]).name


def platforms(root: Path) -> dict[str, list[Unit]]:
    """Every process of the fleet by platform."""
    image = image_environment(root)
    return {
        "compose": list(compose(root, image)),
        "systemd": list(systemd(root)),
        "kubernetes": list(kubernetes(root, image)),
    }


def dockerfile(root: Path) -> list[tuple[str, str]]:
    """The Dockerfile's instructions with their arguments, without comments, lines joined."""
    text = re.sub(r"(?m)^\s*#.*\n", "", (root / "Dockerfile").read_text())
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines if line.strip())]


def image_environment(root: Path) -> dict[str, str]:
    """The variables that the image sets."""
    words = [word for name, rest in dockerfile(root) if name == "ENV" for word in shlex.split(rest)]
    return dict(word.split("=", 1) for word in words)


def image_user(root: Path) -> str:
    """The user that the image's processes run as."""
    return ([rest for name, rest in dockerfile(root) if name == "USER"] or ["root"])[-1]


def example_variables(path: Path) -> dict[str, str]:
    """The variables of an environment file, those in comments left out."""
    lines = [line for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")]
    return {name: value.strip('"') for name, _, value in (line.partition("=") for line in lines)}


def compose_services(root: Path) -> dict[str, dict[str, Any]]:
    """Every service of compose.yaml, merged."""
    services: dict[str, dict[str, Any]] = _yaml((root / "compose.yaml").read_text())[0]["services"]
    return services


def compose(root: Path, image: dict[str, str]) -> Iterator[Unit]:
    for name, service in compose_services(root).items():
        if service["image"].startswith("watchfleet:"):
            yield Unit(
                "compose.yaml",
                name,
                service["command"],
                {**image, **service["environment"]},
                restarts=service["restart"] in {"always", "on-failure"},
                grace=float(service["stop_grace_period"].removesuffix("s")),
                memory=service["mem_limit"],
                user=service.get("user", image_user(root)),
                ports=[int(port.rpartition(":")[2]) for port in service.get("ports", [])],
                health=str(service.get("healthcheck", "")),
            )


def systemd(root: Path) -> Iterator[Unit]:
    folder = root / "deploy" / "systemd"
    for wanted in sections(folder / "watchfleet.target")["Unit"]["Wants"]:
        template, at, instance = wanted.removesuffix(".service").partition("@")
        file = folder / f"{template}{at}.service"
        service = sections(file, instance)["Service"]
        environment = _systemd_environment(root, service)
        yield Unit(
            f"deploy/systemd/{file.name}",
            wanted.removesuffix(".service"),
            list(_expanded(service["ExecStart"][-1], environment)),
            environment,
            restarts=service["Restart"][-1] in {"always", "on-failure"},
            grace=float(service.get("TimeoutStopSec", ["90"])[-1]),
            memory=service.get("MemoryMax", [""])[-1],
            user=service.get("User", ["root"])[-1],
        )


def sections(file: Path, instance: str = "") -> dict[str, dict[str, list[str]]]:
    """A unit file: section, key, values in their order; a key may stand more than once."""
    found: dict[str, dict[str, list[str]]] = {}
    section = ""
    for line in file.read_text().splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith(("#", ";")):
            key, _, value = line.partition("=")
            value = re.sub(r"%(.)", lambda match: {"%": "%", "i": instance}[match[1]], value)
            found.setdefault(section, {}).setdefault(key, []).append(value)
    return found


def environment_files(service: dict[str, list[str]]) -> list[str]:
    """The environment files of a unit that are files of ours."""
    files = service.get("EnvironmentFile", [])
    return [file.removeprefix(INSTALLED) for file in files if file.startswith(INSTALLED)]


def _systemd_environment(root: Path, service: dict[str, list[str]]) -> dict[str, str]:
    words = [word for line in service.get("Environment", []) for word in shlex.split(line)]
    found = dict(word.split("=", 1) for word in words)
    for file in environment_files(service):
        found |= example_variables(root / file) if (root / file).exists() else {}
    return found


def _expanded(command: str, environment: dict[str, str]) -> Iterator[str]:
    for word in shlex.split(command):
        yield from shlex.split(environment.get(word[1:], "")) if word.startswith("$") else [word]


def manifests(root: Path) -> list[tuple[str, dict[str, Any]]]:
    """Every Kubernetes object with the name of its file: what kustomize applies, and the Secret."""
    folder = root / "deploy" / "kubernetes"
    names = kustomization(root)["resources"]
    return [
        (f"deploy/kubernetes/{name}", document)
        for name in (*names, "secret.example.yaml")
        for document in _yaml((folder / name).read_text())
    ]


def kustomization(root: Path) -> dict[str, Any]:
    """What `kubectl apply -k` reads first."""
    (found,) = _yaml((root / "deploy" / "kubernetes" / "kustomization.yaml").read_text())
    return found


@lru_cache
def _yaml(text: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(text))


def kubernetes(root: Path, image: dict[str, str]) -> Iterator[Unit]:
    shared = kubernetes_environment(root)
    for file, document in manifests(root):
        if document["kind"] in {"Deployment", "Job"}:
            pod = document["spec"]["template"]["spec"]
            (container,) = pod["containers"]
            own = {item["name"]: item["value"] for item in container.get("env", [])}
            yield Unit(
                file,
                document["metadata"]["name"],
                container["command"],
                {**image, **shared, **own},
                restarts=pod.get("restartPolicy", "Always") != "Never",
                replicas=document["spec"].get("replicas", 1),
                grace=pod.get("terminationGracePeriodSeconds", 30),
                memory=container["resources"]["limits"]["memory"],
                user=str(pod["securityContext"].get("runAsUser", "root")),
                ports=[port["containerPort"] for port in container.get("ports", [])],
                health=str([container.get(f"{kind}Probe") for kind in ("liveness", "readiness")]),
            )


def kubernetes_environment(root: Path) -> dict[str, str]:
    """The variables of the ConfigMap and of the example Secret that every container gets."""
    found: dict[str, str] = {}
    for _, document in manifests(root):
        if document["metadata"]["name"] == "watchfleet" and document["kind"] in {"ConfigMap", "Secret"}:
            found |= document.get("data", {}) | document.get("stringData", {})
    return found
