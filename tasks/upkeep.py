"""What keeps the store in shape."""

from celery import current_app, shared_task

from alert_channels import checkins
from tasks.alerts import wake
from watchfleet.clock import utcnow
from watchfleet.db.beat_runs import last_runs
from watchfleet.db.engine import get_engine, server_clock, transaction
from watchfleet.embedded.logplaces import own_places
from watchfleet.logs import upkeep
from watchfleet.metrics import retention
from watchfleet.notify import circuits
from watchfleet.notify.accounts import check, prune
from watchfleet.notify.policy import receivers
from watchfleet.notify.sweeper import sweep
from watchfleet.probes import history
from watchfleet.rules import vitals
from watchfleet.rules.library import get_library
from watchfleet.rules.retention import prune as prune_rules
from watchfleet.settings import get_settings


@shared_task(name="watchfleet.upkeep.clean_logs")
def clean_logs() -> dict[str, int]:
    """Delete rotated log files that are over, pack those that stay; returns how many went, by reason."""
    done = upkeep.clean(own_places(get_settings()))
    with transaction() as connection:
        upkeep.count(connection, done)
    return dict(done.counts())


@shared_task(name="watchfleet.upkeep.keep_partitions")
def keep_partitions() -> None:
    """Make the coming week's partitions, drop what is past its retention."""
    retention.keep(get_engine(), utcnow())


@shared_task(name="watchfleet.upkeep.prune_history")
def prune_history() -> dict[str, int]:
    """Delete old changes of alerts, rules and targets; returns how many of each."""
    settings = get_settings()
    spans = {"alert_events": settings.retention_alert_events, "audit": settings.retention_audit}
    with transaction() as connection:
        now = server_clock(connection)
        statuses = history.prune(connection, now - settings.retention_probe_history)
        return {**prune_rules(connection, now, **spans)._asdict(), "probe_statuses": statuses}


@shared_task(name="watchfleet.upkeep.sweep_outbox")
def sweep_outbox() -> list[str]:
    """Free what lost workers hold and wake the channels with something due; returns those."""
    with transaction() as connection:
        channels = sweep(connection, receivers(get_settings()), server_clock(connection))
    wake(channels)
    return list(channels)


@shared_task(name="watchfleet.upkeep.check_in")
def check_in() -> int:
    """Tell Sentry of each periodic task whether beat sent it in time; returns how many it was told of."""
    settings = get_settings()
    with transaction() as connection:
        runs = last_runs(connection)
    return checkins.send(runs, current_app.conf.beat_schedule, settings)


@shared_task(name="watchfleet.upkeep.check_outbox")
def check_outbox() -> dict[str, int]:
    """See whether every notification is accounted for, and delete those past their retention."""
    with transaction() as connection:
        prune(connection, server_clock(connection) - get_settings().retention_notifications)
        return check(connection)


@shared_task(name="watchfleet.upkeep.observe")
def observe() -> int:
    """Keep the fleet's own figures as samples; returns how many."""
    with transaction() as connection:
        return vitals.observe(connection, get_library(), utcnow())


@shared_task(name="watchfleet.upkeep.observe_breakers")
def observe_breakers() -> int:
    """Keep the figures of circuit breakers as samples; returns how many."""
    with transaction() as connection:
        return circuits.observe(connection, utcnow())
