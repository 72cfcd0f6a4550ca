"""Whose rows a statement may touch: the one place where `user_id` is bound."""

from typing import Any, Final

from sqlalchemy import BindParameter, Boolean, ColumnElement, String, Table, Text, bindparam, cast
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import BinaryExpression
from sqlalchemy.sql.functions import FunctionElement

_USER_ID: Final[BindParameter[str]] = bindparam("p_user_id", type_=String())


def owned(table: Table) -> ColumnElement[bool]:
    """Return the predicate of every SELECT, UPDATE and DELETE of `table`: the row is the caller's.

    Text with text, which is an operator of pg_catalog itself: for varchar with varchar the server would take one that
    another role has planted in the schema. The index on `user_id` serves both.
    """
    return _Owned(cast(table.c.user_id, Text()), cast(_USER_ID, Text()), operators.eq, type_=Boolean())


def owned_in_order(table: Table) -> ColumnElement[bool]:
    """Return the same predicate for reading all that a user has in the order of an index on the user and the id.

    After ``user_id = $1`` the planner orders by the id alone, and for a user with many of the rows it walks the primary
    key through everybody's. ``= any`` leaves both in the order, which only the index on both has.
    """
    return _OwnedInOrder(cast(table.c.user_id, Text()), cast(_USER_ID, Text()), operators.eq, type_=Boolean())


def owner() -> ColumnElement[str]:
    """Return the value of `user_id` in every INSERT that does not copy it from an owned row."""
    return _Owner(_USER_ID)


# With row-level security the server must know the user before it looks at a row. A subquery that depends on nothing
# runs once, before the rows that its condition guards: no round trip more, and nothing outlives the transaction.


class _Owned(BinaryExpression[bool]):
    inherit_cache = True


class _OwnedInOrder(_Owned):
    inherit_cache = True


class _Owner(FunctionElement[str]):
    inherit_cache = True
    type = String()


@compiles(_Owned)
def _compile_owned(element: _Owned, compiler: Any, **how: Any) -> str:
    sides = (element.left, element.right)
    if getattr(compiler.dialect, "sharded", False):
        # The columns as they are: Citus looks through no cast, and would ask every shard.
        column, user_id = (compiler.process(side.clause, **how) for side in sides)
        return f"{column} OPERATOR(pg_catalog.=) {user_id}"
    column, user_id = (compiler.process(side, **how) for side in sides)
    equal = f"{column} = ANY (ARRAY[{user_id}])" if isinstance(element, _OwnedInOrder) else f"{column} = {user_id}"
    return f"{_set_user(user_id)} IS NOT NULL AND {equal}" if _sets_user(compiler) else equal


@compiles(_Owner)
def _compile_owner(element: _Owner, compiler: Any, **how: Any) -> str:
    user_id = compiler.process(element.clauses.clauses[0], **how)
    return _set_user(f"CAST({user_id} AS TEXT)") if _sets_user(compiler) else user_id


def _sets_user(compiler: Any) -> bool:
    return bool(getattr(compiler.dialect, "row_level_security", False))


def _set_user(user_id: str) -> str:
    return f"(SELECT pg_catalog.set_config('app.user_id', {user_id}, true))"
