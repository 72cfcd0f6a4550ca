"""An index of a partitioned table: built on each partition concurrently, and joined under the table's own."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from sqlalchemy import Connection, Row, text

from app.db.migrations.operations.base import quoted

_IS_PARTITIONED: Final = text("""
select relkind::text = 'p' from pg_class where oid = cast(to_regclass(quote_ident(:table)) as oid)""")
_TREE: Final = text("""
select cast(relid as oid) as oid, cast(parentrelid as oid) as parent, isleaf,
  cast(nspname as text) as schema, cast(relname as text) as name
from pg_partition_tree(to_regclass(quote_ident(:table)))
join pg_class on pg_class.oid = relid join pg_namespace on pg_namespace.oid = relnamespace
order by level, relname""")
_INDEXES: Final = text("""
select indrelid as table, indexrelid as oid, cast(relname as text) as name, indisvalid as valid, inhparent as parent
from pg_index join pg_class on pg_class.oid = indexrelid left join pg_inherits on inhrelid = indexrelid
where indrelid = any(cast(:tables as oid[]))""")
_LONGEST_NAME: Final = 63
_DIGITS: Final = 8


@dataclass(frozen=True, slots=True)
class Step:
    """One statement towards the index; those that are not concurrent are quick once they have their lock."""

    sql: str
    is_concurrent: bool = False


@dataclass(frozen=True, slots=True)
class _Index:
    name: str
    """Qualified, as written in SQL."""
    oid: int | None
    """None if it does not exist yet."""


def is_partitioned(connection: Connection, table: str) -> bool:
    """Return whether the table is divided into partitions."""
    return bool(connection.execute(_IS_PARTITIONED, {"table": table}).scalar())


def remaining_steps(connection: Connection, create: str, name: str, table: str) -> list[Step]:
    """Return what remains to be done for the index that `create` would make on the whole table at once.

    A partition's index that is invalid, left by a failed attempt, is dropped first; the table's own is invalid until
    the last one has joined it.
    """
    nodes = connection.execute(_TREE, {"table": table}).all()
    indexes = connection.execute(_INDEXES, {"tables": [node.oid for node in nodes]}).all()
    head, _, rest = create.rstrip("; \n").partition(f" INDEX {quoted(name)} ON {quoted(table)} ")
    known: dict[int, _Index] = {}
    return [step for node in nodes for step in _of_node(node, indexes, known, name=name, head=head, rest=rest)]


def _of_node(
    node: Row[Any], indexes: Any, known: dict[int, _Index], *, name: str, head: str, rest: str
) -> Iterator[Step]:
    parent = known.get(node.parent)
    ours = {index.name: index for index in indexes if index.table == node.oid}
    joined = next((each for each in ours.values() if parent and parent.oid and each.parent == parent.oid), None)
    wanted = name if parent is None else name_on(node.name, name)
    found = joined or ours.get(wanted)
    schema, written = quoted(node.schema), quoted(found.name if found else wanted)
    place = f"{schema}.{written}"
    if joined is not None and node.isleaf and not joined.valid:
        yield Step(f"REINDEX INDEX CONCURRENTLY {place}", is_concurrent=True)
    elif found is not None and node.isleaf and not found.valid:
        yield Step(f"DROP INDEX CONCURRENTLY {place}", is_concurrent=True)
        found = None
    known[node.oid] = _Index(place, found.oid if found else None)
    if found is None:
        how, only = (" CONCURRENTLY", "") if node.isleaf else ("", " ONLY")
        create = f"{head} INDEX{how} {written} ON{only} {schema}.{quoted(node.name)} {rest}"
        yield Step(create, is_concurrent=node.isleaf)
    if parent is not None and (found is None or joined is None):
        yield Step(f"ALTER INDEX {parent.name} ATTACH PARTITION {place}")


def name_on(partition: str, name: str) -> str:
    """Return the name of a partition's index, the same in each run and no longer than names may be."""
    whole = f"{partition}_{name}"
    if len(whole.encode()) <= _LONGEST_NAME:
        return whole
    return f"{whole[: _LONGEST_NAME - _DIGITS - 1]}_{sha256(whole.encode()).hexdigest()[:_DIGITS]}"
