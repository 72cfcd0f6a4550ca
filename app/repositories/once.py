"""Writing once: the first call with an idempotency key writes, and every repeat returns the row that it wrote."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BindParameter,
    Boolean,
    ColumnElement,
    CompoundSelect,
    Label,
    Select,
    Uuid,
    bindparam,
    cast,
    select,
    text,
    true,
    union_all,
)
from sqlalchemy.dialects.postgresql import Insert
from sqlalchemy.sql.expression import CTE
from sqlmodel import SQLModel

from app.db.models.base import table_of
from app.repositories.base import P_USER_ID, SAME

P_KEY: BindParameter[UUID] = bindparam("p_idempotency_key", type_=Uuid())


def written_now(insertion: Insert, columns: Sequence[Label[Any]]) -> CTE:
    """Return the row that `insertion` writes; none if the key has one, for which it waits if need be."""
    has_key = text("idempotency_key is not null")
    once = insertion.on_conflict_do_nothing(index_elements=["user_id", "idempotency_key"], index_where=has_key)
    return once.returning(*columns, cast(true(), Boolean).label(SAME)).cte("written_now")


def written_before(table: type[SQLModel], columns: Sequence[Label[Any]], same: ColumnElement[bool]) -> Select[Any]:
    """Return the key's row as it is today, and whether it was written with the `same` data."""
    row = table_of(table).c
    return select(*columns, cast(same, Boolean).label(SAME)).where(
        row.user_id == P_USER_ID, row.idempotency_key == P_KEY
    )


def once(now: CTE, before: Select[Any]) -> CompoundSelect[Any]:
    """Return the one row or the other. Harmless to repeat when the connection breaks: that is what the key is for.

    Neither, if the insert waited for another call's, which ended after this statement's snapshot: asked again, there
    it is.
    """
    return union_all(select(now), before)
