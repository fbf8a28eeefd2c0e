"""What keeps the store in shape."""

from celery import shared_task

from tasks.alerts import wake
from watchfleet.clock import utcnow
from watchfleet.db.engine import get_engine, transaction
from watchfleet.embedded.logplaces import own_places
from watchfleet.logs import upkeep
from watchfleet.metrics import retention
from watchfleet.notify import outbox
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


@shared_task(name="watchfleet.upkeep.sweep_outbox")
def sweep_outbox() -> list[str]:
    """Free what lost workers hold and wake the channels with something due; returns those."""
    with transaction() as connection:
        channels = outbox.sweep(connection, utcnow())
    wake(channels)
    return list(channels)
