"""The jobs of `scrape:`, in the form of Prometheus's `scrape_configs`."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, model_validator

from watchfleet.clock import Period, format_duration, parse_duration
from watchfleet.complaints import explain
from watchfleet.configured import Configured
from watchfleet.errors import ConfigError
from watchfleet.probes.probe import Options
from watchfleet.probes.scrape.relabel import Rule
from watchfleet.redact import register
from watchfleet.settings import Settings
from watchfleet.yamlfile import Document

SHORTEST_INTERVAL: Final = timedelta(seconds=1)
DEFAULT_TIMEOUT: Final = timedelta(seconds=10)
LONGEST_TIMEOUT: Final = timedelta(seconds=60)
MOST_SAMPLES: Final = 100_000
LARGEST_BODY: Final = 32 << 20
_SIZE: Final = re.compile(r"(\d+)([KMG]?)i?B")
_UNITS: Final = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_FILES: Final = re.compile(r".*\.(json|yml|yaml)")


def _bytes(value: object) -> object:
    """`10MB` as Prometheus writes it, or a number."""
    found = _SIZE.fullmatch(value) if isinstance(value, str) else None
    return int(found[1]) * _UNITS[found[2]] if found else value


def _label_names(labels: dict[str, str]) -> dict[str, str]:
    for name in labels:
        if not _LABEL.fullmatch(name):
            raise ValueError(f"{name!r} is no label's name")
    return labels


def _files_name(name: str) -> str:
    if not _FILES.fullmatch(name) or "*" in str(Path(name).parent):
        raise ValueError(f"{name!r} must end in .json, .yml or .yaml, with * only in its last part")
    return name


class BasicAuth(Options):
    """Basic authentication."""

    username: str = Field("", description="The name.")
    password: SecretStr | None = Field(None, description="The password.")
    password_file: Path | None = Field(None, description="A file that holds the password.")


class Authorization(Options):
    """The header Authorization."""

    type: str = Field("Bearer", description="The scheme.")
    credentials: SecretStr | None = Field(None, description="What follows it.")
    credentials_file: Path | None = Field(None, description="A file that holds what follows it.")


class Tls(Options):
    """How to trust a target, and be trusted by it."""

    ca_file: Path | None = Field(None, description="Authorities to trust instead of the usual ones, as PEM.")
    cert_file: Path | None = Field(None, description="Our own certificate, as PEM.")
    key_file: Path | None = Field(None, description="Its key, as PEM.")
    server_name: str | None = Field(None, description="The name that the target's certificate must have.")
    insecure_skip_verify: bool = Field(default=False, description="Whether to trust any certificate.")


class StaticGroup(Options):
    """Targets that are written down, with labels of their own."""

    targets: list[str] = Field(description="Addresses, such as 127.0.0.1:9100.")
    labels: Annotated[dict[str, str], AfterValidator(_label_names)] = Field(
        default_factory=dict, description="Labels of all of them."
    )


class FileDiscovery(Options):
    """Files that list targets; read again when they change."""

    files: list[Annotated[str, AfterValidator(_files_name)]] = Field(
        min_length=1, description="Paths of YAML or JSON files; * in the last part stands for any."
    )
    refresh_interval: Period = Field(
        parse_duration("5m"), description="Taken for Prometheus's sake: changes are seen within seconds."
    )


class Job(Options):
    """One job."""

    job_name: Annotated[str, Field(min_length=1, max_length=200)] = Field(
        description="The label `job` of its samples; unique."
    )
    scrape_interval: Period = Field(parse_duration("1m"), description="Time between two scrapes of a target.")
    scrape_timeout: Period | None = Field(
        None, description="How long one may take. Not set: 10s, or the interval if shorter."
    )
    metrics_path: str = Field("/metrics", pattern=r"^/\S*$", description="The page.")
    scheme: Literal["http", "https"] = Field("http", description="http or https.")
    params: dict[str, list[str]] = Field(default_factory=dict, description="The address's query.")
    honor_labels: bool = Field(
        default=False, description="Whether a target's labels win over ours, which else become exported_..."
    )
    honor_timestamps: bool = Field(default=True, description="Whether times that a target gives are kept.")
    static_configs: list[StaticGroup] = Field(default_factory=list, description="Targets.")
    file_sd_configs: list[FileDiscovery] = Field(default_factory=list, description="Files that list targets.")
    relabel_configs: list[Rule] = Field(
        default_factory=list, description="What to do with each target's labels before it is scraped."
    )
    metric_relabel_configs: list[Rule] = Field(
        default_factory=list, description="What to do with each sample's labels."
    )
    basic_auth: BasicAuth | None = Field(None, description="Name and password to send.")
    authorization: Authorization | None = Field(None, description="The Authorization header to send.")
    bearer_token: SecretStr | None = Field(None, description="A bearer token to send.")
    bearer_token_file: Path | None = Field(None, description="A file that holds it.")
    tls_config: Tls = Field(Tls(), description="How to trust the targets.")
    follow_redirects: bool = Field(default=True, description="Whether to follow redirects.")
    enable_compression: bool = Field(default=True, description="Whether to ask for a packed answer.")
    sample_limit: int = Field(
        0, ge=0, description=f"A page with more samples fails. 0: {MOST_SAMPLES:,}, which none may exceed."
    )
    body_size_limit: Annotated[int, BeforeValidator(_bytes), Field(ge=0)] = Field(
        0, description=f"A larger page fails, such as 10MB. 0: {LARGEST_BODY >> 20}MB, which none may exceed."
    )

    @property
    def timeout(self) -> timedelta:
        """How long one scrape may take."""
        return self.scrape_timeout or min(DEFAULT_TIMEOUT, self.scrape_interval)

    @property
    def most_samples(self) -> int:
        """How many samples a page may have after relabelling."""
        return min(self.sample_limit or MOST_SAMPLES, MOST_SAMPLES)

    @property
    def most_bytes(self) -> int:
        """How long a page may be."""
        return min(self.body_size_limit or LARGEST_BODY, LARGEST_BODY)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.scrape_interval < SHORTEST_INTERVAL:
            raise ValueError("scrape_interval is less than 1s")
        if self.timeout > self.scrape_interval or self.timeout > LONGEST_TIMEOUT:
            shown = format_duration(self.timeout)
            raise ValueError(f"scrape_timeout {shown} is longer than the scrape_interval or than a minute")
        ways = (self.basic_auth, self.authorization, self.bearer_token, self.bearer_token_file)
        if sum(way is not None for way in ways) > 1:
            raise ValueError("basic_auth, authorization, bearer_token and bearer_token_file exclude another")
        return self


@dataclass(frozen=True, slots=True)
class Jobs:
    """Every job that can be used, and what is wrong with the others.

    Attributes:
        by_name: The usable ones.
        problems: One error for each fault of the others; each names file and line, if a file holds it.
        directory: What relative paths of discovery files start from.
    """

    by_name: Mapping[str, Job]
    problems: tuple[ConfigError, ...] = ()
    directory: Path = Path()

    def __iter__(self) -> Iterator[Job]:
        """The usable jobs."""
        return iter(self.by_name.values())


def load_jobs(settings: Settings, document: Document | None = None) -> Jobs:
    """Every job; one that cannot be used is reported and does not stop the others.

    Args:
        settings: Where the jobs stand.
        document: The file that the settings are from: tells the lines.
    """
    found: dict[str, Job] = {}
    problems: list[ConfigError] = []
    for index, raw in enumerate(settings.scrape):
        job, faults = _build(raw, index, document)
        if job is not None and job.job_name in found:
            faults = [_error(document, index, f'the job_name "{job.job_name}" is taken', "job_name")]
        problems += faults
        if job is not None and not faults:
            found[job.job_name] = job
    return Jobs(found, tuple(problems), document.path.parent if document else Path())


def _build(raw: object, index: int, document: Document | None) -> tuple[Job | None, list[ConfigError]]:
    if not isinstance(raw, dict):
        mend = "write `- job_name: ...`, then `static_configs:`"
        return None, [_error(document, index, f"scrape[{index}] is not a mapping", mend=mend)]
    problems = document.problems if document else ()
    repeated = [error for location, error in problems if location[:2] == ("scrape", index)]
    if repeated:
        return None, repeated
    name = str(raw.get("job_name", ""))
    owner = f'scrape job "{name}": ' if name else f"scrape[{index}]: "
    try:
        job = Job.model_validate(raw)
    except ValidationError as error:
        return None, explain(error, Job, lambda location: _where(document, index, location), owner=owner)
    _register_secrets(job)
    return job, []


def _where(
    document: Document | None, index: int, location: tuple[str | int, ...]
) -> tuple[Path | None, int | None]:
    if document is None or not document.has(("scrape", index)):
        return None, None
    return document.path, document.line(("scrape", index, *location))


def _error(
    document: Document | None, index: int, message: str, *location: str, mend: str | None = None
) -> ConfigError:
    path, line = _where(document, index, location)
    return ConfigError(message, path=path, line=line, mend=mend)


def _register_secrets(job: Job) -> None:
    given: tuple[Any, ...] = (
        job.bearer_token,
        job.basic_auth and job.basic_auth.password,
        job.authorization and job.authorization.credentials,
    )
    for secret in given:
        if isinstance(secret, SecretStr):
            register(secret.get_secret_value())


get_jobs: Final = Configured(load_jobs, "this job is not scraped")
"""The jobs of this process's settings, read once."""
