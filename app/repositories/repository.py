"""What all repositories share: check the arguments, run the queries, turn the outcome into a row or an error."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.errors import (
    ConflictError,
    DataAccessError,
    InvalidInputError,
    NotFoundError,
    StaleRowError,
    TransientError,
)
from app.db.executor import Executor, executor_of
from app.db.models.base import ReadModel
from app.db.query import Query, Record
from app.db.rows import Slice
from app.repositories.checks import checked_id, checked_key, checked_limit, checked_user_id
from app.repositories.columns import sent
from app.repositories.entity import Entity
from app.repositories.once import digest_of, is_same
from app.repositories.page import Page
from app.repositories.usual import Usual

Read = TypeVar("Read", bound=ReadModel)
Row = TypeVar("Row")


class Repository(Generic[Read]):
    """The queries of one entity, run on a `Database` (each its own transaction) or on an `AsyncSession` (the caller's).

    The methods that begin with an underscore are the usual ones; a repository publishes those that its entity has.
    """

    entity: Entity[Read]
    usual: Usual[Read]

    def __init__(self, executor: Executor | AsyncSession) -> None:
        self._executor = executor_of(executor)

    async def _fetch(self, query: Query[Row], user_id: str, **parameters: Any) -> list[Row]:
        """Return the rows of `query`; `user_id` is checked and bound here, for every query of every repository."""
        parameters["p_user_id"] = checked_user_id(user_id)
        return await self._executor.fetch(query, parameters)

    async def _fetch_slice(self, query: Query[Any], user_id: str, *, limit: int, **parameters: Any) -> Slice[Read]:
        """Return the first `limit` rows of a page query, fewer where the budget in bytes ends them."""
        rows = await self._fetch(query, user_id, p_limit=limit + 1, **parameters)
        return rows[0] if query.row is not self.entity.read else Slice(rows[:limit], more=len(rows) > limit)

    async def _fetch_once(
        self,
        query: Query[Record],
        user_id: str,
        key: UUID,
        *,
        missing: DataAccessError | None = None,
        **parameters: Any,
    ) -> Read:
        """Return the row that was first written with `key`; raises `ConflictError` if that was with other data.

        No row means that another call wrote it meanwhile: then the query runs again. Still none raises `missing`.
        """
        (row,) = await self._rows_once(query, user_id, key, missing, **parameters)
        return self.entity.read.model_validate(row)

    async def _rows_once(
        self, query: Query[Row], user_id: str, key: UUID, missing: DataAccessError | None, **parameters: Any
    ) -> list[Row]:
        parameters["p_idempotency_key"] = checked_key(key)
        for _ in range(2):
            rows = await self._fetch(query, user_id, **parameters)
            same = is_same(rows[0]) if rows else None
            if same:
                return rows
            if same is not None:
                raise ConflictError(f"idempotency_key {key}: another {self.entity.noun} was written with it")
        raise missing or TransientError(f"idempotency_key {key}: its {self.entity.noun} is being written and deleted")

    async def _create(self, user_id: str, data: BaseModel | None, key: UUID | None) -> Read:
        values = {} if data is None else _sent_values(data)
        if key is None:
            return (await self._fetch(self.usual.create, user_id, **values))[0]
        assert self.usual.create_once
        if data is not None:
            values["p_digest"] = digest_of(data)
        return await self._fetch_once(self.usual.create_once, user_id, key, **values)

    async def _get(self, user_id: str, id: int) -> Read:
        return self._found(await self._get_or_none(user_id, id), id)

    async def _get_or_none(self, user_id: str, id: int) -> Read | None:
        return next(iter(await self._fetch(self.usual.get, user_id, p_id=checked_id(id))), None)

    async def _page(self, user_id: str, limit: int, after: str | None, **filters: Any) -> Page[Read]:
        query, values = _filtered(self.usual.pages, filters)
        scope = (self.entity.noun, user_id, *map(sent, filters.values()))
        order = self.usual.order
        place = order.first() if after is None else order.read(after, *scope)
        found = await self._fetch_slice(query, user_id, limit=checked_limit(limit), **place, **values)
        return Page.of(found.items, lambda row: order.write(row, *scope), more=found.more, asked=after)

    async def _update(self, user_id: str, id: int, data: BaseModel, expected_updated_at: datetime | None) -> Read:
        values, is_set = _sent_values(data), data.model_fields_set
        values |= {f"p_set_{name}": name in is_set for name in self.usual.nullable}
        values["p_id"] = checked_id(id)
        if expected_updated_at is not None:
            return await self._update_unchanged(user_id, id, expected_updated_at, values)
        assert self.usual.update
        return self._found(next(iter(await self._fetch(self.usual.update, user_id, **values)), None), id)

    async def _update_unchanged(self, user_id: str, id: int, expected: datetime, values: Mapping[str, Any]) -> Read:
        if expected.tzinfo is None:
            raise InvalidInputError("expected_updated_at: must have a time zone")
        assert self.usual.update_unchanged
        (row,) = await self._fetch(self.usual.update_unchanged, user_id, p_updated_at=expected, **values)
        if not row["there"]:
            raise self._not_found(id)
        if row["id"] is None:
            raise StaleRowError(f"{self.entity.noun} {id} has changed since {expected.isoformat()}")
        return self.entity.read.model_validate(row)

    async def _delete(self, user_id: str, id: int) -> None:
        if not await self._fetch(self.usual.delete, user_id, p_id=checked_id(id)):
            raise self._not_found(id)

    async def _count(self, user_id: str, **filters: Any) -> int:
        query, values = _filtered(self.usual.counts, filters)
        return int((await self._fetch(query, user_id, **values))[0])

    def _found(self, row: Read | None, id: int) -> Read:
        if row is None:
            raise self._not_found(id)
        return row

    def _not_found(self, id: int) -> NotFoundError:
        return NotFoundError(f"{self.entity.noun} {id} not found")


def _sent_values(data: BaseModel) -> dict[str, Any]:
    """Return the parameter of each field."""
    return {f"p_{name}": sent(value) for name, value in vars(data).items()}  # a third of the time of `in data`


def _filtered(
    queries: Mapping[str | None, Query[Row]], filters: Mapping[str, Any]
) -> tuple[Query[Row], dict[str, Any]]:
    """Return the query for the one filter that has a value, and that value."""
    values = {name: sent(value) for name, value in filters.items() if value is not None}
    if len(values) > 1:
        raise InvalidInputError(f"{' and '.join(values)}: give one of them")
    return queries[next(iter(values), None)], {f"p_{name}": value for name, value in values.items()}
