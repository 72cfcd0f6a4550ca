"""Sample rows of every table, made from the models."""

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum as PythonEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, JSON, Column, DateTime, Table, text

from app.db import Database
from app.db.errors import ConflictError, InvalidInputError
from app.db.migrations.operations.base import escaped, literal, quoted
from app.db.models.base import owned_tables
from app.repositories.columns import plain_type

_PARENTS_EACH: Final = 20
_SAMPLE: Final = "pg_catalog.concat('sample ', n)"
# Values for the `n`-th row. A flag is true in one row of three: too many for an index on it alone to be of use.
_VALUES: Final[Mapping[type, str]] = {
    bool: "n % 3 = 0",
    bytes: f"pg_catalog.convert_to({_SAMPLE}, 'UTF8')",
    date: "current_date",
    datetime: "pg_catalog.clock_timestamp()",
    Decimal: "n % 100",
    float: "n % 100",
    int: "n % 100",
    time: "localtime",
    timedelta: "pg_catalog.make_interval(secs => n)",
    UUID: "pg_catalog.gen_random_uuid()",
}


class NoSamples(Exception):  # noqa: N818 - the table may be right to refuse them
    """A table has a type or a rule that the sample rows do not follow."""


async def write_samples(db: Database, users: list[str], *, rows_each: int) -> None:
    """Write `rows_each` rows of every table for each user; rows refer to the user's first rows of other tables.

    Raises `NoSamples`, and then nothing is written.
    """
    try:
        async with db.transaction() as session:
            for table in owned_tables():
                await session.execute(text(_insertion(table)), {"users": users, "rows": rows_each})
    except (ConflictError, InvalidInputError) as problem:
        raise NoSamples(f"the sample rows are refused: {problem}") from problem


def references_of(table: Table) -> dict[str, Table]:
    """Return the table that each column of a foreign key refers to, besides the owner and what can be null."""
    referring = (each for each in table.foreign_keys if each.parent.name != "user_id" and not each.parent.nullable)
    return {each.parent.name: each.column.table for each in referring}


def _insertion(table: Table) -> str:
    """Return the INSERT; a user's parents are found once, not once a row."""
    references = references_of(table)
    values = {column.name: sample_value(column) for column in table.columns if _is_sent(column)}
    values |= {name: f"{name}[1 + n % pg_catalog.cardinality({name})]" for name in references}
    names = ", ".join(map(quoted, ["user_id", *values]))
    found = ", ".join(["user_id", *(_parents(parent, name) for name, parent in references.items())])
    return f"""
        with users as materialized (
          select {found} from pg_catalog.unnest(cast(:users as text[])) as users (user_id)
        )
        insert into {quoted(table.name)} ({names})
        select {", ".join(["user_id", *values.values()])}
        from users, pg_catalog.generate_series(1, cast(:rows as integer)) as n order by n"""  # noqa: S608 - our own names


def _parents(table: Table, name: str) -> str:
    own = f"where cast({table}.user_id as text) = users.user_id" if "user_id" in table.columns else ""
    return f"array(select id from {table} {own} order by id limit {_PARENTS_EACH}) as {name}"  # noqa: S608 - our own names


def _is_sent(column: Column[Any]) -> bool:
    """Return whether the row needs a value that neither the database, the owner nor a parent gives."""
    if column.nullable or column.primary_key or column.name == "user_id" or column.name in references_of(column.table):
        return False
    return column.server_default is None or not isinstance(plain_type(column), DateTime | ARRAY | JSON)


def sample_value(column: Column[Any]) -> str:
    """Return the SQL of the column's value in the `n`-th row; raises `NoSamples`."""
    type_ = plain_type(column)
    if isinstance(type_, ARRAY):
        return f"array[{_sample(column, type_.item_type)}]"
    return _sample(column, type_)


def _sample(column: Column[Any], type_: Any) -> str:
    kind = type_.python_type
    if issubclass(kind, PythonEnum):
        labels = ", ".join(escaped(literal(label)) for label in type_.enums)
        name = quoted(type_.name) if type_.native_enum else "varchar"
        return f"cast((array[{labels}])[1 + n % {len(type_.enums)}] as {name})"
    if issubclass(kind, str):
        return f"pg_catalog.left({_SAMPLE}, {type_.length})" if type_.length else _SAMPLE
    if kind not in _VALUES:
        raise NoSamples(f"no sample value is known for {column}")
    return _VALUES[kind]
