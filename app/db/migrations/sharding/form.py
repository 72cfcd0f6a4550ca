"""The statements that give tables the form that is sharded by user, and back; derived from the models."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from sqlalchemy import Column, ForeignKeyConstraint, Index, PrimaryKeyConstraint, Table, UniqueConstraint
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import AddConstraint, CreateIndex, CreateTable, DDLElement

from app.db.errors import ConfigurationError
from app.db.migrations.operations.base import literal, quoted
from app.db.models import metadata
from app.db.models.base import OWNER
from app.db.models.updated_at import CREATE_TRIGGER, is_touched

ASIDE: Final = "taken_back"
"""The schema in which `taken_back` makes the plain tables, before they take the place of the others."""


def sharded_key(table: Table) -> list[str]:
    """Return the columns of the primary key in the sharded form: a key of each shard contains the owner."""
    return [OWNER, *(column.name for column in table.primary_key.columns if column.name != OWNER)]


def distributed(tables: Sequence[Table], *, beside: str | None = None) -> Iterator[str]:
    """Yield the statements that shard the tables, beside the table that is sharded already if there is one.

    The foreign keys are made last: Citus refuses one between a table that is sharded and one that is not.
    """
    refuse_unshardable(tables)
    keys = list(_foreign_keys(tables))
    yield from (f"alter table {_name(key.table)} drop constraint {quoted(str(key.name))}" for key in keys)
    yield from map(rekeyed, tables)
    for table in tables:
        yield sent_to_shards(table, beside)
        beside = beside or _name(table)
    yield from map(added, keys)


def rekeyed(table: Table) -> str:
    """Return the statement that gives a table the key of the sharded form."""
    key: PrimaryKeyConstraint = table.primary_key
    name, columns = quoted(str(key.name)), ", ".join(map(quoted, sharded_key(table)))
    return f"alter table {_name(table)} drop constraint {name}, add constraint {name} primary key ({columns})"


def sent_to_shards(table: Table, beside: str | None) -> str:
    """Return the statement that shards a table, each user's rows beside those in the table named `beside`."""
    with_others = f", colocate_with => {literal(beside)}" if beside else ""
    return f"select create_distributed_table({literal(_name(table))}, {literal(OWNER)}{with_others})"


def added(key: ForeignKeyConstraint) -> str:
    """Return the statement that adds a foreign key."""
    return _sql(AddConstraint(key, isolate_from_table=False))


def emptied(tables: Iterable[Table]) -> Iterator[str]:
    """Yield the statements that remove what the entry node kept of the tables' rows when they went to the shards."""
    for table in reversed(list(tables)):
        yield f"select truncate_local_data_after_distributing_table({literal(_name(table))})"


def taken_back(tables: Sequence[Table], schema: str) -> Iterator[str]:
    """Yield the statements that make plain tables of sharded ones, in the schema where these are.

    Not by `undistribute_table`, which refuses a table whose id is an identity column.
    """
    if not tables:
        return
    aside, home = quoted(ASIDE), quoted(schema)
    everything = ", ".join(f"{home}.{_name(table)}" for table in tables)
    yield f"lock table {everything} in access exclusive mode"
    yield f"create schema {aside}"
    yield f"set local search_path = {aside}, {home}"
    for table in tables:
        yield _sql(CreateTable(table))
        columns = ", ".join(quoted(column.name) for column in table.columns)
        yield f"insert into {aside}.{_name(table)} ({columns}) select {columns} from {home}.{_name(table)}"  # noqa: S608 - our own names
        yield from (_sequence_moved(table, column, home, aside) for column in table.columns if column.identity)
        yield from (_sql(CreateIndex(index)) for index in sorted(table.indexes, key=lambda index: str(index.name)))
        if is_touched(table):
            yield CREATE_TRIGGER % {"fullname": _name(table)}
    yield f"drop table {everything}"
    yield from (f"alter table {aside}.{_name(table)} set schema {home}" for table in tables)
    yield f"set local search_path = {home}"
    yield f"drop schema {aside}"


def refuse_unshardable(tables: Iterable[Table]) -> None:
    """Raise `ConfigurationError` for a table with a unique key that spans users: no shard alone can enforce it."""
    for table in tables:
        for unique in _uniques(table):
            if OWNER not in unique.columns:
                raise ConfigurationError(
                    f"{unique.name} of {table.name} is unique among all users: no shard alone can enforce that. "
                    f"Add {OWNER} to its columns"
                )


def _uniques(table: Table) -> Iterator[UniqueConstraint | Index]:
    yield from (each for each in table.constraints if isinstance(each, UniqueConstraint))
    yield from (each for each in table.indexes if each.unique)


def _foreign_keys(tables: Sequence[Table]) -> Iterator[ForeignKeyConstraint]:
    """Yield the foreign keys from or to the tables, in a constant order."""
    for table in metadata.sorted_tables:
        for key in sorted(table.foreign_key_constraints, key=lambda key: str(key.name)):
            if table in tables or key.referred_table in tables:
                yield key


def _sequence_moved(table: Table, column: Column[object], home: str, aside: str) -> str:
    """Return the statement that continues the ids where the sharded table's sequence is."""
    name = literal(column.name)
    before, now = (f"pg_get_serial_sequence({literal(f'{schema}.{_name(table)}')}, {name})" for schema in (home, aside))
    taken = f"(select coalesce(max({quoted(column.name)}), 0) from {aside}.{_name(table)})"  # noqa: S608 - our own names
    return f"select setval({now}, greatest(nextval({before}), {taken} + 1), false)"


def _name(table: Table) -> str:
    return quoted(table.name)


def _sql(ddl: DDLElement) -> str:
    return " ".join(str(ddl.compile(dialect=postgresql.dialect())).split())  # type: ignore[no-untyped-call]  # SQLAlchemy's dialects are not typed
