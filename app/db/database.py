"""The one object that an application holds: engine, sessions, single statements."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Self, TypeVar

from sqlalchemy import Executable, Result, event, func, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker
from sqlalchemy.orm import sessionmaker
from sqlalchemy.util import EMPTY_DICT, greenlet_spawn

from app.db.driver.cancellation import undisturbed
from app.db.driver.retry import Retry
from app.db.engine.direct import PINNED, Rows, fetch, lost_by, write
from app.db.engine.factory import create_engine
from app.db.engine.translation import translating
from app.db.errors import DataAccessError, OutcomeUnknownError
from app.db.pool.pool import FairPool, PoolStatus
from app.db.target.settings import DatabaseSettings

Value = TypeVar("Value")
Options = Mapping[str, Any]


class Database:
    """An engine and its pool. Opens no connection until the first call; `async with` closes them all at the end.

    `engine` and `sessionmaker` are SQLAlchemy's own, transactional. One `Database` belongs to one event loop.
    """

    def __init__(self, settings: DatabaseSettings) -> None:
        self.settings = settings
        self.engine: AsyncEngine = create_engine(settings)
        self.sessionmaker = _sessionmaker(self.engine, settings)
        self._retry = Retry(settings)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection of the pool."""
        await self.engine.dispose()

    def pool_status(self) -> PoolStatus:
        """Return how many connections are in use and how many callers wait for one, at this moment."""
        return self._pool.current_status()

    @property
    def _pool(self) -> FairPool:
        pool = self.engine.sync_engine.pool
        assert isinstance(pool, FairPool)
        return pool

    async def execute(
        self, statement: Executable, parameters: Any = None, *, execution_options: Options = EMPTY_DICT
    ) -> Result[Any]:
        """Run one statement, durably, in one round trip; the connection is back before the result is returned.

        With a list of parameters it runs for each of them, for all or none, in a transaction: two round trips more.
        What the server certainly undid is tried again, and with the execution option ``repeatable=True`` (on the
        statement or here) also what may have happened already: for reads, and writes with an idempotency key.
        Raises a `DataAccessError`; `OutcomeUnknownError` where a write that is not repeatable may have happened.
        """
        options = {**statement.get_execution_options(), **execution_options}
        lost = lost_by(options)
        began = time.monotonic()
        try:
            return await self._execute(statement, parameters, execution_options, lost)
        except DataAccessError as error:
            again = partial(self._execute, statement, parameters, execution_options, lost)
            return await self._retry.after(error, again, began=began)

    async def fetch(self, statement: Executable, parameters: Mapping[str, Any]) -> Rows:
        """Return the rows of one constant statement: as `execute`, by the driver itself at a third of the time.

        The statement is written once and kept: pass the same object again. It pins the types of its result, and
        they need no conversion. Whoever listens to the engine's events, or has `echo` on, hears it all the same: it
        then goes the way of `execute`.
        """
        if self._is_watched():
            return (await self.execute(statement, parameters, execution_options=PINNED)).mappings().all()
        written = write(statement)
        began = time.monotonic()
        try:
            return await fetch(self._pool, written, parameters)
        except DataAccessError as error:
            again = partial(fetch, self._pool, written, parameters)
            return await self._retry.after(error, again, began=began)

    def _is_watched(self) -> bool:
        engine = self.engine.sync_engine
        # Of the dialect's events only this one: `handle_error` is always listened to. The rest SQLAlchemy asks itself.
        return self.settings.echo or engine._has_events or bool(engine.dialect.dispatch.do_execute)  # noqa: SLF001

    async def _execute(
        self, statement: Executable, parameters: Any, options: Options, lost: type[DataAccessError]
    ) -> Result[Any]:
        with translating(lost):
            # One switch into SQLAlchemy instead of three (connect, execute, close): a third of the time on loopback.
            return await greenlet_spawn(self._execute_in_greenlet, statement, parameters, options)

    def _execute_in_greenlet(self, statement: Executable, parameters: Any, options: Options) -> Result[Any]:
        with self.engine.sync_engine.connect() as connection:
            if isinstance(parameters, Sequence):  # SQLAlchemy may make several statements of it
                with connection.begin():
                    return connection.execute(statement, parameters, execution_options=options)
            # A flag in Python, no round trip: the statement is its own transaction. Not an engine with this option:
            # that one listens to its connections, which costs each call 40 µs.
            connection.execution_options(isolation_level="AUTOCOMMIT")
            # asyncpg's rows are all here when it returns: the result needs no connection.
            return connection.execute(statement, parameters, execution_options=options)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """Yield a session whose statements happen together or not at all: committed at the end, rolled back on error.

        Raises a `DataAccessError` for what the database refuses, also from the caller's own ORM statements, and
        `OutcomeUnknownError` where the connection broke during COMMIT. Cancelled during COMMIT it still commits.
        """
        async with self.sessionmaker() as session:
            with translating():
                yield session
                await session.flush()
            await _commit(session)

    async def run_in_transaction(self, function: Callable[[AsyncSession], Awaitable[Value]]) -> Value:
        """Return what `function` returns for a session, committed.

        After a deadlock, a serialization failure or a connection lost before COMMIT it runs again in a new transaction:
        it must have no effect but on the session, and leave the commit to it. Raises a `DataAccessError`.
        """
        began = time.monotonic()
        try:
            return await self._once(function)
        except DataAccessError as error:
            return await self._retry.after(error, partial(self._once, function), began=began)

    async def _once(self, function: Callable[[AsyncSession], Awaitable[Value]]) -> Value:
        async with self.transaction() as session:
            return await function(session)


def _sessionmaker(engine: AsyncEngine, settings: DatabaseSettings) -> async_sessionmaker[AsyncSession]:
    sync_maker = sessionmaker()
    milliseconds = {
        name: f"{seconds * 1000:.0f}"
        for name, seconds in (
            ("statement_timeout", settings.statement_timeout_seconds),
            ("lock_timeout", settings.lock_timeout_seconds),
        )
        if seconds is not None
    }
    if milliseconds:
        # `true` makes it SET LOCAL: it ends with the transaction and passes through any pooler.
        statement = select(*(func.set_config(name, value, True) for name, value in milliseconds.items()))
        event.listen(sync_maker, "after_begin", lambda _, __, connection: connection.execute(statement))
    return async_sessionmaker(engine, sync_session_class=sync_maker, expire_on_commit=False)


async def _commit(session: AsyncSession) -> None:
    """Commit; a caller cancelled meanwhile waits for the answer first, so that nobody has to guess."""
    with translating(OutcomeUnknownError):
        await undisturbed(session.commit())
