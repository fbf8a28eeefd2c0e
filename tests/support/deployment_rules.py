"""What must hold for the deployment files; each rule yields a line for each place that breaks it."""

import ast
import importlib.util
import itertools
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from support import settings_names
from support.deployment import (
    Unit,
    compose_services,
    dockerfile,
    environment_files,
    example_variables,
    image_user,
    kustomization,
    manifests,
    platforms,
    sections,
)

import celeryconfig
from watchfleet import fleet
from watchfleet.cli import cli
from watchfleet.embedded.state import DEFAULT_FLOWER_PORT, DEFAULT_WEB_PORT
from workers import liveness

FAMILIES = fleet.families()
QUEUES = fleet.queue_names()
SERVERS = {"POSTGRES_PASSWORD", "POSTGRES_USER", "POSTGRES_DB", "REDISCLI_AUTH", "REDIS_PASSWORD"}
"""Variables of PostgreSQL's and Redis's images, and of compose.yaml itself."""
COMPOSE = {"WATCHFLEET_VERSION", "WATCHFLEET_YML", "WEB_ADDRESS", "FLOWER_ADDRESS"}
SECRETS = settings_names.secrets() | {
    "FLOWER_BASIC_AUTH",
    "POSTGRES_PASSWORD",
    "REDISCLI_AUTH",
    "REDIS_PASSWORD",
}
EXAMPLES = ("deploy/compose.env.example", "deploy/systemd/watchfleet.env.example")
NEEDED = (
    "alert_channels",
    "celeryconfig.py",
    "migrations",
    "pyproject.toml",
    "schedules",
    "tasks",
    "workers",
)
"""What the fleet's processes read beside the installed package."""
INLINE_PASSWORD = re.compile(r"://[^\s:/@]*:(?!\$\{|PASSWORD@)[^\s@/]+@")


def complaints(root: Path) -> list[str]:
    """Everything that is wrong in the deployment files below `root`."""
    found = [
        f"{platform}: {line}"
        for platform, units in platforms(root).items()
        for rule in (families, beats, roles, commands, variables, ports, limits)
        for line in rule(units, root)
    ]
    for rule in (image, redis, servers, inline_secrets, examples, references):
        found += rule(root)
    return found


def families(units: list[Unit], _root: Path) -> Iterator[str]:
    """Every family runs once, with exactly its own arguments; so every queue is served once."""
    commands = [unit.command[unit.command.index("worker") :] for unit in units if unit.role == "worker"]
    for family in FAMILIES:
        count = commands.count(family.arguments())
        if count != 1:
            yield f"{count} workers run the family {family.name} with its arguments"
    served = Counter(
        queue
        for command in commands
        for argument in command
        if argument.startswith("--queues=")
        for queue in argument.removeprefix("--queues=").split(",")
    )
    for queue in sorted({*served, *QUEUES}):
        if queue not in QUEUES:
            yield f"queue {queue} is not one of the fleet"
        elif served[queue] != 1:
            yield f"queue {queue} is served by {served[queue]} workers"


def beats(units: list[Unit], _root: Path) -> Iterator[str]:
    """Two beats, told apart by their names."""
    found = [unit for unit in units if unit.role == "beat"]
    if sum(unit.replicas for unit in found) != 2:
        yield f"{sum(unit.replicas for unit in found)} beats"
    if len({tuple(unit.command) for unit in found}) != len(found):
        yield "two beats have one name"


def roles(units: list[Unit], _root: Path) -> Iterator[str]:
    """A web process, a Flower, a dispatcher, and one step that upgrades the schema."""
    for role in ("gunicorn", "flower", "dispatcher"):
        if sum(unit.role == role for unit in units) != 1:
            yield f"{role} does not run once"
    if [unit.command[-2:] for unit in units if unit.role == "watchfleet"] != [["db", "upgrade"]]:
        yield "nothing upgrades the schema"


def commands(units: list[Unit], root: Path) -> Iterator[str]:
    """Every module, application, file and subcommand that a command names exists."""
    for unit in units:
        for what in _missing(unit.command, root):
            yield f"{unit.name}: {what} does not exist"


