"""Runs a query on the pool: one statement, one round trip, a transaction of its own.

Without SQLAlchemy's connection, cursor and result, which cost each call three times what the driver does
(docs/decisions/0001-one-statement-one-round-trip.md).
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from logging import Logger
from typing import Any, TypeVar

from sqlalchemy.log import InstanceLogger

from app.db.driver.cancellation import cancel_and_close, uninterrupted
from app.db.driver.sqlstates import DRIVER_ERRORS, REPLACE_CONNECTION, sqlstate_of
from app.db.engine.compiled import CompiledQuery, compiled
from app.db.engine.observed import observed
from app.db.engine.translation import executing
from app.db.errors import DataAccessError
from app.db.pool.connection import PooledConnection
from app.db.pool.pool import Pool
from app.db.query import Query
from app.db.rows import count_of
from app.db.telemetry.execution import Reports

Row = TypeVar("Row")


class Echo:
    """Logs each query and its time, as SQLAlchemy's engine does; its parameters only where that is asked for."""

    def __init__(self, logger: Logger | InstanceLogger, *, show_parameters: bool) -> None:
        self._logger = logger
        self._show_parameters = show_parameters

    def sent(self, sql: str, arguments: Sequence[Any]) -> None:
        """Log a query that is about to be sent."""
        self._logger.info("%s", sql)
        self._logger.info("%s", tuple(arguments) if self._show_parameters else "[parameters hidden]")

    def took(self, seconds: float) -> None:
        """Log how long its answer took."""
        self._logger.info("%.1f ms", seconds * 1000)


class Runner:
    """Runs queries, and tells the reports of each; they cost nothing where there are none."""

    def __init__(
        self,
        pool: Pool,
        reports: Reports,
        echo: Echo | None = None,
        *,
        row_level_security: bool = False,
        sharded: bool = False,
        place: str | None = None,
    ) -> None:
        self._pool = pool
        self._row_level_security = row_level_security
        self._sharded = sharded
        self._reports = reports
        self._echo = echo
        self._place = place
        self._forms: dict[Query[Any], CompiledQuery] = {}

    def _form(self, query: Query[Any]) -> CompiledQuery:
        form = self._forms.get(query)
        if form is None:
            guarded, sharded = self._row_level_security, self._sharded
            form = self._forms[query] = compiled(query, row_level_security=guarded, sharded=sharded)
        return form

    async def run(self, query: Query[Row], parameters: Mapping[str, Any]) -> list[Row]:
        """Run the query once and return its rows. Raises a `DataAccessError`."""
        form = self._form(query)
        arguments = form.arguments(parameters)
        with executing(query.when_lost.error):
            return await self._answer(query, await self._pool.acquire(), form.sql, arguments)

    async def _answer(
        self, query: Query[Row], connection: PooledConnection, sql: str, arguments: list[Any]
    ) -> list[Row]:
        """Return the rows, and give the connection back."""
        if not self._reports:
            return query.decode(await self._send(query, connection, sql, arguments))
        with observed(self._reports, query.name, connection.holder) as execution:
            execution.replica = self._place
            records = await self._send(query, connection, sql, arguments)
            answered = time.perf_counter()
            rows = query.decode(records)
            execution.rows, execution.decoding_seconds = count_of(rows), time.perf_counter() - answered
        return rows

    async def _send(
        self, query: Query[Any], connection: PooledConnection, sql: str, arguments: list[Any]
    ) -> Sequence[Any]:
        connection.holder.running = True
        try:
            prepared = connection.prepared.get(sql) or await self._prepare(query, connection, sql)
            if self._echo:
                return await self._echoed(prepared, sql, arguments, self._echo)
            records: Sequence[Any] = await prepared.fetch(*arguments)
        except BaseException as error:
            await self._settle(connection, error)
            raise
        finally:
            self._pool.release(connection)
        return records

    @staticmethod
    async def _echoed(prepared: Any, sql: str, arguments: list[Any], echo: Echo) -> Sequence[Any]:
        echo.sent(sql, arguments)
        began = time.perf_counter()
        records: Sequence[Any] = await prepared.fetch(*arguments)
        echo.took(time.perf_counter() - began)
        return records

    async def _prepare(self, query: Query[Any], connection: PooledConnection, sql: str) -> Any:
        prepared = await connection.driver.prepare(sql)
        if query.pinned or not self._pool.pooled:  # else a retyped column would be decoded as what it was
            connection.prepared[sql] = prepared
        return prepared

    async def _settle(self, connection: PooledConnection, error: BaseException) -> None:
        """Leave the connection in a state that the next caller can use, or closed."""
        connection.prepared.clear()  # what was prepared may be why
        if isinstance(error, asyncio.CancelledError) or (isinstance(error, DRIVER_ERRORS) and not sqlstate_of(error)):
            await uninterrupted(cancel_and_close(connection.driver))  # its next answer may be this one's
        elif isinstance(error, DataAccessError):  # a value was refused before anything was sent
            return
        elif not isinstance(error, DRIVER_ERRORS):
            connection.driver.terminate()  # the driver stopped in the middle of an answer
        elif sqlstate_of(error) in REPLACE_CONNECTION:
            self._pool.replace_all()
