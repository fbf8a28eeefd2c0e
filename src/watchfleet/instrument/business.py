"""Takes what scrapers say through `watchfleet.signals` into the client's buffer."""

import time
from typing import Any

from watchfleet import correlation, signals
from watchfleet.instrument.faults import faults, guarded
from watchfleet.instrument.fields import checked
from watchfleet.instrument.lifetime import lifetime
from watchfleet.model import Event, Kind, Sample


def install() -> None:
    """Connect to every signal; a second call changes nothing."""
    for signal in signals.ACCOUNT_SIGNALS:
        lifetime.connect(signal, _on_account)
    lifetime.connect(signals.business_metric, _on_metric)


@guarded("signals")
def _on_account(signal: Any, sender: Any, **given: Any) -> None:  # noqa: ARG001 - Celery passes it by name
    fields = _checked(signal.name, given)
    if fields is not None and lifetime.client is not None:
        found = correlation.current()
        row = Event(
            signal.name,
            fields.pop("at", None) or time.time(),
            fields.pop("platform"),
            fields.pop("account"),
            fields.pop("group", None),
            fields | ({"correlation_id": found} if found else {}),
        )
        lifetime.client.record(row)


@guarded("signals")
def _on_metric(sender: Any, **given: Any) -> None:  # noqa: ARG001 - Celery passes it by name
    given.pop("signal")
    fields = _checked("business_metric", given)
    if fields is not None and lifetime.client is not None:
        labels = {"service": lifetime.client.service, **fields.get("labels", {})}
        at = fields.get("at") or time.time()
        row = Sample(fields["name"], labels, fields.get("kind", Kind.GAUGE), at, fields["value"])
        lifetime.client.record(row)


def _checked(signal: str, given: dict[str, Any]) -> dict[str, Any] | None:
    def complain(field: str, problem: str) -> None:
        faults.note("signals", f"{signal}: the field {field} is left out: {problem}")

    try:
        return checked(signal, given, complain)
    except LookupError as error:
        faults.note("signals", f"{signal} is not recorded: it needs the field {error.args[0]}")
        return None
