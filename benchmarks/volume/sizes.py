"""The sizes of the tables and indexes of a database, and its dead rows."""

from dataclasses import dataclass
from typing import Any, Final

TABLES: Final = ("message", "conversation")
_INDEXES = """
select r.relname as table, i.relname as index, pg_relation_size(i.oid) as bytes,
  '(' || (select string_agg(pg_get_indexdef(i.oid, n::int, true), ', ' order by n)
          from generate_series(1, x.indnkeyatts) n) || ')' as columns
from pg_index x join pg_class r on r.oid = x.indrelid join pg_class i on i.oid = x.indexrelid
where r.relname = any($1) order by 1 desc, bytes desc, 2"""
_TABLES = """
select relname, pg_relation_size(relid) as bytes, n_dead_tup, n_tup_upd, n_tup_hot_upd, autovacuum_count
from pg_stat_user_tables where relname = any($1)"""


@dataclass(slots=True)
class Index:
    """An index: its columns and its size."""

    table: str
    columns: str
    bytes: int


@dataclass(slots=True)
class Counts:
    """What the server has counted of a table."""

    rows: int
    bytes: int
    dead: int
    updates: int
    hot_updates: int
    autovacuums: int


@dataclass(slots=True)
class Sizes:
    """What the server counts at one moment."""

    tables: dict[str, Counts]
    indexes: dict[str, Index]

    @classmethod
    async def of(cls, observer: Any) -> "Sizes":
        """Ask the server; a connection that is still open may not have told what it did."""
        await observer.execute("select pg_stat_clear_snapshot()")
        indexes = {
            row["index"]: Index(row["table"], row["columns"], row["bytes"])
            for row in await observer.fetch(_INDEXES, TABLES)
        }
        found = {name: row for name, *row in await observer.fetch(_TABLES, TABLES)}
        return cls({name: Counts(await _rows(observer, name), *found[name]) for name in TABLES}, indexes)

    @classmethod
    def read(cls, raw: dict[str, Any]) -> "Sizes":
        """Return what was stored as JSON."""
        return cls(
            {name: Counts(**each) for name, each in raw["tables"].items()},
            {name: Index(**each) for name, each in raw["indexes"].items()},
        )

    def bytes_for_each_row(self, name: str) -> float:
        """Return the bytes of a row of this table, or of a row of its table in this index."""
        index = self.indexes.get(name)
        size = index.bytes if index else self.tables[name].bytes
        return size / self.tables[index.table if index else name].rows

    def of_table(self, table: str) -> dict[str, Index]:
        """Return the indexes of a table."""
        return {name: index for name, index in self.indexes.items() if index.table == table}


async def _rows(observer: Any, table: str) -> int:
    return int(await observer.fetchval(f'select count(*) from "{table}"'))
