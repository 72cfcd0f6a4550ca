"""The tables in the form that is partitioned by a hash of the owner, as a revision of one's own would make it."""

from collections.abc import Iterator
from typing import Final

from sqlalchemy import Table, UniqueConstraint
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import AddConstraint, CreateIndex, DDLElement

from app.db.migrations.sharding import sharded_key
from app.db.models.base import owned_tables
from app.db.models.updated_at import CREATE_TRIGGER, is_touched

PARTITIONS: Final = 4


def partitioned() -> Iterator[str]:
    """Yield the statements for a database at head without rows."""
    tables = owned_tables()
    yield from (f"alter table {table} rename to {table}_before" for table in tables)
    for table in tables:
        yield from _of_table(table)
    yield f"drop table {', '.join(f'{table}_before' for table in tables)}"
    for table in tables:
        yield from (_sql(AddConstraint(each, isolate_from_table=False)) for each in _uniques(table))
        yield from (_sql(CreateIndex(index)) for index in table.indexes)
        if is_touched(table):
            yield CREATE_TRIGGER % {"fullname": table.name}
    yield from (
        _sql(AddConstraint(key, isolate_from_table=False)) for table in tables for key in table.foreign_key_constraints
    )


def _of_table(table: Table) -> Iterator[str]:
    kept = "including defaults including identity including constraints including generated"
    yield f"create table {table} (like {table}_before {kept}) partition by hash (user_id)"
    yield f"alter table {table}_before drop constraint {table.primary_key.name} cascade"
    yield f"alter table {table} add constraint {table.primary_key.name} primary key ({', '.join(sharded_key(table))})"
    for number in range(PARTITIONS):
        part = f"{table}_part_{number}"
        yield f"create table {part} partition of {table} for values with (modulus {PARTITIONS}, remainder {number})"


def _uniques(table: Table) -> Iterator[UniqueConstraint]:
    return (each for each in table.constraints if isinstance(each, UniqueConstraint))


def _sql(ddl: DDLElement) -> str:
    return str(ddl.compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]  # SQLAlchemy's dialects are not typed
