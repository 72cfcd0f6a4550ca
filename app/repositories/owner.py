"""Whose rows a statement may touch: the one place where `user_id` is bound."""

from typing import Final

from sqlalchemy import BindParameter, ColumnElement, String, Table, Text, bindparam, cast

_USER_ID: Final[BindParameter[str]] = bindparam("p_user_id", type_=String())


def owned(table: Table) -> ColumnElement[bool]:
    """Return the predicate of every SELECT, UPDATE and DELETE of `table`: the row is the caller's.

    Text with text, which is an operator of pg_catalog itself: for varchar with varchar the server would take one that
    another role has planted in the schema. The index on `user_id` serves both.
    """
    return cast(table.c.user_id, Text()) == cast(_USER_ID, Text())


def owner() -> ColumnElement[str]:
    """Return the value of `user_id` in every INSERT that does not copy it from an owned row."""
    return _USER_ID
