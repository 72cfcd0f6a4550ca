"""The statements that read, write and delete a user's rows of one table, in bounded steps.

All of them run on the primary: what proves that nothing is left must not be a replica that has not heard of a row yet.
"""

from functools import cache
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.sql import ClauseElement

from app.db.query import Query, Record, WhenLost
from app.repositories.budget import Order, needs_budget, within_budget
from app.repositories.columns import P_LIMIT, P_PLACE, pinned
from app.repositories.owner import owned, owned_in_order, owner
from app.userdata.tables import UserTable, array_type, read, stored, user_tables

PAGE_ROWS: Final = 1000
"""The rows of one step; fewer where they exceed 8 MB."""

_P_SKIP: Final[sa.BindParameter[int]] = sa.bindparam("p_skip", type_=sa.BigInteger())


@cache
def page(of: UserTable) -> Query[Record]:
    """Return the query of the next rows after an id, with every column and whether `more` follow."""
    return Query(f"userdata.{of.name}.page", _page(of), Record, on_primary=True)


@cache
def ids(of: UserTable) -> Query[int]:
    """Return the query of the ids alone, from the index."""
    rows = sa.select(pinned(of.table.c.id)).where(*_after(of.table)).order_by(*_order(of.table)(of.table.c))
    return Query(f"userdata.{of.name}.ids", rows.offset(_P_SKIP).limit(P_LIMIT), int, on_primary=True)


@cache
def extent() -> Query[Record]:
    """Return the query that tells, in one snapshot, how many rows each table has up to its bound, and which."""
    return Query("userdata.extent", sa.union_all(*map(_extent, user_tables())), Record, on_primary=True)


def bound_of(of: UserTable) -> str:
    """Return the name of the table's parameter in `extent`."""
    return f"p_bound_{of.name}"


@cache
def insertion(of: UserTable) -> Query[int]:
    """Return the INSERT of many rows, which returns their new ids."""
    names = [column.name for column in of.columns]
    arrays = [sa.bindparam(f"p_{column.name}", type_=array_type(column)) for column in of.columns]
    sent = sa.func.unnest(*arrays).table_valued(*names, with_ordinality="position").render_derived("sent")
    values = [_or_default(column, stored(column, sent.c[column.name])) for column in of.columns]
    rows = sa.select(owner(), *values).select_from(sent).order_by(sent.c.position)
    inserted = sa.insert(of.table).from_select(["user_id", *names], rows).returning(pinned(of.table.c.id))
    return Query(f"userdata.{of.name}.insert", inserted, int)


@cache
def deletion(of: UserTable) -> Query[Record]:
    """Return the DELETE of the next rows after an id, with how many there were and the last one's id.

    To run it again is harmless, as with a key.
    """
    measured = _page(of).subquery("rows_of_step")  # by all columns, read by the id
    step = sa.select(measured.c.id).cte("step")
    # An array, so that each row is found by the primary key, however many the planner expects.
    found = sa.any_(sa.func.array(sa.select(step.c.id).scalar_subquery()))
    gone = sa.delete(of.table).where(owned(of.table), of.table.c.id == found).returning(of.table.c.id)
    last = _number("last", sa.func.max(step.c.id))
    rows = _number("rows", sa.select(sa.func.count()).select_from(gone.cte("gone")).scalar_subquery())
    return Query(f"userdata.{of.name}.delete", sa.select(rows, last).select_from(step), Record, WhenLost.KEYED)


def _page(of: UserTable) -> sa.Select[Any]:
    columns = [pinned(of.table.c.id), *map(read, of.columns)]
    rows = sa.select(*columns).where(*_after(of.table))
    if not needs_budget(of.table, columns):
        return rows.order_by(*_order(of.table)(of.table.c)).limit(P_LIMIT)
    owned_rows = rows.add_columns(sa.cast(of.table.c.user_id, sa.Text()).label("user_id"))
    return within_budget(of.table, columns, owned_rows, _order(of.table))


def _after(table: sa.Table) -> tuple[sa.ColumnElement[bool], ...]:
    # No upper bound: the planner takes a range to be short, and would sort what it finds by the primary key.
    return owned_in_order(table), table.c.id > P_PLACE


def _order(table: sa.Table) -> Order:
    """Return the order of the table's index on the user and the id, which may be read backwards."""
    if _has_plain_index(table):
        return lambda columns: [sa.cast(columns.user_id, sa.Text()), columns.id]
    return lambda columns: [sa.cast(columns.user_id, sa.Text()).desc(), columns.id.asc().nulls_first()]


def _has_plain_index(table: sa.Table) -> bool:
    pair = [table.c.user_id, table.c.id]
    keys = (each for each in table.constraints if isinstance(each, sa.UniqueConstraint))
    return any(list(each.columns) == pair for each in keys) or any(
        list(each.expressions) == pair for each in table.indexes
    )


def _extent(of: UserTable) -> sa.Select[Any]:
    rows = _number("rows", sa.func.count())
    bound = _number("bound", sa.func.coalesce(sa.func.max(of.table.c.id), sa.literal_column("0")))
    mark = _number("mark", sa.func.coalesce(sa.func.bit_xor(of.table.c.id), sa.literal_column("0")))
    name = sa.cast(sa.literal(of.name, sa.String()), sa.Text()).label("name")
    up_to = sa.bindparam(bound_of(of), type_=sa.BigInteger())
    found: Any = sa.select(name, rows, bound, mark)
    extents: sa.Select[Any] = found.where(owned(of.table), of.table.c.id <= up_to)
    return extents


def _number(name: str, value: sa.ColumnElement[Any]) -> sa.Label[Any]:
    return sa.cast(value, sa.BigInteger()).label(name)


def _or_default(column: Any, value: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """Return the value, or what the database sets where there is none: the file may be older than the column."""
    default = getattr(column.server_default, "arg", None)
    if default is None:
        return value
    if not isinstance(default, ClauseElement):  # text is a literal's
        default = sa.literal_column("'" + default.replace("'", "''") + "'")
    return sa.func.coalesce(value, default)