def _missing(command: list[str], root: Path) -> Iterator[str]:
    program, *rest = command
    if Path(program).name == "watchfleet":
        group = cli.get_command(None, rest[0])  # type: ignore[arg-type]  # the context is not used
        if group is None or rest[1] not in getattr(group, "commands", {}):
            yield f"the command watchfleet {' '.join(rest)}"
        return
    for option, value in itertools.pairwise(rest):
        if option in {"-m", "-A"} and importlib.util.find_spec(value) is None:
            yield f"the module {value}"
    for word in rest:
        module, colon, attribute = word.partition(":")
        is_application = colon and re.fullmatch(r"[a-z_.]+:[a-z_]+", word)
        if is_application and not _defines(module, attribute):
            yield f"the application {word}"
        if word.startswith(("--conf=", "--config=")) and not (root / word.partition("=")[2]).is_file():
            yield f"the file {word.partition('=')[2]}"


def _defines(module: str, attribute: str) -> bool:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        return False
    targets = [
        target
        for statement in ast.parse(Path(spec.origin).read_text()).body
        if isinstance(statement, ast.Assign)
        for target in statement.targets
    ]
    return any(isinstance(target, ast.Name) and target.id == attribute for target in targets)


def variables(units: list[Unit], _root: Path) -> Iterator[str]:
    """Every variable is a setting, or one of those known by name; workers and beats have what they need."""
    known = {
        *settings_names.OTHERS,
        *itertools.chain(*settings_names.variables().values()),
        "WORKER_ARGUMENTS",
    }
    for unit in units:
        for name in sorted(unit.environment.keys() - known):
            yield f"{unit.name}: the variable {name} means nothing"
        if not unit.environment.get("WATCHFLEET_CONFIG", "").startswith("/etc/watchfleet/"):
            yield f"{unit.name}: the configuration file is not named"
        file = unit.environment.get(liveness.VARIABLE)
        if file and unit.role in {"worker", "beat", "dispatcher"} and unit.health and file not in unit.health:
            yield f"{unit.name}: the health check does not look at {file}"


def ports(units: list[Unit], root: Path) -> Iterator[str]:
    """The web process and Flower listen where their health checks and their callers look."""
    for role, port, path in (
        ("gunicorn", DEFAULT_WEB_PORT, "/health/live"),
        ("flower", DEFAULT_FLOWER_PORT, "/healthcheck"),
    ):
        for unit in (unit for unit in units if unit.role == role):
            named = {
                int(number) for word in unit.command for number in re.findall(r"(?:port=|:)(\d+)$", word)
            }
            if named != {port} or not set(unit.ports) <= {port}:
                yield f"{unit.name}: listens on {named}, published are {unit.ports}, should be {port}"
            if unit.file == "compose.yaml" and str(port) not in unit.health:
                yield f"{unit.name}: the health check does not ask port {port}"
            if unit.health and path not in unit.health:
                yield f"{unit.name}: the health check does not ask {path}"


def limits(units: list[Unit], _root: Path) -> Iterator[str]:
    """Everything is restarted, limited, given time to stop, and no process is root's."""
    for unit in units:
        if not unit.restarts:
            yield f"{unit.name}: is not restarted"
        if not unit.memory:
            yield f"{unit.name}: no limit of memory"
        if unit.role == "worker" and unit.grace <= celeryconfig.worker_soft_shutdown_timeout:
            yield f"{unit.name}: {unit.grace:.0f} s to stop cut off the soft shutdown"
        if unit.user in {"", "root", "0"}:
            yield f"{unit.name}: runs as root"


