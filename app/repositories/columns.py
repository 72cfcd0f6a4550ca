"""How a column is read, sent and compared, by its type."""

from enum import Enum
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
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
    if _is_native_enum(column):
        return _AsText(column, sa.String()).label(column.name)
    if isinstance(type_, sa.String) and not isinstance(type_, sa.Text):  # an Enum may be one, too
        type_ = sa.String()
    return sa.cast(column, type_).label(column.name)


def parameter(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """Return the parameter ``p_<column>`` as a value of the column's type."""
    bind: sa.BindParameter[Any] = sa.bindparam(f"p_{column.name}", type_=_sent_as(column))
    return _AsMember(bind, column.type) if _is_native_enum(column) else bind


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


# Citus takes neither cast where it needs an immutable expression, in RETURNING and in COALESCE: a label can be renamed.
class _AsText(sa.Cast[str]):
    """A column of an enum as text."""

    inherit_cache = True


class _AsMember(sa.Cast[str]):
    """Text as a value of an enum."""

    inherit_cache = True


@compiles(_AsText)
def _compile_as_text(element: _AsText, compiler: Any, **how: Any) -> str:
    if not _is_sharded(compiler):
        return str(compiler.visit_cast(element, **how))
    column, labels = compiler.process(element.clause, **how), _labels(element.clause.type, compiler)
    cases = " ".join(f"WHEN {column} OPERATOR(pg_catalog.=) {label} THEN {label}" for label in labels)
    return f"CAST(CASE {cases} END AS VARCHAR)"


@compiles(_AsMember)
def _compile_as_member(element: _AsMember, compiler: Any, **how: Any) -> str:
    if not _is_sharded(compiler):
        return str(compiler.visit_cast(element, **how))
    text, type_ = compiler.process(element.clause, **how), compiler.process(element.typeclause)
    cases = " ".join(
        f"WHEN CAST({text} AS TEXT) OPERATOR(pg_catalog.=) {label} THEN CAST({label} AS {type_})"
        for label in _labels(element.type, compiler)
    )
    return f"CASE {cases} END"


def _is_sharded(compiler: Any) -> bool:
    return bool(getattr(compiler.dialect, "sharded", False))


def _labels(type_: TypeEngine[Any], compiler: Any) -> list[str]:
    assert isinstance(type_, sa.Enum)
    return [compiler.render_literal_value(label, sa.String()) for label in type_.enums]


def _is_native_enum(column: sa.Column[Any]) -> bool:
    return isinstance(column.type, sa.Enum) and column.type.native_enum


def _is_plain(type_: TypeEngine[Any]) -> bool:
    if isinstance(type_, sa.ARRAY):
        items = type_.item_type
        return _is_plain(items) or (isinstance(items, sa.String) and not isinstance(items, sa.Enum))
    return isinstance(type_, _PLAIN) or (isinstance(type_, sa.DateTime) and type_.timezone)


def _sent_as(column: sa.Column[Any]) -> TypeEngine[Any]:
    type_ = plain_type(column)
    if isinstance(type_, sa.String):
        return sa.String()
    if _is_plain(type_):
        return type_
    raise TypeError(f"{column}: a value of {column.type!r} needs to be converted; write the entity's queries yourself")
