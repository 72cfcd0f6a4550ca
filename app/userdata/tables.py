"""The tables whose rows belong to users, and how their columns travel."""

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, Column, ColumnElement, Enum, Label, String, Table, Text, cast
from sqlalchemy.types import TypeEngine

from app.db.models.base import owned_tables
from app.repositories.columns import pinned, plain_type

_KINDS: Final = frozenset((bool, bytes, date, datetime, Decimal, float, int, str, time, timedelta, UUID))


class UserTable:
    """A table with an owner in each row. Its rows are known by their place among the user's, not by their ids."""

    def __init__(self, table: Table) -> None:
        if "id" not in table.c:
            raise TypeError(f"{table.name}: a table with user_id needs an id, the order in which its rows are exported")
        self.table = table
        self.name = table.name
        self.columns = [each for each in table.columns if each.name not in ("id", "user_id") and each.computed is None]
        self.parents = {key.parent.name: key.column.table.name for key in table.foreign_keys if _is_reference(key)}
        """The table that each column refers to, if its rows have owners, too."""
        if self.name in self.parents.values():
            raise TypeError(f"{self.name}: rows that refer to rows of their own table cannot be exported")
        self.is_parent = any(
            key.column is table.c.id for each in owned_tables() if each is not table for key in each.foreign_keys
        )


@cache
def user_tables() -> list[UserTable]:
    """Return the tables, each after those that its rows refer to."""
    return [UserTable(table) for table in owned_tables()]


def kind_of(column: Column[Any]) -> type:
    """Return the type of the column's values in Python; those that it has no type for travel as PostgreSQL's text."""
    type_ = plain_type(column)
    if isinstance(type_, String):  # an Enum is one, too
        return str
    try:
        kind = type_.python_type
    except NotImplementedError:
        return str
    return kind if kind in _KINDS else str


def read(column: Column[Any]) -> Label[Any]:
    """Return the column as an export reads it."""
    return cast(column, Text()).label(column.name) if _is_foreign(column) else pinned(column)


def array_type(column: Column[Any]) -> ARRAY[Any]:
    """Return the type of many values of the column, as an import sends them."""
    type_: TypeEngine[Any] = Text() if kind_of(column) is str else plain_type(column)
    return ARRAY(type_)


def stored(column: Column[Any], value: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return a value that was sent in an array as one of the column's own type."""
    is_enum = isinstance(column.type, Enum) and column.type.native_enum
    return cast(value, column.type) if is_enum or _is_foreign(column) else value


def _is_foreign(column: Column[Any]) -> bool:
    return kind_of(column) is str and not isinstance(plain_type(column), String)


def _is_reference(key: Any) -> bool:
    return key.column.name == "id" and key.parent.name != "user_id" and "user_id" in key.column.table.c
