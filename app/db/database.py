"""The one object that an application holds: engine, sessions, single statements."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self

from sqlalchemy import Executable, Result
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker
from sqlalchemy.util import greenlet_spawn

from app.db.engine import create_engine
from app.db.errors import translating
from app.db.settings import DatabaseSettings

Parameters = Mapping[str, Any] | Sequence[Mapping[str, Any]] | None


class Database:
    """An engine and its pool. Opens no connection until the first call; `async with` closes them all at the end.

    `engine` and `sessionmaker` are SQLAlchemy's own, transactional. Use a `Database` in the event loop it was first
    used in, and make another one after a fork.
    """

    def __init__(self, settings: DatabaseSettings) -> None:
        self.settings = settings
        self.engine: AsyncEngine = create_engine(settings)
        self.sessionmaker = async_sessionmaker(self.engine, expire_on_commit=False)
        # A flag in Python, no round trip: the statement is its own transaction.
        self._autocommit = self.engine.sync_engine.execution_options(isolation_level="AUTOCOMMIT")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection of the pool."""
        await self.engine.dispose()

    async def execute(self, statement: Executable, parameters: Parameters = None) -> Result[Any]:
        """Run one statement, durably, in one round trip; the connection is back before the result is returned.

        Raises a `DataAccessError`.
        """
        with translating():
            # One switch into SQLAlchemy instead of three (connect, execute, close): a third of the time on loopback.
            return await greenlet_spawn(self._execute, statement, parameters)

    def _execute(self, statement: Executable, parameters: Parameters) -> Result[Any]:
        with self._autocommit.connect() as connection:
            return connection.execute(statement, parameters)  # asyncpg's rows are all here: nothing is left to fetch

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """Yield a session whose statements happen together or not at all: committed at the end, rolled back on error.

        Raises a `DataAccessError` for what the database refuses, also from the caller's own ORM statements.
        """
        with translating():
            async with self.sessionmaker.begin() as session:
                yield session
