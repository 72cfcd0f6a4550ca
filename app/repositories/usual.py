"""The queries that most entities have, built from the entity."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, Generic, TypeVar

import sqlalchemy as sa
from pydantic import BaseModel
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import Insert

from app.db.models.base import ReadModel
from app.db.query import Query, Record, WhenLost
from app.repositories.columns import P_ID, equals, parameter
from app.repositories.entity import Entity, plural
from app.repositories.once import P_KEY, once, once_on_shards, written_before, written_now
from app.repositories.order import LatestFirst, NewestFirst
from app.repositories.owner import owned, owner

Read = TypeVar("Read", bound=ReadModel)
Row = TypeVar("Row")
Order = NewestFirst | LatestFirst
_Values = dict[str, sa.ColumnElement[Any]]

_P_DIGEST: Final[sa.BindParameter[bytes]] = sa.bindparam("p_digest", type_=sa.LargeBinary())
_P_UPDATED_AT: Final[sa.BindParameter[Any]] = sa.bindparam("p_updated_at", type_=sa.DateTime(timezone=True))


class Usual(Generic[Read]):
    """Create, get, page, update, delete and count.

    Rows are created from the fields of `create` and changed by those of `update`; without `update` they cannot be.
    Pages and counts are also of the rows with one value of one of the `filters`: each needs an index on the user, the
    filter and `newest_first`. Pages are the newest first, or those first whose time in `latest_by` is the latest.
    """

    def __init__(
        self,
        entity: Entity[Read],
        *,
        create: type[BaseModel] | None = None,
        update: type[BaseModel] | None = None,
        filters: Sequence[str] = (),
        latest_by: str | None = None,
    ) -> None:
        self.order = LatestFirst(entity.table, latest_by) if latest_by else NewestFirst(entity.table)
        values = _values(entity, create)
        self.create = entity.query("create", lambda: _created(entity, values))
        self.create_once = _create_once(entity, create, values) if entity.has_keys else None
        self.get = entity.query("get", lambda: sa.select(*entity.columns).where(*entity.one))
        self.pages = _by_filter(filters, partial(_page_query, entity, self.order))
        self.nullable = [column.name for column in _columns(entity, update) if column.nullable]
        """The fields that an update can set to null."""
        self.update: Query[Read] | None = None
        self.update_unchanged: Query[Record] | None = None
        if update is not None:
            changed = partial(_changed, entity, {each: _new_value(each) for each in _columns(entity, update)})
            self.update = entity.query("update", changed)
            if entity.has_updated_at:
                unchanged = partial(_changed_if_unchanged, entity, changed)
                self.update_unchanged = entity.query("update_unchanged", unchanged, Record)
        self.delete = entity.query("delete", lambda: _deleted(entity), int)
        self.counts = _by_filter(filters, partial(_count_query, entity))


def _id(entity: Entity[Any]) -> sa.Label[Any]:
    return next(column for column in entity.columns if column.name == "id")


def _columns(entity: Entity[Any], model: type[BaseModel] | None) -> list[sa.Column[Any]]:
    return [entity.table.c[name] for name in model.model_fields] if model else []


def _values(entity: Entity[Any], create: type[BaseModel] | None) -> _Values:
    return {"user_id": owner(), **{column.name: parameter(column) for column in _columns(entity, create)}}


def _created(entity: Entity[Any], values: _Values) -> Any:
    return sa.insert(entity.table).values(values).returning(*entity.columns)


def _create_once(entity: Entity[Any], create: type[BaseModel] | None, values: _Values) -> Query[Record]:
    if create is not None and not entity.has_digest:
        raise TypeError(f"{entity.table.name}: rows that are created from data need idempotency_key(digest=True)")
    parts = partial(_created_once, entity, values, has_data=create is not None)
    return entity.query(
        "create_once",
        lambda: _once(entity, *parts()),
        Record,
        lost=WhenLost.KEYED,
        sharded=lambda: once_on_shards(entity, *parts()),
    )


def _once(entity: Entity[Any], insertion: Insert, before: sa.Select[Any]) -> Any:
    return once(written_now(entity, insertion), before)


def _created_once(entity: Entity[Any], values: _Values, *, has_data: bool) -> tuple[Insert, sa.Select[Any]]:
    values = {**values, "idempotency_key": P_KEY}
    same: sa.ColumnElement[bool] = sa.true()
    if has_data:  # what is sent must be remembered: a repeat is compared with it, not with the row of today
        values["idempotency_digest"] = _P_DIGEST
        same = entity.table.c.idempotency_digest.is_not_distinct_from(_P_DIGEST)
    return postgresql.insert(entity.table).values(values), written_before(entity, same)


# No clock here: the trigger sets the time, and a volatile function in an UPDATE cannot be sharded.
def _changed(entity: Entity[Any], values: Mapping[sa.Column[Any], sa.ColumnElement[Any]]) -> Any:
    return sa.update(entity.table).where(*entity.one).values(values).returning(*entity.columns)


def _new_value(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """Return the value that is sent, or the column's own where none is; null can be sent where the column allows it."""
    if not column.nullable:
        return sa.func.coalesce(parameter(column), column)
    is_sent: sa.BindParameter[bool] = sa.bindparam(f"p_set_{column.name}", type_=sa.Boolean())
    return sa.case((is_sent, parameter(column)), else_=column)