def image(root: Path) -> Iterator[str]:
    """The Dockerfile: pinned with hashes, complete, no root, a health check, nothing piped into a shell."""
    steps = dockerfile(root)
    text = "\n".join(" ".join(step) for step in steps)
    for what, pattern in (
        ("the lock file's hashes", r"--require-hashes|--constraint requirements\.lock"),
        ("the working directory", r"WORKDIR /app$"),
        ("PYTHONPATH", r"ENV .*PYTHONPATH=/app"),
        ("a health check", r"HEALTHCHECK .*CMD"),
    ):
        if not re.search(pattern, text, re.MULTILINE):
            yield f"Dockerfile: {what} is missing"
    for name, rest in steps:
        if name == "FROM" and not re.match(r"python:3\.\d+-slim\b", rest):
            yield f"Dockerfile: the base image {rest} is not Python's"
    if re.search(r"(curl|wget)\b.*\|\s*(ba)?sh|ADD https?:", text):
        yield "Dockerfile: runs what it downloads"
    if image_user(root).split(":")[0] in {"root", "0"}:
        yield "Dockerfile: runs as root"
    copied = [
        word for name, rest in steps if name == "COPY" and "--from" not in rest for word in rest.split()[:-1]
    ]
    yield from (f"Dockerfile: COPY {name}: no such file" for name in copied if not (root / name).exists())
    final = list(itertools.takewhile(lambda step: step[0] != "FROM", reversed(steps)))
    for name in sorted({*NEEDED} - {word for step in final if step[0] == "COPY" for word in step[1].split()}):
        yield f"Dockerfile: {name} is not in the image"
    sent = {line[1:] for line in (root / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for name in sorted({*copied} ^ sent):
        yield f".dockerignore: {name} is {'held back' if name in copied else 'sent and not copied'}"


def redis(root: Path) -> Iterator[str]:
    """Redis writes an append-only file, asks for a password and evicts nothing."""
    command = " ".join(compose_services(root)["redis"]["command"])
    for words in ("--appendonly yes", "requirepass", "--maxmemory-policy noeviction"):
        if words not in command:
            yield f"compose.yaml: redis: {words} is missing"


def servers(root: Path) -> Iterator[str]:
    """PostgreSQL is 14 or newer; both servers keep their data, are restarted, limited, not open to others."""
    services = compose_services(root)
    version = re.fullmatch(r"postgres:(\d+)", services["postgres"]["image"])
    if version is None or int(version[1]) < 14:
        yield f"compose.yaml: postgres: {services['postgres']['image']} is not PostgreSQL 14 or newer"
    for name in ("redis", "postgres"):
        if services[name].get("ports"):
            yield f"compose.yaml: {name}: is open to the network"
        for field in ("restart", "healthcheck", "mem_limit", "stop_grace_period", "volumes"):
            if not services[name].get(field):
                yield f"compose.yaml: {name}: {field} is missing"
    for name, service in services.items():
        for dependency in service.get("depends_on", {}).keys() - services.keys():
            yield f"compose.yaml: {name}: depends on {dependency}, which is not there"


def inline_secrets(root: Path) -> Iterator[str]:
    """No address with a password, and no value for a secret, in any file."""
    for file in ("compose.yaml", "Dockerfile", *_files(root, "deploy")):
        for match in INLINE_PASSWORD.finditer((root / file).read_text()):
            yield f"{file}: {match[0]} holds a password"
    for file, name, value in _assignments(root):
        if name in SECRETS and value and "${" not in value:
            yield f"{file}: {name} is written out"


def _assignments(root: Path) -> Iterator[tuple[str, str, str]]:
    """Every variable that a file sets: the file, its name and its value."""
    for service in compose_services(root).values():
        for name, value in service.get("environment", {}).items():
            yield "compose.yaml", name, str(value)
    for file in (name for name in _files(root, "deploy/systemd") if name.endswith(".service")):
        for line in sections(root / file)["Service"].get("Environment", []):
            for word in line.split():
                yield file, *word.split("=", 1)
    for file, document in manifests(root):
        for name, value in (document.get("data", {}) | document.get("stringData", {})).items():
            yield file, name, value
    for file in EXAMPLES:
        for name, value in example_variables(root / file).items():
            yield file, name, value


def examples(root: Path) -> Iterator[str]:
    """The example environment files name settings, no secrets, and all that compose.yaml asks for."""
    known = {*itertools.chain(*settings_names.variables().values()), *settings_names.OTHERS}
    for file in EXAMPLES:
        given = example_variables(root / file)
        for name in sorted(given.keys() - known - SERVERS - COMPOSE):
            yield f"{file}: the variable {name} means nothing"
    asked = set(re.findall(r"\$\{(\w+)", (root / "compose.yaml").read_text())) - {"WATCHFLEET_VERSION"}
    for name in sorted(asked - example_variables(root / EXAMPLES[0]).keys()):
        yield f"{EXAMPLES[0]}: {name} is missing, and compose.yaml asks for it"


def references(root: Path) -> Iterator[str]:
    """Files that others name exist; every manifest is applied, every unit installed by the target."""
    source = compose_services(root)["web"]["volumes"][0]["source"]
    default = re.fullmatch(r"\$\{WATCHFLEET_YML:-\./(.+)\}", source)
    if default is None or not (root / default[1]).is_file():
        yield f"compose.yaml: the configuration file {source} does not exist"
    wanted = sections(root / "deploy/systemd/watchfleet.target")["Unit"]["Wants"]
    for file in (name for name in _files(root, "deploy/systemd") if name.endswith(".service")):
        name = Path(file).stem.partition("@")[0]
        if name not in {unit.removesuffix(".service").partition("@")[0] for unit in wanted}:
            yield f"{file}: is not wanted by watchfleet.target"
    for unit in wanted:
        template, at, instance = unit.removesuffix(".service").partition("@")
        for name in environment_files(
            sections(root / f"deploy/systemd/{template}{at}.service", instance)["Service"]
        ):
            if not (root / name).is_file():
                yield f"deploy/systemd/{template}{at}.service: {name} does not exist"
    applied = {file for file, _ in manifests(root)} | {"deploy/kubernetes/kustomization.yaml"}
    for file in sorted({*_files(root, "deploy/kubernetes")} - applied):
        yield f"{file}: nothing applies it"
    yield from _kubernetes_names(root)


def _kubernetes_names(root: Path) -> Iterator[str]:
    """Selectors match labels; ConfigMaps, Secrets and claims that are named exist; the image gets a tag."""
    objects = manifests(root)
    named = {(document["kind"], document["metadata"]["name"]) for _, document in objects}
    pods = [
        (file, document["spec"]["template"])
        for file, document in objects
        if document["kind"] in {"Deployment", "Job"}
    ]
    for file, pod in pods:
        (container,) = pod["spec"]["containers"]
        asked = {
            *(
                ("ConfigMap", item["configMapRef"]["name"])
                for item in container["envFrom"]
                if "configMapRef" in item
            ),
            *(("Secret", item["secretRef"]["name"]) for item in container["envFrom"] if "secretRef" in item),
            *(
                ("ConfigMap", item["configMap"]["name"])
                for item in pod["spec"]["volumes"]
                if "configMap" in item
            ),
            *(
                ("PersistentVolumeClaim", item["persistentVolumeClaim"]["claimName"])
                for item in pod["spec"]["volumes"]
                if "persistentVolumeClaim" in item
            ),
        }
        yield from (f"{file}: {kind} {name} does not exist" for kind, name in sorted(asked - named))
        if {mount["name"] for mount in container["volumeMounts"]} != {
            item["name"] for item in pod["spec"]["volumes"]
        }:
            yield f"{file}: a volume is not mounted, or a mount has no volume"
    labels = [pod["metadata"]["labels"] for _, pod in pods]
    for file, document in objects:
        selector = document.get("spec", {}).get("selector", {})
        wanted = selector.get("matchLabels", selector)
        if wanted and not any(wanted.items() <= found.items() for found in labels):
            yield f"{file}: {document['kind']} {document['metadata']['name']} selects no pod"
    images = kustomization(root)["images"]
    if {pod["spec"]["containers"][0]["image"] for _, pod in pods} != {image["name"] for image in images}:
        yield "deploy/kubernetes/kustomization.yaml: does not name the image of every pod"


def _files(root: Path, folder: str) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in (root / folder).rglob("*") if path.is_file())
