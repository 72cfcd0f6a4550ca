"""Idempotency keys are remembered for a while: this forgets those of old rows, in batches, and keeps the rows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Table, TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.database import Database
from app.db.errors import ConfigurationError, InvalidInputError
from app.db.models import metadata
from app.db.models.base import KEY_COLUMNS

SHORTEST: Final = timedelta(days=1)
"""Callers repeat within minutes; a day covers those that were offline."""

_BATCH_ROWS: Final = 1000
_BEFORE_ALL: Final[Mapping[str, Any]] = {"user_id": "", "key": UUID(int=0)}
_FORGET: Final = text("select set_config('app.keys', 'forget', true)")
# Unlike `set_config`, these reach the workers, whose triggers read them.
_FORGET_ON_SHARDS: Final = ("set local citus.propagate_set_commands = 'local'", "set local app.keys = 'forget'")
_HIDDEN: Final = text("select row_security_active(cast(:table as text))")


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was done with one table."""

    table: str
    keys: int


async def forget_keys(db: Database, *, older_than: timedelta) -> list[Forgotten]:
    """Remove the keys of rows created before `older_than`, and return how many of each table.

    A repeat with a key that is forgotten is a new call. Each batch is a transaction: interrupted, it keeps what it
    did. Raises `ConfigurationError` where row-level security hides rows from this role.
    """
    if older_than < SHORTEST:
        raise InvalidInputError(f"keys are kept for at least {SHORTEST.days} day: a repeat must find its row")
    before = datetime.now(UTC) - older_than
    return [Forgotten(table.name, await _forget(db, table, before)) for table in keyed_tables()]


def keyed_tables() -> Iterator[Table]:
    """Yield the tables whose rows can be written with a key."""
    return (table for table in metadata.sorted_tables if KEY_COLUMNS[0] in table.columns)


async def _forget(db: Database, table: Table, before: datetime) -> int:
    return await (_on_shards if db.settings.sharded else _in_batches)(db, table, before)


async def _on_shards(db: Database, table: Table, before: datetime) -> int:
    """Clear all at once, on each shard for itself: Citus takes no batch that is chosen among all shards."""
    key = KEY_COLUMNS[0]
    old = f"{key} is not null and created_at < cast(:before as timestamptz)"
    async with db.transaction() as session:
        for setting in _FORGET_ON_SHARDS:
            await session.execute(text(setting))
        cleared = await session.execute(
            text(f"update {table.name} set {_cleared(table)} where {old}"),  # noqa: S608 - names of the models
            {"before": before},
        )
    return int(getattr(cleared, "rowcount", 0))


async def _in_batches(db: Database, table: Table, before: datetime) -> int:
    batch, place, keys = _batch(table), _BEFORE_ALL, 0
    while True:
        async with db.transaction() as session:
            await _refuse_hidden_rows(session, table)
            await session.execute(_FORGET)
            parameters = {**place, "before": before, "rows": _BATCH_ROWS}
            seen = (await session.execute(batch, parameters)).mappings().one()
        keys += int(seen["forgotten"])
        if seen["user_id"] is None:
            return keys
        place = {"user_id": seen["user_id"], "key": seen["key"]}


async def _refuse_hidden_rows(session: AsyncSession, table: Table) -> None:
    if (await session.execute(_HIDDEN, {"table": table.name})).scalar_one():
        raise ConfigurationError(
            f"row-level security hides the rows of {table.name} from this role: run it as a role with BYPASSRLS"
        )


def _batch(table: Table) -> TextClause:
    """Return what looks at the next keys, in the order of their index, and removes the old ones among them."""
    key = KEY_COLUMNS[0]
    return text(f"""
with seen as materialized (
  select id, cast(user_id as text) as user_id, {key} as key, created_at from {table.name}
  where {key} is not null
    and (cast(user_id as text), {key}) > (cast(:user_id as text), cast(:key as uuid))
  order by cast(user_id as text), {key} limit cast(:rows as bigint)
), forgotten as (
  update {table.name} set {_cleared(table)} from seen
  where {table.name}.id = seen.id and cast({table.name}.user_id as text) = seen.user_id
    and {table.name}.{key} = seen.key and seen.created_at < cast(:before as timestamptz)
  returning 1
), last as (
  select user_id, key from seen order by user_id desc, key desc limit 1
)
select (select user_id from last) as user_id, (select key from last) as key,
  (select count(*) from forgotten) as forgotten""")  # noqa: S608 - names of the models


def _cleared(table: Table) -> str:
    return ", ".join(f"{name} = null" for name in KEY_COLUMNS if name in table.columns)
