"""`heartbeat`: has somebody's job reported in time? Nothing is asked; the job pings us (`.pings`)."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final, Self
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, field_validator, model_validator

from watchfleet.clock import Period, format_duration
from watchfleet.db.engine import transaction
from watchfleet.errors import StoreUnavailableError
from watchfleet.model import Measurement, ProbeResult
from watchfleet.patterns import compile_pattern
from watchfleet.probes.calendar import Cron, Zone, next_time
from watchfleet.probes.pings import NEVER, Pinged, pinged
from watchfleet.probes.probe import Attempt, Deadline, Options, Target
from watchfleet.probes.reasons import Reason

_KEY: Final = compile_pattern(r"^[A-Za-z0-9_-]{8,128}$")


class HeartbeatOptions(Options):
    """The settings of `heartbeat`."""

    key: SecretStr = Field(
        description="What the job's ping names: /ping/<key>. 8 to 128 letters, digits, `_` and `-`, which"
        " nobody can guess."
    )
    period: Period | None = Field(None, description="Time between two pings; or else `cron`.")
    cron: Cron | None = Field(None, description="When a ping is expected, such as `30 2 * * *`.")
    timezone: Zone = Field(ZoneInfo("UTC"), description="The time zone of `cron`, such as Europe/Berlin.")
    grace: Period = Field(
        timedelta(minutes=5),
        description="How much later a ping may come, and how long a job may run that told of its start.",
    )

    @field_validator("key")
    @classmethod
    def _usable(cls, key: SecretStr) -> SecretStr:
        if not _KEY.search(key.get_secret_value()):
            raise ValueError("a key has 8 to 128 letters, digits, _ and -")
        return key

    @model_validator(mode="after")
    def _has_one(self) -> Self:
        if (self.period is None) == (self.cron is None):
            raise ValueError("a heartbeat has either a period or cron")
        return self

    def due_after(self, at: datetime) -> datetime:
        """When the ping after one of this instant is due."""
        if self.period is not None:
            return at + self.period
        return next_time(self.cron or "", at, self.timezone)


def named_by(key: str, targets: Iterable[Target]) -> list[str]:
    """The names of the heartbeats that a ping of this key is for."""
    return [
        target.name
        for target in targets
        if isinstance(target.options, HeartbeatOptions) and target.options.key.get_secret_value() == key
    ]


def probe(target: Target, options: HeartbeatOptions, deadline: Deadline) -> ProbeResult:  # noqa: ARG001 - as of all probes
    """Look when the job last reported."""
    return probe_many([target], deadline)[0]


def probe_many(targets: Sequence[Target], deadline: Deadline) -> list[ProbeResult]:  # noqa: ARG001 - as of all probes
    """Look at many at once, with one query."""
    attempts = [Attempt(target) for target in targets]
    try:
        with transaction() as connection:
            now, found = pinged(connection, [target.name for target in targets])
    except StoreUnavailableError:
        return [
            one.unknown(Reason.STORE_UNAVAILABLE, "pings are in the store, which is away") for one in attempts
        ]
    return [
        verdict(attempt, _options(target), found.get(target.name, NEVER), now)
        for attempt, target in zip(attempts, targets, strict=True)
    ]


def verdict(attempt: Attempt, options: HeartbeatOptions, last: Pinged, now: datetime) -> ProbeResult:
    """What the last pings say, by Healthchecks's rules: https://healthchecks.io/docs/monitoring_cron_jobs/."""
    base = last.ended_at or last.started_at
    if base is None:
        return attempt.unknown(Reason.NO_PING_YET, "it has never been pinged")
    values = _values(last, now)
    if last.failed:
        code = "" if last.exit_code is None else f" with exit code {last.exit_code}"
        return attempt.down(Reason.JOB_FAILED, f"the job failed{code}. {last.said}", values)
    if last.runs_since is not None and now > last.runs_since + options.grace:
        detail = f"the job began {_ago(last.runs_since, now)} ago and has not ended"
        return attempt.down(Reason.JOB_UNFINISHED, detail, values)
    late = now - options.due_after(base)
    detail = f"the last ping was {_ago(base, now)} ago"
    if late > options.grace:
        return attempt.down(Reason.PING_MISSED, detail, values)
    return attempt.up(values) if late <= timedelta(0) else attempt.degraded(Reason.PING_LATE, detail, values)


def _options(target: Target) -> HeartbeatOptions:
    if not isinstance(target.options, HeartbeatOptions):
        raise TypeError(f"{target.name} is no target of kind heartbeat")
    return target.options


def _values(last: Pinged, now: datetime) -> list[Measurement]:
    found = []
    if last.succeeded_at is not None:
        age = (now - last.succeeded_at).total_seconds()
        found.append(Measurement("heartbeat_last_success_age_seconds", age))
    if last.run_seconds is not None:
        found.append(Measurement("heartbeat_run_seconds", last.run_seconds))
    return found


def _ago(at: datetime, now: datetime) -> str:
    return format_duration(timedelta(seconds=round((now - at).total_seconds())))
