"""How many bytes of text one page may carry: it ends early at that, decided by the server in the same statement."""

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any, Final

import sqlalchemy as sa

from app.db.models.base import BYTES_PER_CHARACTER
from app.repositories.checks import MAX_LIMIT
from app.repositories.columns import P_LIMIT, plain_type

PAGE_BYTES: Final = 8_000_000
"""The most that the rows of one page take in UTF-8; a row that is longer alone comes alone."""

Order = Callable[[Any], Sequence[sa.ColumnElement[Any]]]
"""The order of rows with these columns."""

_P_BYTES: Final[sa.BindParameter[int]] = sa.bindparam("p_bytes", PAGE_BYTES, type_=sa.BigInteger())
_FIXED_BYTES: Final = 32  # what a number, a time or a UUID takes at most


def needs_budget(table: sa.Table, columns: Sequence[sa.Label[Any]]) -> bool:
    """Return whether the longest page of these columns of the table could exceed the budget."""
    return sum(_most_bytes(table.c[each.name]) for each in columns) * MAX_LIMIT > PAGE_BYTES


def within_budget(
    table: sa.Table, columns: Sequence[sa.Label[Any]], rows: sa.Select[Any], order: Order
) -> sa.Select[Any]:
    """Return the first of `rows` in this order, up to the page's limit, which is one less than sent, and the budget.

    The last column, `more`, says whether another row follows. The rows are measured where they lie: a long text is not
    read for it.
    """
    measured = measured_rows(table, rows, order, _bytes([table.c[each.name] for each in columns]).label("bytes"))
    in_page = measured.c.place < P_LIMIT
    in_budget = sa.or_(measured.c.total <= _P_BYTES, measured.c.place == sa.literal_column("1"))
    more = sa.cast(measured.c.next.is_not(None), sa.Boolean).label("more")
    page = [measured.c[column.name] for column in columns]
    return sa.select(*page, more).where(in_page, in_budget).order_by(*order(measured.c))


def measured_rows(table: sa.Table, rows: sa.Select[Any], order: Order, size: sa.Label[int]) -> sa.Subquery:
    """Return the first of `rows` in this order, `P_LIMIT` of them, each with its place, the total and the next.

    `total` is of the sizes up to the row; `next` is null for the last.
    """
    found = rows.order_by(*order(table.c)).limit(P_LIMIT).add_columns(size).subquery("found")
    window: Any = {"order_by": order(found.c), "rows": (None, 0)}  # the same for each: PostgreSQL runs it once
    return sa.select(
        *found.c,
        sa.func.row_number().over(**window).label("place"),
        sa.func.sum(found.c[size.name]).over(**window).label("total"),
        sa.func.pg_catalog.lead(sa.literal_column("1")).over(**window).label("next"),
    ).subquery("measured")


def _most_bytes(column: Any) -> float:
    type_ = plain_type(column)
    if not isinstance(type_, sa.String | sa.LargeBinary):
        return float("inf") if isinstance(type_, sa.ARRAY | sa.JSON) else _FIXED_BYTES
    return type_.length * BYTES_PER_CHARACTER if type_.length else float("inf")


def _bytes(columns: Sequence[Any]) -> sa.ColumnElement[Any]:
    """Return the bytes of the columns that alone could exceed the budget; of all texts, if none could."""
    long = [column for column in columns if _most_bytes(column) * MAX_LIMIT > PAGE_BYTES]
    texts = long or [column for column in columns if _most_bytes(column) > _FIXED_BYTES]
    return functools.reduce(operator.add, map(_size, texts))


def _size(column: Any) -> sa.ColumnElement[Any]:
    value = column if isinstance(plain_type(column), sa.LargeBinary) else sa.cast(column, sa.Text())
    size = sa.func.octet_length(value)
    return sa.func.coalesce(size, sa.literal_column("0")) if column.nullable else size
