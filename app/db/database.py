"""The one object that an application holds: engine, sessions, single statements."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeVar

from sqlalchemy import Executable, Result
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.util import greenlet_spawn

from app.db.driver.retry import Retry
from app.db.engine.factory import create_pool, create_pooled_engine
from app.db.engine.runner import Echo, Runner
from app.db.engine.sessions import create_sessionmaker, transaction
from app.db.engine.translation import executing
from app.db.errors import ConfigurationError, DataAccessError, OutcomeUnknownError, TransientError
from app.db.executor import Executor, SessionExecutor
from app.db.pool.status import PoolStatus
from app.db.query import Query
from app.db.target.settings import DatabaseSettings
from app.db.telemetry.configured import configured_reports
from app.db.telemetry.execution import Report

if TYPE_CHECKING:
    from app.db.replicas import Routing

Value = TypeVar("Value")
Row = TypeVar("Row")


class Database:
    """An engine and its pool. Opens no connection until the first call; `async with` closes them all at the end.

    `engine` and `sessionmaker` are SQLAlchemy's own, transactional. One `Database` belongs to one event loop. Once it
    is closed every call raises `ClosedError`.
    """

    def __init__(self, settings: DatabaseSettings) -> None:
        self.settings = settings
        self.pool = create_pool(settings)
        self._reports = configured_reports(settings, self.pool)
        writes, dialect = None, {}
        if settings.has_replicas:
            from app.db import replicas  # noqa: PLC0415 - without the setting not even the import is paid

            writes = replicas.Writes(settings)
            dialect = replicas.routed_dialect(writes)
        self.engine: AsyncEngine = create_pooled_engine(
            settings, self.pool, self._reports, partial(_advise, settings), **dialect
        )
        self.sessionmaker = create_sessionmaker(self.engine, settings)
        runner = Runner(
            self.pool,
            self._reports,
            self._echo(),
            row_level_security=settings.row_level_security,
            sharded=settings.sharded,
        )
        self._routing = replicas.Routing(settings, runner, writes, self._reports) if writes else None
        self._runner: Runner | Routing = self._routing or runner
        self._retry = Retry(settings)

    def _echo(self) -> Echo | None:
        logger = self.engine.sync_engine.logger
        return Echo(logger, show_parameters=self.settings.echo_parameters) if self.settings.echo else None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection; calls that are under way or queue already are served first."""
        if self._routing:
            await self._routing.close()
        await self.pool.close()

    def pool_status(self) -> PoolStatus:
        """Return how many connections are in use, how many callers queue for one, and the figures of the replicas."""
        status = self.pool.status()
        return self._routing.add_to(status) if self._routing else status

    def causal_token(self, user_id: str) -> str:
        """Return what tells another process, by `accept_causal_token`, what reads of the user must see.

        Raises `ConfigurationError` where `DATABASE_REPLICA_URL` is not set: this process does not keep note of writes.
        """
        return self._require_routing().writes.token(user_id)

    def accept_causal_token(self, user_id: str, token: str) -> None:
        """Have reads of the user see what the token of another process says; raises `InvalidInputError`.

        One that is forged sends that user's reads to the primary, and does nothing else.
        """
        self._require_routing().writes.accept(user_id, token)

    def _require_routing(self) -> "Routing":
        if self._routing is None:
            raise ConfigurationError("causal tokens need replicas: set DATABASE_REPLICA_URL in every process")
        return self._routing

    def report_to(self, report: Report) -> None:
        """Call `report` with the name and the figures of each statement from now on: queries, sessions, `execute`.

        SQLAlchemy's events on `engine` tell of sessions and `execute` only: a repository's call on a `Database` does
        not pass through SQLAlchemy.
        """
        self._reports.append(report)

    @property
    def commits(self) -> bool:
        """Each query is a transaction of its own."""
        return True

    async def fetch(self, query: Query[Row], parameters: Mapping[str, Any]) -> list[Row]:
        """Run the query durably, in one round trip, and return its rows.

        It is retried after what the server certainly undid, and, if it is a read or has an idempotency key, also after
        what may have happened already. Raises a `DataAccessError`: `OutcomeUnknownError` where a write without a key
        may have happened.
        """
        began = time.monotonic()
        try:
            return await self._runner.run(query, parameters)
        except DataAccessError as error:
            return await self._after(error, partial(self._runner.run, query, parameters), began=began, ours=True)

    async def _after(
        self, error: DataAccessError, run: Callable[[], Awaitable[Value]], *, began: float, ours: bool = False
    ) -> Value:
        """Retry what failed with `error`, if that may help; otherwise raise it, explained."""
        await self._explain(error, ours=ours)
        return await self._retry.after(error, run, began=began)

    async def _explain(self, error: DataAccessError, *, ours: bool = False) -> None:
        """Add to a refusal what removes its cause: a right, a schema, or for a statement of `ours` the revision."""
        if error.advice or error.sqlstate is None:
            return
        from app.db.remedies import advice_on  # noqa: PLC0415 - as in `_advise`

        run = partial(self._execute, lost=TransientError)
        error.advice = await advice_on(error, self.settings, run, ours=ours)

    async def execute(self, statement: Executable, parameters: Any = None, *, repeatable: bool = False) -> Result[Any]:
        """Run any statement, durably, in one round trip; the connection is back before the result is returned.

        With a list of parameters it runs for each of them, for all or none, in a transaction: two round trips more.
        `repeatable` says that to run it twice is harmless, as it is for a read: then it is retried as `fetch` does a
        read. Raises a `DataAccessError`; `OutcomeUnknownError` where a write that is not repeatable may have happened.
        """
        run = partial(self._execute, statement, parameters, TransientError if repeatable else OutcomeUnknownError)
        began = time.monotonic()
        try:
            return await run()
        except DataAccessError as error:
            return await self._after(error, run, began=began)

    async def _execute(self, statement: Executable, parameters: Any, lost: type[DataAccessError]) -> Result[Any]:
        with executing(lost):
            # One switch into SQLAlchemy instead of three (connect, execute, close): a third of the time on loopback.
            return await greenlet_spawn(self._execute_in_greenlet, statement, parameters)

    def _execute_in_greenlet(self, statement: Executable, parameters: Any) -> Result[Any]:
        with self.engine.sync_engine.connect() as connection:
            if isinstance(parameters, Sequence):  # SQLAlchemy may make several statements of it
                with connection.begin():
                    return connection.execute(statement, parameters)
            # A flag in Python, no round trip: the statement is its own transaction. Not an engine with this option:
            # that one listens to its connections, which costs each call 40 µs.
            connection.execution_options(isolation_level="AUTOCOMMIT")
            # asyncpg's rows are all here when it returns: the result needs no connection.
            return connection.execute(statement, parameters)

    @asynccontextmanager
    async def transaction(self, *, user_id: str | None = None) -> AsyncIterator[AsyncSession]:
        """Yield a session whose statements happen together or not at all: committed at the end, rolled back on error.

        Raises a `DataAccessError` for what the database refuses, also from the caller's own ORM statements, and
        `OutcomeUnknownError` where the connection broke during COMMIT. The caller's own exceptions pass unchanged,
        whatever becomes of the rollback. Cancelled during COMMIT it still commits. After the block the session raises
        `ClosedError`. With `user_id` row-level security lets the caller's own statements see that user's rows, for one
        round trip more; repositories need it not, their queries say whose rows they are about.
        """
        try:
            async with transaction(self.sessionmaker, user_id=user_id) as session:
                yield session
        except DataAccessError as error:
            await self._explain(error)
            raise

    @asynccontextmanager
    async def together(self) -> AsyncIterator[Executor]:
        """Give an executor whose queries are one transaction."""
        async with self.transaction() as session:
            yield SessionExecutor(session)

    async def run_in_transaction(self, function: Callable[[AsyncSession], Awaitable[Value]]) -> Value:
        """Return what `function` returns for a session, committed.

        After a deadlock, a serialization failure or a connection lost before COMMIT it runs again in a new transaction:
        it must have no effect but on the session, and leave the commit to it. Raises a `DataAccessError`.
        """
        began = time.monotonic()
        try:
            return await self._once(function)
        except DataAccessError as error:
            return await self._after(error, partial(self._once, function), began=began)

    async def _once(self, function: Callable[[AsyncSession], Awaitable[Value]]) -> Value:
        async with self.transaction() as session:
            return await function(session)


def _advise(settings: DatabaseSettings, sqlstate: str | None, text: str) -> str | None:
    from app.db.remedies import remedy_of_text  # noqa: PLC0415 - its tables are for statements that fail

    return remedy_of_text(sqlstate, text, settings)
