"""Write once: the first call with an idempotency key writes, and every repeat returns the row that it wrote."""

import json
from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from pydantic import BaseModel
from sqlalchemy.dialects.postgresql import Insert
from sqlalchemy.sql.dml import ReturningInsert
from sqlalchemy.sql.expression import CTE

from app.db.rows import Slice
from app.repositories.entity import Entity
from app.repositories.routine import Routine

SAME: Final = "same_data"
"""The column that says whether the key's row was written with the data of this call."""

P_KEY: Final[sa.BindParameter[UUID]] = sa.bindparam("p_idempotency_key", type_=sa.Uuid())


def written_now(entity: Entity[Any], insertion: Insert) -> CTE:
    """Return the row that `insertion` writes; none if the key has one, for which it waits if need be."""
    return returning_once(insertion, [*entity.columns, sa.cast(sa.true(), sa.Boolean).label(SAME)]).cte("written_now")


def returning_once(insertion: Insert, columns: Sequence[sa.ColumnElement[Any]]) -> ReturningInsert[Any]:
    """Return the insertion, which does nothing if the key has a row."""
    has_key = sa.text("idempotency_key is not null")
    once = insertion.on_conflict_do_nothing(index_elements=["user_id", "idempotency_key"], index_where=has_key)
    return once.returning(*columns)


def written_before(entity: Entity[Any], same: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """Return the key's row as it is today, and whether it was written with the `same` data."""
    has_the_key = entity.table.c.idempotency_key == P_KEY
    return sa.select(*entity.columns, sa.cast(same, sa.Boolean).label(SAME)).where(entity.owned, has_the_key)


def once(now: CTE, before: sa.Select[Any]) -> sa.CompoundSelect[Any]:
    """Return the one row or the other; harmless to repeat when the connection breaks.

    Neither, if the insert waited for another call's, which ended after this statement's snapshot: run it again.
    """
    return sa.union_all(sa.select(now), before)


def once_on_shards(entity: Entity[Any], insertion: Insert, before: sa.Select[Any]) -> Routine:
    """Return what `once` of the insertion is on a sharded database; its second step sees what its first waited for."""
    columns = [*entity.columns, sa.cast(sa.true(), sa.Boolean).label(SAME)]
    steps = {"insert": returning_once(insertion, columns), "before": before}
    return Routine(f"{entity.table.name}_create_once", columns, _CREATE_ONCE, steps)


_CREATE_ONCE: Final = """
begin
  return query {insert};
  if not found then
    return query {before};
  end if;
end"""


def is_same(row: Any) -> bool | None:
    """Return whether a keyed query's row was written with the data of this call; None where it found none."""
    same: bool | None = (row.flags if isinstance(row, Slice) else row).get(SAME)
    return same


def digest_of(data: BaseModel) -> bytes:
    """Return what tells whether a repeated call brings the same data: the row itself may have changed since.

    Without the defaults: a field that later code adds must not make another row of a call that does not set it.
    """
    return sha256(json.dumps(data.model_dump(mode="json", exclude_defaults=True), sort_keys=True).encode()).digest()
