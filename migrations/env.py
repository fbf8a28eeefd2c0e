"""What Alembic runs: our metadata, our database, one transaction under a lock."""

from alembic import context
from sqlalchemy.sql.schema import SchemaItem

from watchfleet.db.engine import transaction
from watchfleet.db.locks import Lock, wait_lock
from watchfleet.db.tables import metadata


def include_object(item: SchemaItem, name: str | None, kind: str, reflected: bool, other: object) -> bool:
    """Leave out what the metadata does not describe one by one: the partitions."""
    return not (kind == "table" and reflected and name is not None and is_partition(name))


def is_partition(name: str) -> bool:
    """Whether a table's name is that of a partition, such as `samples_p20261123`."""
    return "_p2" in name


if context.is_offline_mode():
    context.configure(dialect_name="postgresql", target_metadata=metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
else:
    with transaction() as connection:
        wait_lock(connection, Lock.MIGRATE)  # several processes may start at once
        context.configure(connection=connection, target_metadata=metadata, include_object=include_object)
        context.run_migrations()
