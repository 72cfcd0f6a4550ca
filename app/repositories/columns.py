"""How a column is read, sent and compared, by its type."""

from enum import Enum as PythonEnum
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Boolean,
    Column,
    ColumnElement,
    Date,
    DateTime,
    Enum,
    Float,
    Integer,
    Interval,
    Label,
    LargeBinary,
    Numeric,
    ScalarSelect,
    String,
    Text,
    Time,
    Uuid,
    bindparam,
    cast,
    select,
)
from sqlalchemy.types import TypeDecorator, TypeEngine

# The driver takes and gives their values as they are.
_PLAIN: Final = (Boolean, Date, Float, Integer, Interval, LargeBinary, Numeric, Time, Uuid)

P_ID: Final[BindParameter[int]] = bindparam("p_id", type_=BigInteger())
P_LIMIT: Final[BindParameter[int]] = bindparam("p_limit", type_=BigInteger())


def unseen(parameter: BindParameter[Any]) -> ScalarSelect[Any]:
    """Return the place where a page begins so that the planner does not see its value.

    Near an end of the primary key it would read everybody's rows from there and sort them (measured: 1,100 for a page
    of 50). A page is planned alike wherever it begins.
    """
    return select(parameter).scalar_subquery()


P_PLACE: Final = unseen(bindparam("p_place", type_=BigInteger()))


def pinned(column: Column[Any]) -> Label[Any]:
    """Return the column cast to its own type, without the length, which a later migration may raise.

    A column that is widened or retyped under a running process is then read right, direct and through any pooler. An
    enum is read as text: asyncpg would ask the server for its labels on each new connection.
    """
    type_ = plain_type(column)
    if isinstance(type_, String) and not isinstance(type_, Text):  # an Enum is one, too
        type_ = String()
    return cast(column, type_).label(column.name)


def parameter(column: Column[Any]) -> ColumnElement[Any]:
    """Return the parameter ``p_<column>`` as a value of the column's type."""
    bind: BindParameter[Any] = bindparam(f"p_{column.name}", type_=_sent_as(column))
    return cast(bind, column.type) if _is_native_enum(column) else bind


def equals(column: Column[Any], value: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return ``column = value`` with an operator of pg_catalog, whatever another role has planted in the schema."""
    if _is_native_enum(column):
        return column.op("OPERATOR(pg_catalog.=)", is_comparison=True, return_type=Boolean())(value)
    if isinstance(plain_type(column), String):  # varchar with varchar is none of pg_catalog's own operators
        return cast(column, Text()) == cast(value, Text())
    return column == value


def sent(value: Any) -> Any:
    """Return the value as the driver takes it: of an enum's member its value."""
    return value.value if isinstance(value, PythonEnum) else value


def plain_type(column: Column[Any]) -> TypeEngine[Any]:
    """Return the type that SQLAlchemy's decorators, such as SQLModel's `UTCDateTime`, are made on.

    SQLAlchemy's `Interval` is such a decorator too, for servers that have no intervals.
    """
    type_ = column.type
    return type_.impl_instance if isinstance(type_, TypeDecorator) and not isinstance(type_, Interval) else type_


def _is_native_enum(column: Column[Any]) -> bool:
    return isinstance(column.type, Enum) and column.type.native_enum


def _sent_as(column: Column[Any]) -> TypeEngine[Any]:
    type_ = plain_type(column)
    if isinstance(type_, String):
        return String()
    if isinstance(type_, _PLAIN) or (isinstance(type_, DateTime) and type_.timezone):
        return type_
    raise TypeError(f"{column}: a value of {column.type!r} needs to be converted; write the entity's queries yourself")
