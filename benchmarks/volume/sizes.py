"""The sizes of the tables and indexes of a database, and its dead rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_TABLES = ("conversation", "message")
_INDEXES = """
select r.relname as table, i.relname as index, pg_relation_size(i.oid) as bytes
from pg_index x join pg_class r on r.oid = x.indrelid join pg_class i on i.oid = x.indexrelid
where r.relname = any($1) order by 1, 2"""
_ROWS = """
select relname, pg_relation_size(relid) as bytes, n_live_tup, n_dead_tup, n_tup_upd, n_tup_hot_upd, autovacuum_count
from pg_stat_user_tables where relname = any($1) order by 1"""


@dataclass(frozen=True)
class Sizes:
    """What the server counts at one moment."""

    indexes: Mapping[str, tuple[str, int]]
    """The table and the bytes of each index."""
    tables: Mapping[str, Mapping[str, int]]

    @classmethod
    async def of(cls, observer: Any) -> "Sizes":
        """Ask the server; an idle connection has its work counted after ten seconds."""
        await observer.execute("select pg_sleep(11)")
        await observer.execute("select pg_stat_clear_snapshot()")
        indexes = {row["index"]: (row["table"], row["bytes"]) for row in await observer.fetch(_INDEXES, _TABLES)}
        return cls(indexes, {row["relname"]: row for row in await observer.fetch(_ROWS, _TABLES)})

    @property
    def table(self) -> str:
        """The bytes for each row."""
        lines = [f"| {name}, rows | {row['bytes'] / row['n_live_tup']:.0f} |" for name, row in self.tables.items()]
        for name, (table, size) in self.indexes.items():
            lines.append(f"| `{name}` | {size / self.tables[table]['n_live_tup']:.0f} |")
        return "\n".join(["| | bytes for each row |", "|---|---|", *lines])

    def growth(self, *later: "Sizes") -> str:
        """How each size has grown, and what was counted, at each of some later moments."""
        lines = []
        for name, before in self.tables.items():
            for what in ("n_tup_upd", "n_tup_hot_upd", "autovacuum_count", "bytes"):
                values = [one.tables[name][what] - before[what] for one in later]
                lines.append(self._line(f"{name}, {what}", *values))
            lines.append(self._line(f"{name}, n_dead_tup", *(one.tables[name]["n_dead_tup"] for one in later)))
        for name, (_, size) in self.indexes.items():
            lines.append(self._line(f"`{name}`, bytes of {size:,}", *(one.indexes[name][1] - size for one in later)))
        return "\n".join(["| | at once | after autovacuum |", "|---|---|---|", *lines])

    @staticmethod
    def _line(name: str, *values: int) -> str:
        return f"| {name} | " + " | ".join(f"{value:,}" for value in values) + " |"
