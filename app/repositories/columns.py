"""How a column is read, sent and compared, by its type."""

from enum import Enum
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator, TypeEngine

# The driver takes and gives their values as they are.
_PLAIN: Final = (sa.Boolean, sa.Date, sa.Float, sa.Integer, sa.Interval, sa.LargeBinary, sa.Numeric, sa.Time, sa.Uuid)

P_ID: Final[sa.BindParameter[int]] = sa.bindparam("p_id", type_=sa.BigInteger())
P_LIMIT: Final[sa.BindParameter[int]] = sa.bindparam("p_limit", type_=sa.BigInteger())


def unseen(parameter: sa.BindParameter[Any]) -> sa.ScalarSelect[Any]:
    """Return the place where a page begins so that the planner does not see its value.

    Near an end of the primary key it would read everybody's rows from there and sort them (measured: 1,100 for a page
    of 50). A page is planned alike wherever it begins.
    """
    return sa.select(parameter).scalar_subquery()


P_PLACE: Final = unseen(sa.bindparam("p_place", type_=sa.BigInteger()))


def pinned(column: sa.Column[Any]) -> sa.Label[Any]:
    """Return the column cast to its own type, without the length, which a later migration may raise.

    A column that is widened or retyped under a running process is then read right, direct and through any pooler. An
    enum is read as text: asyncpg would ask the server for its labels on each new connection.
    """
    type_ = plain_type(column)
    if isinstance(type_, sa.String) and not isinstance(type_, sa.Text):  # an Enum is one, too
        type_ = sa.String()
    return sa.cast(column, type_).label(column.name)


def parameter(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """Return the parameter ``p_<column>`` as a value of the column's type."""
    bind: sa.BindParameter[Any] = sa.bindparam(f"p_{column.name}", type_=_sent_as(column))
    return sa.cast(bind, column.type) if _is_native_enum(column) else bind


def equals(column: sa.Column[Any], value: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
    """Return ``column = value`` with an operator of pg_catalog, whatever another role has planted in the schema."""
    if _is_native_enum(column):
        return column.op("OPERATOR(pg_catalog.=)", is_comparison=True, return_type=sa.Boolean())(value)
    if isinstance(plain_type(column), sa.String):  # varchar with varchar is none of pg_catalog's own operators
        return sa.cast(column, sa.Text()) == sa.cast(value, sa.Text())
    return column == value


def sent(value: Any) -> Any:
    """Return the value as the driver takes it: of an enum's member its value."""
    return value.value if isinstance(value, Enum) else value


def plain_type(column: sa.Column[Any]) -> TypeEngine[Any]:
    """Return the type that SQLAlchemy's decorators, such as SQLModel's `UTCDateTime`, are made on.

    SQLAlchemy's `Interval` is such a decorator too, for servers that have no intervals.
    """
    type_ = column.type
    return type_.impl_instance if isinstance(type_, TypeDecorator) and not isinstance(type_, sa.Interval) else type_


def _is_native_enum(column: sa.Column[Any]) -> bool:
    return isinstance(column.type, sa.Enum) and column.type.native_enum


def _sent_as(column: sa.Column[Any]) -> TypeEngine[Any]:
    type_ = plain_type(column)
    if isinstance(type_, sa.String):
        return sa.String()
    if isinstance(type_, _PLAIN) or (isinstance(type_, sa.DateTime) and type_.timezone):
        return type_
    raise TypeError(f"{column}: a value of {column.type!r} needs to be converted; write the entity's queries yourself")
