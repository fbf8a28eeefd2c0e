"""What Alembic runs: our metadata, our database, one transaction under a lock."""

from typing import Any

from alembic import context
from alembic.runtime.migration import MigrationContext, MigrationInfo
from alembic.script import Script
from sqlalchemy import Connection

from watchfleet.db.engine import transaction
from watchfleet.db.locks import Lock, wait_lock
from watchfleet.db.schema import partitions
from watchfleet.db.tables import metadata


def run_offline() -> None:
    """Print the statements."""
    context.configure(dialect_name="postgresql", target_metadata=metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()


def run_online(connection: Connection) -> None:
    """Apply the revisions and tell of each."""
    left_out = partitions(connection)

    def include(name: str | None, kind: str, _parents: Any) -> bool:
        return not (kind == "table" and name in left_out)

    context.configure(
        connection=connection, target_metadata=metadata, include_name=include, on_version_apply=told
    )
    context.run_migrations()


def told(
    ctx: MigrationContext,  # noqa: ARG001 - Alembic's signature
    step: MigrationInfo,
    heads: Any,  # noqa: ARG001 - likewise
    run_args: Any,  # noqa: ARG001 - likewise
) -> None:
    """Pass a finished step on to whoever asked for the upgrade."""
    on_step, script = context.config.attributes.get("on_step"), step.up_revision
    if on_step and isinstance(script, Script):
        on_step(script.revision, script.doc.rstrip("."))


def set_timeouts(connection: Connection) -> None:
    """A step may take long, but must not make the fleet's own statements queue behind its wait for a lock."""
    connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
    connection.exec_driver_sql("SET LOCAL lock_timeout = '10s'")


if context.is_offline_mode():
    run_offline()
else:
    with transaction() as connection:
        wait_lock(connection, Lock.MIGRATE)  # several processes may start at once
        set_timeouts(connection)
        run_online(connection)
