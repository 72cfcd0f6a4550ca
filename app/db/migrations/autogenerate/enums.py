"""Compare the enum types of our tables' columns with those of the models."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from alembic.autogenerate.api import AutogenContext
from alembic.operations.ops import MigrateOperation, UpgradeOps
from alembic.util import PriorityDispatchResult
from sqlalchemy import MetaData, text

from app.db.migrations.autogenerate.rendering import enum_of
from app.db.migrations.autogenerate.tables import dropped_tables
from app.db.migrations.operations.enums import enum_created, enum_dropped, enum_replaced, value_added

Values = tuple[str, ...]
# Ours are the types that the models name, and the types that only columns of our tables use.
_TYPES: Final = text("""
select typname as name,
  array(select enumlabel from pg_enum where enumtypid = pg_type.oid order by enumsortorder) as values
from pg_type
where typtype = 'e' and pg_type_is_visible(pg_type.oid) and (typname = any(:names) or (
  select bool_and(relname = any(:tables) and pg_table_is_visible(attrelid))
  from pg_attribute join pg_class on pg_class.oid = attrelid
  where atttypid in (pg_type.oid, typarray) and relkind in ('r', 'p') and not attisdropped))""")


def compare_enums(context: AutogenContext, operations: UpgradeOps, _: Any) -> PriorityDispatchResult:
    """Add the operations that create, extend, replace and drop enum types."""
    connection, metadata = context.connection, context.metadata
    assert connection is not None
    assert isinstance(metadata, MetaData)
    wanted = dict(_declared(metadata))
    tables = [*(table.name for table in metadata.sorted_tables), *dropped_tables(operations.ops)]
    rows = connection.execute(_TYPES, {"names": list(wanted), "tables": tables})
    there: dict[str, Values] = {row.name: tuple(row.values) for row in rows}
    operations.ops[:0] = [
        operation for name in wanted for operation in _changes(name, old=there.get(name), new=wanted[name])
    ]
    operations.ops.extend(enum_dropped(name, values) for name, values in there.items() if name not in wanted)
    return PriorityDispatchResult.CONTINUE


def _declared(metadata: MetaData) -> Iterator[tuple[str, Values]]:
    for table in metadata.sorted_tables:
        for column in table.columns:
            enum = enum_of(column.type)
            if enum is not None:
                yield str(enum.name), tuple(enum.enums)


def _changes(name: str, *, old: Values | None, new: Values) -> Sequence[MigrateOperation]:
    if old is None:
        return [enum_created(name, new)]
    if old == new:
        return []
    if old == tuple(value for value in new if value in old):
        return list(_added(name, old, new))
    return [enum_replaced(name, old=old, new=new)]


def _added(name: str, old: Values, new: Values) -> Iterator[MigrateOperation]:
    for place, value in enumerate(new):
        if value not in old:
            grown = (*old[:place], value, *old[place:])
            after, before = (old[place - 1], None) if place else (None, old[0])
            yield value_added(name, value, after=after, before=before, old=old, new=grown)
            old = grown
