"""A table with its models, declared once."""

import re
from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

from sqlalchemy import ColumnElement, Executable, Select
from sqlmodel import SQLModel

from app.db.models.base import ReadModel, table_of
from app.db.query import Query, Routine, WhenLost
from app.db.rows import Slice
from app.repositories.budget import Order, needs_budget, within_budget
from app.repositories.columns import P_ID, P_LIMIT, pinned
from app.repositories.owner import owned

Read = TypeVar("Read", bound=ReadModel)
Row = TypeVar("Row")
Source = Executable | Callable[[], Executable]
"""A statement, or a function that builds it when it is first needed."""
Sharded = Callable[[], Routine] | None


def plural(noun: str) -> str:
    """Return the noun in the plural: tasks, categories, addresses."""
    if re.search("[^aeiou]y$", noun):
        return f"{noun[:-1]}ies"
    return f"{noun}es" if re.search("(s|x|z|ch|sh)$", noun) else f"{noun}s"


class Entity(Generic[Read]):
    """A table and the model that its rows are read as; what its queries share is derived from the two."""

    def __init__(self, model: type[SQLModel], read: type[Read]) -> None:
        self.table = table_of(model)
        self.read = read
        self.noun = self.table.name.replace("_", " ")
        self.columns = [pinned(self.table.c[name]) for name in read.model_fields]
        self.owned = owned(self.table)
        self.queries: dict[str, Query[Any]] = {}
        """Each query of the entity by its whole name: ``tasks.get``."""

    @property
    def one(self) -> tuple[ColumnElement[bool], ...]:
        """The predicate of one row by its id."""
        return self.owned, self.table.c.id == P_ID

    @property
    def has_keys(self) -> bool:
        """Whether rows can be written with an idempotency key."""
        return "idempotency_key" in self.table.c

    @property
    def has_digest(self) -> bool:
        """Whether a row remembers what was sent with its key."""
        return "idempotency_digest" in self.table.c

    @property
    def has_updated_at(self) -> bool:
        """Whether an update can be made to depend on what the caller last read."""
        return "updated_at" in self.table.c

    @overload
    def query(
        self, name: str, statement: Source, *, lost: WhenLost | None = None, sharded: Sharded = None
    ) -> Query[Read]: ...
    @overload
    def query(
        self, name: str, statement: Source, row: type[Row], *, lost: WhenLost | None = None, sharded: Sharded = None
    ) -> Query[Row]: ...
    def query(
        self,
        name: str,
        statement: Source,
        row: type[Any] | None = None,
        *,
        lost: WhenLost | None = None,
        sharded: Sharded = None,
    ) -> Query[Any]:
        """Return a query of the entity, whose rows become its read model unless `row` says otherwise.

        One that writes once for each idempotency key (see `once`) says so in `lost`.
        """
        query = Query(f"{plural(self.table.name)}.{name}", statement, row or self.read, lost, sharded=sharded)
        self.queries[query.name] = query
        return query

    def page_query(self, name: str, rows: Callable[[], Select[Any]], order: Order) -> Query[Any]:
        """Return a query for a page of `rows`, which ends early at the budget where the rows may be long."""
        if not needs_budget(self.table, self.columns):
            return self.query(name, lambda: rows().order_by(*order(self.table.c)).limit(P_LIMIT))
        page: type[Any] = Slice[self.read]  # type: ignore[name-defined]  # a variable, but a class
        return self.query(name, lambda: within_budget(self.table, self.columns, rows(), order), page)
