"""The one interface for whatever runs a query: a `Database`, or a session."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol, TypeVar

from sqlalchemy import CursorResult
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine.translation import executing
from app.db.query import QUERY, Query

Row = TypeVar("Row")


class Executor(Protocol):
    """Runs queries."""

    @property
    def commits(self) -> bool:
        """Whether what a query did is durable when it returns, whatever becomes of the next one."""

    async def fetch(self, query: Query[Row], parameters: Mapping[str, Any]) -> list[Row]:
        """Run the query and return its rows. Raises a `DataAccessError`."""

    def together(self) -> "AbstractAsyncContextManager[Executor]":
        """Give an executor whose queries happen together or not at all."""


class SessionExecutor:
    """Runs queries in a session's transaction, which its owner commits."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    @property
    def commits(self) -> bool:
        """Its owner does."""
        return False

    async def fetch(self, query: Query[Row], parameters: Mapping[str, Any]) -> list[Row]:
        """Run the query in the transaction, after a flush of what the session has pending."""
        with executing():  # a lost connection: the server undid the whole transaction
            statement = query.statement if query.sharded is None else query.statement_for(sharded=self._is_sharded())
            result = await self._session.execute(statement, parameters, execution_options={QUERY: query})
            has_rows = not isinstance(result, CursorResult) or result.returns_rows
            return query.decode(result.mappings().all() if has_rows else [])

    def _is_sharded(self) -> bool:
        return bool(getattr(self._session.get_bind().dialect, "sharded", False))

    @asynccontextmanager
    async def together(self) -> AsyncIterator[Executor]:
        """Give the session itself: its transaction holds everything together already."""
        yield self


def executor_of(source: Executor | AsyncSession) -> Executor:
    """Return what runs queries on a `Database`, or in a session."""
    return SessionExecutor(source) if isinstance(source, AsyncSession) else source
