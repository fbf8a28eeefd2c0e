"""`celery_beat`: when did the leading beat last tick?"""

from datetime import timedelta

import psycopg2
from pydantic import Field, SecretStr

from watchfleet.clock import Period
from watchfleet.model import Measurement, ProbeResult
from watchfleet.probes.postgres import scalar, store_url
from watchfleet.probes.probe import Attempt, Deadline, Options, Target
from watchfleet.probes.reasons import Reason

# The database's clock on both sides: no two machines need to agree.
_AGE = "SELECT extract(epoch FROM now() - ticked_at)::float8 FROM beat_leader WHERE epoch > 0"


class BeatOptions(Options):
    """The settings of `celery_beat`."""

    url: SecretStr | None = Field(
        None, description="The store of the fleet whose beat it is, postgresql://... Not set: this fleet's."
    )
    degraded_after_silence: Period = Field(
        timedelta(seconds=5), description="Without a tick for longer, beat counts as degraded."
    )
    down_after_silence: Period = Field(
        timedelta(seconds=15), description="Without a tick for longer, beat counts as down."
    )


def probe(target: Target, options: BeatOptions, deadline: Deadline) -> ProbeResult:
    """Read the age of beat's last tick from the store."""
    attempt = Attempt(target)
    url = store_url(options.url)
    if url is None:
        return attempt.unknown(Reason.PROBE_ERROR, "DATABASE_URL is not set")
    try:
        age = scalar(url, _AGE, deadline)
    except psycopg2.Error:
        return attempt.unknown(Reason.STORE_UNAVAILABLE, "the last tick is in the store, which is away")
    if age is None:
        return attempt.down(Reason.NO_LEADER, "no beat has ever led here")
    return _verdict(attempt, options, float(age))


def _verdict(attempt: Attempt, options: BeatOptions, age: float) -> ProbeResult:
    values = [Measurement("celery_beat_last_tick_age_seconds", age)]
    detail = f"no tick for {age:.1f} s"
    if age > options.down_after_silence.total_seconds():
        return attempt.down(Reason.TICKS_STALLED, detail, values)
    if age > options.degraded_after_silence.total_seconds():
        return attempt.degraded(Reason.TICKS_STALLED, detail, values)
    return attempt.up(values)