def _changed_if_unchanged(entity: Entity[Any], change: Callable[[], Any]) -> sa.Select[Any]:
    """Return one row always: whether the row is there, and what the update made of it if it had not changed before."""
    changed = change().where(entity.table.c.updated_at == _P_UPDATED_AT).cte("changed")
    there = sa.select(entity.table.c.id).where(*entity.one).exists().label("there")
    always = sa.select(sa.literal(1)).subquery("always")
    return sa.select(there, *changed.c).select_from(always.outerjoin(changed, sa.true()))


def _deleted(entity: Entity[Any]) -> Any:
    """Return the DELETE of one row, and before it of the rows that the database would delete after it.

    Its own cascade runs while the row is locked: callers that append to a long conversation would wait for all of it.
    Then the cascade finds only what was appended meanwhile.
    """
    statement = sa.delete(entity.table).where(*entity.one).returning(_id(entity))
    for column in _cascading_to(entity.table):
        table = column.table
        gone = (
            sa.delete(table)
            .where(owned(table), column == P_ID)
            .returning(sa.literal_column("1"))
            .cte(plural(table.name))
        )
        # Counted, since the server would otherwise run it last.
        statement = statement.where(sa.select(sa.func.count()).select_from(gone).scalar_subquery().is_not(None))
    return statement


def _cascading_to(table: sa.Table) -> list[sa.Column[Any]]:
    """Return the columns whose rows the database deletes with the row that they refer to."""
    keys = (key for each in table.metadata.sorted_tables for key in each.foreign_keys if key.ondelete == "CASCADE")
    return [key.parent for key in keys if key.column is table.c.id and "user_id" in key.parent.table.c]


def _page_query(entity: Entity[Read], order: Order, by: str | None) -> Query[Any]:
    wanted = _filtered(entity, by)
    return entity.page_query(
        _named("page", by), lambda: order.begin(sa.select(*entity.columns).where(*wanted)), order.by
    )


def _count_query(entity: Entity[Any], by: str | None) -> Query[int]:
    wanted = _filtered(entity, by)
    return entity.query(_named("count", by), lambda: sa.select(sa.func.count().label("count")).where(*wanted), int)


def _named(name: str, by: str | None) -> str:
    return f"{name}_by_{by}" if by else name


def _filtered(entity: Entity[Any], by: str | None) -> list[sa.ColumnElement[bool]]:
    column = entity.table.c[by] if by else None
    return [entity.owned] if column is None else [entity.owned, equals(column, parameter(column))]


def _by_filter(filters: Sequence[str], query: Callable[[str | None], Query[Row]]) -> dict[str | None, Query[Row]]:
    return {by: query(by) for by in (None, *filters)}
