"""Calls of every public method of every repository, found by inspection, with arguments made from the signature."""

import inspect
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final, Self, get_args, get_origin, get_type_hints
from uuid import uuid4

from pydantic import BaseModel
from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.executor import Executor
from app.repositories import Repository
from app.repositories.registry import repositories
from tests.support.values import value_of

_WRITE: Final = ("create", "append")
"""Methods that write the first row of an entity."""


def in_order_of_references() -> list[type[Repository[Any]]]:
    """Return the repositories in an order in which each follows those that its rows reference."""
    order = {table: place for place, table in enumerate(repositories()[0].entity.table.metadata.sorted_tables)}
    return sorted(repositories(), key=lambda each: order[each.entity.table])


def parents_of(table: Table) -> dict[str, str]:
    """Return the table that each column refers to, besides the owner."""
    keys = (each for each in table.foreign_keys if each.parent.name != "user_id")
    return {each.parent.name: each.column.table.name for each in keys}


@dataclass
class Rows:
    """A user's rows for the calls: one of each entity, by the name of its table, as in ``rows.task``."""

    user_id: str
    by_table: dict[str, Any] = field(default_factory=dict)

    def __getattr__(self, table: str) -> Any:
        try:
            return self.by_table[table]
        except KeyError:
            raise AttributeError(table) from None

    @classmethod
    async def of(cls, executor: Executor | AsyncSession, user_id: str) -> Self:
        """Write one row of each entity."""
        rows = cls(user_id)
        for repository in in_order_of_references():
            await rows.write(repository, executor)
        return rows

    async def write(self, repository: type[Repository[Any]], executor: Executor | AsyncSession) -> Any:
        """Write another row, keep it and return it."""
        row = await writing(repository).run(executor, self)
        self.by_table[repository.entity.table.name] = row
        return row


@dataclass(frozen=True)
class Call:
    """One way to call a public method: with its required arguments, and at most one option."""

    repository: type[Repository[Any]]
    method: str
    option: str = ""

    @property
    def name(self) -> str:
        """The call's name in tests: ``TaskRepo.create with idempotency_key``."""
        return f"{self.repository.__name__}.{self.method}" + (f" with {self.option}" if self.option else "")

    @property
    def hints(self) -> dict[str, Any]:
        """The types of the method's arguments and of its result."""
        return get_type_hints(getattr(self.repository, self.method), include_extras=False)

    async def run(self, executor: Executor | AsyncSession, rows: Rows, **other: Any) -> Any:
        """Call the method and read a stream to its end; `other` replaces arguments."""
        arguments = {**await self.arguments(executor, rows), **other}
        return await self.send(executor, arguments)

    async def send(self, executor: Executor | AsyncSession, arguments: dict[str, Any]) -> Any:
        """Call the method with only these arguments."""
        result = getattr(self.repository(executor), self.method)(**arguments)
        return [each async for each in result] if isinstance(result, AsyncIterator) else await result

    async def arguments(self, executor: Executor | AsyncSession, rows: Rows) -> dict[str, Any]:
        """Return an argument for each parameter that has no default, and for the option."""
        parameters = inspect.signature(getattr(self.repository, self.method)).parameters
        wanted = {name for name, each in parameters.items() if each.default is each.empty and name != "self"}
        return {name: await self._argument(name, executor, rows) for name in wanted | ({self.option} - {""})}

    async def _argument(self, name: str, executor: Executor | AsyncSession, rows: Rows) -> Any:
        row = rows.by_table.get(self.repository.entity.table.name)
        if name in ("after", "before"):
            plain = Call(self.repository, self.method)
            return (await plain.run(executor, rows)).end_cursor
        named: dict[str, Any] = {"user_id": rows.user_id, "limit": 2, "idempotency_key": uuid4()}
        if name in named:
            return named[name]
        if name == "data":
            return self._data(rows)
        if parent := parents_of(self.repository.entity.table).get(name):
            return rows.by_table[parent].id
        return getattr(row, name.removeprefix("expected_"), _MUCH)

    def _data(self, rows: Rows) -> Any:
        hint, parents = self.hints["data"], parents_of(self.repository.entity.table)
        given = {column: rows.by_table[parent].id for column, parent in parents.items()}
        if get_origin(hint) is Sequence:
            return [value_of(get_args(hint)[0], next(_numbers), given) for _ in range(3)]
        return value_of(hint, next(_numbers), given)


_numbers: Final = count(1)
_MUCH: Final = 1000
"""Of a bound that is no field of the row."""


def calls() -> list[Call]:
    """Return a call of each public method, and one more for each of its options."""
    return [
        Call(repository, method, option)
        for repository in repositories()
        for method, function in inspect.getmembers(repository, inspect.isroutine)
        if not method.startswith("_")
        for option in ("", *_options(function))
    ]


def calls_with(option: str) -> list[Call]:
    """Return the calls with an option that repositories share: ``idempotency_key``."""
    return [call for call in calls() if call.option == option]


def writing(repository: type[Repository[Any]]) -> Call:
    """Return the call that writes one row."""
    return next(Call(repository, method) for method in _WRITE if hasattr(repository, method))


def data_model(call: Call) -> type[BaseModel] | None:
    """Return the model of the call's `data`, if it takes one."""
    hint: type[BaseModel] | None = call.hints.get("data")
    return hint


def _options(function: Any) -> list[str]:
    return [name for name, each in inspect.signature(function).parameters.items() if each.default is not each.empty]


def naming_a_row() -> list[Call]:
    """Return the calls that name a row by its id, and raise where there is none."""
    raising = {"get", "update", "delete"}
    return [call for call in calls() if call.method in raising]
