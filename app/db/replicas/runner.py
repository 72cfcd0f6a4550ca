"""Runs queries on connections of a replica that the caller has taken."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from app.db.engine.runner import Runner
from app.db.engine.translation import executing
from app.db.pool.connection import PooledConnection
from app.db.pool.pool import Pool
from app.db.query import Query
from app.db.telemetry.execution import Execution, Report, Reports

Row = TypeVar("Row")


class ReplicaRunner(Runner):
    """A runner that neither waits for a connection nor lets one go unreturned."""

    def __init__(self, pool: Pool, place: str, reports: Reports, *, row_level_security: bool) -> None:
        super().__init__(pool, _PlacedReports(reports, place), row_level_security=row_level_security)

    async def run_on(self, connection: PooledConnection, query: Query[Row], parameters: Mapping[str, Any]) -> list[Row]:
        """Run the query on the connection, give it back, and return the rows. Raises a `DataAccessError`."""
        form = self._form(query)
        with executing(query.when_lost.error):
            try:
                arguments = form.arguments(parameters)
            except BaseException:
                self._pool.release(connection)
                raise
            if self._reports:
                return await self._observed(query, connection, form.sql, arguments)
            return query.decode(await self._send(query, connection, form.sql, arguments))

    async def prepare(self, query: Query[Any], connection: PooledConnection) -> None:
        """Prepare the query on the connection, and give it back. Raises a `DataAccessError`."""
        form = self._form(query)
        with executing(query.when_lost.error):
            try:
                await self._prepare(query, connection, form.sql)
            except BaseException as error:
                await self._settle(connection, error)
                raise
            finally:
                self._pool.release(connection)


class _PlacedReports(Sequence[Report]):
    """The same reports, of executions at a place."""

    def __init__(self, reports: Reports, place: str) -> None:
        self._reports = reports
        self._place = place

    def __len__(self) -> int:
        return len(self._reports)

    def __getitem__(self, index: Any) -> Any:
        return list(self)[index]

    def __iter__(self) -> Iterator[Report]:
        yield self._report

    def _report(self, execution: Execution) -> None:
        execution.replica = self._place
        for report in self._reports:
            report(execution)
