"""Which targets there are: each job's static ones and those that files list, after relabelling."""

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import yaml
from pydantic import TypeAdapter, ValidationError

from watchfleet.clock import format_duration, parse_duration
from watchfleet.probes.scrape.config import SHORTEST_INTERVAL, FileDiscovery, Job, Jobs, StaticGroup
from watchfleet.probes.scrape.relabel import Labels, apply

logger = logging.getLogger(__name__)

LARGEST_FILE: Final = 32 << 20
MOST_TARGETS: Final = 20_000
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_GROUPS: Final = TypeAdapter(list[StaticGroup])


@dataclass(frozen=True, slots=True)
class Target:
    """One page to scrape.

    Attributes:
        job: The name of its job.
        url: The page, with its query.
        labels: What its samples carry.
        interval: Time between two scrapes.
        timeout: How long one may take.
    """

    job: str
    url: str
    labels: Mapping[str, str]
    interval: timedelta
    timeout: timedelta

    @property
    def key(self) -> str:
        """Identifies the target: the same in every process, and as long as job, page and labels stay."""
        canonical = json.dumps([self.job, self.url, sorted(self.labels.items())])
        return blake2b(canonical.encode(), digest_size=16).hexdigest()


class Discovery:
    """Finds the targets of some jobs; reads files again only when one changed.

    A file that cannot be read keeps the targets that it listed before, as half-written ones do.
    """

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self._files: dict[Path, list[StaticGroup]] = {}
        self._complaints: set[str] = set()
        self._found: dict[str, Target] | None = None
        self._found_in: dict[Path, tuple[int, int]] = {}

    def targets(self) -> dict[str, Target]:
        """Every target by its key; of equal ones, one. The same object as long as no file changes."""
        files = self._stamps()
        if self._found is None or files != self._found_in:
            self._found, self._found_in = self._find(), files
        return self._found

    def _stamps(self) -> dict[Path, tuple[int, int]]:
        """The discovery files that there are, and what tells that one has changed."""
        stamps = {}
        for pattern in (name for job in self._jobs for files in job.file_sd_configs for name in files.files):
            for path in self._matching(pattern):
                with suppress(OSError):
                    status = path.stat()
                    stamps[path] = (status.st_mtime_ns, status.st_size)
        return stamps

    def _matching(self, pattern: str) -> list[Path]:
        place = self._jobs.directory / pattern
        return sorted(place.parent.glob(place.name))

    def _find(self) -> dict[str, Target]:
        found: dict[str, Target] = {}
        for job in self._jobs:
            for labels in self._labels(job):
                target = self._target(job, labels)
                if target is not None:
                    found[target.key] = target
        if len(found) > MOST_TARGETS:
            self._complain(f"{len(found)} scrape targets; only {MOST_TARGETS} are scraped")
        return dict(list(found.items())[:MOST_TARGETS])

    def _labels(self, job: Job) -> Iterator[Labels]:
        for group in job.static_configs:
            yield from ({**group.labels, "__address__": address} for address in group.targets)
        for files in job.file_sd_configs:
            yield from self._listed(files)

    def _listed(self, files: FileDiscovery) -> Iterator[Labels]:
        for pattern in files.files:
            for path in self._matching(pattern):
                for group in self._groups(path):
                    meta = {**group.labels, "__meta_filepath": str(path)}
                    yield from ({**meta, "__address__": address} for address in group.targets)

    def _groups(self, path: Path) -> list[StaticGroup]:
        try:
            self._files[path] = _GROUPS.validate_python(_read(path))
        except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
            what = _first(error) if isinstance(error, ValidationError) else str(error)
            self._complain(f"{path}: {what}; the targets that it listed before stay")
        return self._files.get(path, [])

    def _target(self, job: Job, discovered: Labels) -> Target | None:
        try:
            return target_of(job, discovered)
        except ValueError as error:
            self._complain(f'scrape job "{job.job_name}", {discovered["__address__"]!r}: {error}')
            return None

    def _complain(self, what: str) -> None:
        if what not in self._complaints:
            if len(self._complaints) > 1000:
                self._complaints.clear()
            self._complaints.add(what)
            logger.error("%s", what)


def target_of(job: Job, discovered: Labels) -> Target | None:
    """The target that discovered labels make; None if relabelling drops it.

    Raises:
        ValueError: They make none that can be scraped.
    """
    labels = apply(_defaults(job) | discovered, job.relabel_configs)
    if labels is None:
        return None
    address = labels.get("__address__", "")
    url = f"{labels.get('__scheme__', '')}://{address}{_path(labels)}"
    query = _query(job, labels)
    _check(url)
    interval = parse_duration(labels.get("__scrape_interval__", ""))
    timeout = parse_duration(labels.get("__scrape_timeout__", ""))
    if interval < SHORTEST_INTERVAL or not timedelta(0) < timeout <= interval:
        raise ValueError("relabelling makes an interval below 1s or a timeout above it")
    labels.setdefault("instance", address)
    kept = {name: value for name, value in sorted(labels.items()) if not name.startswith("__")}
    return Target(job.job_name, f"{url}?{query}" if query else url, kept, interval, timeout)


def _defaults(job: Job) -> Labels:
    return {
        "job": job.job_name,
        "__scheme__": job.scheme,
        "__metrics_path__": job.metrics_path,
        "__scrape_interval__": format_duration(job.scrape_interval),
        "__scrape_timeout__": format_duration(job.timeout),
        **{f"__param_{name}": values[0] for name, values in job.params.items() if values},
    }


def _path(labels: Labels) -> str:
    path = labels.get("__metrics_path__", "")
    return path if path.startswith("/") else f"/{path}"


def _query(job: Job, labels: Labels) -> str:
    """The job's parameters, each one's first value as relabelling left it."""
    params = {name: list(values) for name, values in job.params.items()}
    for name, value in labels.items():
        if name.startswith("__param_"):
            params[name.removeprefix("__param_")] = [
                value,
                *params.get(name.removeprefix("__param_"), [])[1:],
            ]
    return urlencode(sorted(params.items()), doseq=True)


def _check(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0 or "@" in parts.netloc:
        raise ValueError("write an address like host:9100")
    if any(ord(character) <= 0x20 or ord(character) == 0x7F for character in url):
        raise ValueError("an address holds no spaces")


def _read(path: Path) -> Any:
    with path.open("rb") as file:
        content = file.read(LARGEST_FILE + 1)
    if len(content) > LARGEST_FILE:
        raise ValueError(f"is larger than {LARGEST_FILE >> 20} MiB")
    text = content.decode()
    return json.loads(text) if path.suffix == ".json" else yaml.load(text, _Loader) or []  # noqa: S506 - a safe loader


def _first(error: ValidationError) -> str:
    detail = error.errors(include_url=False)[0]
    return f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}"
