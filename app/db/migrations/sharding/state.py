"""What a server says of its shards."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, text

from app.db.models.base import OWNER, owned_tables

_SERVER: Final = text("""
select cast(current_schema() as text) as schema,
  exists (select from pg_available_extensions where name = 'citus') as available,
  exists (select from pg_extension where extname = 'citus') as installed,
  coalesce(pg_catalog.array_agg(cast(relname as text)) filter (where relkind = 'r'), '{}') as plain,
  coalesce(pg_catalog.array_agg(cast(relname as text)) filter (where relkind = 'p'), '{}') as partitioned,
  coalesce(pg_catalog.array_agg(cast(relname as text)) filter (where relrowsecurity), '{}') as guarded
from pg_class where relname = any(:tables) and relkind in ('r', 'p') and pg_table_is_visible(pg_class.oid)""")
_CITUS: Final = text("""
select (select groupid = 0 from pg_dist_local_group) as is_entry,
  (select nodename || ':' || nodeport from pg_dist_node where groupid = 0 limit 1) as entry,
  (select coalesce(pg_catalog.bool_or(shouldhaveshards), true) from pg_dist_node) as has_place,
  coalesce(pg_catalog.array_agg(cast(relname as text)), '{}') as sharded,
  coalesce(pg_catalog.array_agg(cast(relname as text)) filter (where pg_relation_size(pg_class.oid) > 0), '{}')
    as left_over
from pg_dist_partition join pg_class on pg_class.oid = logicalrelid
where partmethod = 'h' and column_to_column_name(logicalrelid, partkey) = :owner
  and relname = any(:tables) and pg_table_is_visible(pg_class.oid)""")
_ROUTINES: Final = text("""
select cast(proname as text) from pg_proc
where pronamespace = to_regnamespace(current_schema()) and starts_with(cast(proname as text), :prefix)
order by proname""")


@dataclass(frozen=True, slots=True)
class Sharding:
    """What of a database is sharded, and what stands in the way."""

    schema: str = "public"
    available: bool = True
    """Whether the server has the extension's files."""
    installed: bool = True
    """Whether the database has the extension."""
    is_entry: bool = True
    """Whether this is the node that all clients connect to, Citus' coordinator."""
    entry: str | None = None
    """The host and port of that node, as the others know it."""
    has_place: bool = True
    """Whether a node may keep shards; a server that knows of no nodes keeps them itself."""
    existing: frozenset[str] = frozenset()
    partitioned: frozenset[str] = frozenset()
    guarded: frozenset[str] = frozenset()
    """The tables with row-level security."""
    sharded: frozenset[str] = frozenset()
    left_over: frozenset[str] = frozenset()
    """The sharded tables of which the entry node still keeps the rows from before."""


def sharding_of(connection: Connection) -> Sharding:
    """Return what of a database is sharded; one statement where it does not have the extension."""
    names = [table.name for table in owned_tables()]
    server = connection.execute(_SERVER, {"tables": names}).one()
    there: dict[str, Any] = {
        "schema": server.schema,
        "available": server.available,
        "installed": server.installed,
        "existing": frozenset([*server.plain, *server.partitioned]),
        "partitioned": frozenset(server.partitioned),
        "guarded": frozenset(server.guarded),
    }
    if not server.installed:
        return Sharding(**there)
    citus = connection.execute(_CITUS, {"tables": names, "owner": OWNER}).one()
    there |= {"sharded": frozenset(citus.sharded), "left_over": frozenset(citus.left_over)}
    return Sharding(**there, is_entry=citus.is_entry, entry=citus.entry, has_place=citus.has_place)


def routines_there(connection: Connection, prefix: str) -> list[str]:
    """Return the names of the functions that begin with the prefix."""
    names: Iterable[str] = connection.execute(_ROUTINES, {"prefix": prefix}).scalars()
    return list(names)
