"""Runs queries on connections of a replica that the caller has taken."""

from collections.abc import Mapping
from typing import Any, TypeVar

from app.db.engine.runner import Runner
from app.db.engine.translation import executing
from app.db.pool.connection import PooledConnection
from app.db.query import Query

Row = TypeVar("Row")


class ReplicaRunner(Runner):
    """A runner that neither waits for a connection nor lets one go unreturned."""

    async def run_on(self, connection: PooledConnection, query: Query[Row], parameters: Mapping[str, Any]) -> list[Row]:
        """Run the query on the connection, give it back, and return the rows. Raises a `DataAccessError`."""
        form = self._form(query)
        with executing(query.when_lost.error):
            try:
                arguments = form.arguments(parameters)
            except BaseException:
                self._pool.release(connection)
                raise
            return await self._answer(query, connection, form.sql, arguments)

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
