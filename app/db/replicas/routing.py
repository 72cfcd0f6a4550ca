"""Where a query runs: writes on the primary, reads on a replica that has what their user has written."""

import time
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar
from zlib import crc32

from app.db.engine.runner import Runner
from app.db.errors import DataAccessError, OutcomeUnknownError
from app.db.pool.status import PoolStatus, ReplicaStatus
from app.db.query import Query, WhenLost
from app.db.replicas.barrier import Barrier
from app.db.replicas.identity import Identity
from app.db.replicas.replica import Replica
from app.db.replicas.statements import Marked, guarded, marked
from app.db.replicas.writes import USER, Writes
from app.db.target.settings import DatabaseSettings
from app.db.telemetry.configured import measure_configured_replicas
from app.db.telemetry.execution import Reports

Row = TypeVar("Row")


class Routing:
    """Runs queries as a `Runner` does: the reads of one user on replicas, what these cannot answer on the primary."""

    def __init__(self, settings: DatabaseSettings, primary: Runner, writes: Writes, reports: Reports) -> None:
        self.writes = writes
        self._primary = primary
        self._barrier = Barrier(primary, writes.passed_barrier)
        writes.ask_for_barrier = self._barrier.ask
        self._replicas = [
            Replica(settings, target, reports, self._primary_identity) for target in settings.replica_targets()
        ]
        self.reads_on_primary = 0
        """How many reads of a user's rows no replica answered."""
        measure_configured_replicas(settings, self)

    async def run(self, query: Query[Row], parameters: Mapping[str, Any]) -> list[Row]:
        """Run the query once and return its rows. Raises a `DataAccessError`."""
        if query.when_lost is not WhenLost.NOT_DONE:
            return await self._write(query, parameters)
        user_id = parameters.get(USER)
        if user_id is None or query.on_primary:
            return await self._primary.run(query, parameters)
        rows = await self._read(query, parameters, user_id)
        if rows is None:
            self.reads_on_primary += 1
            rows = await self._primary.run(query, parameters)
        return rows

    def status(self) -> tuple[ReplicaStatus, ...]:
        """Return the figures of each replica; another thread may ask."""
        return tuple(replica.status() for replica in self._replicas)

    def add_to(self, status: PoolStatus) -> PoolStatus:
        """Return the figures of the primary's pool with those of the replicas."""
        return status._replace(replicas=self.status(), reads_on_primary=self.reads_on_primary)

    async def close(self) -> None:
        """Close the connections to the replicas."""
        await self._barrier.close()
        for replica in self._replicas:
            await replica.close()

    async def _read(self, query: Query[Row], parameters: Mapping[str, Any], user_id: str) -> list[Row] | None:
        needed, asking = self.writes.needed(user_id), guarded(query)
        if needed is None or asking is None:
            return None
        for replica in self._in_order(user_id):
            connection = replica.take(asking)
            if connection is not None:
                return await replica.read(asking, connection, parameters, needed)
        return None

    def _primary_identity(self) -> Identity | None:
        """Return which server the marks are of; None until the barrier has asked."""
        known = self._barrier.primary
        return known if known and known.server == self.writes.server else None

    def _in_order(self, user_id: str) -> Sequence[Replica]:
        """Return the user's own replica first, the same in every process: it has the user's rows in memory."""
        first = crc32(user_id.encode()) % len(self._replicas)
        return self._replicas[first:] + self._replicas[:first]

    async def _write(self, query: Query[Row], parameters: Mapping[str, Any]) -> list[Row]:
        user_id, began = parameters.get(USER), time.monotonic()
        try:
            rows = await self._primary.run(marked(query), parameters)
        except BaseException as error:
            if not _is_undone(error):
                self.writes.doubt(user_id, in_flight=True)
            raise
        if not isinstance(rows, Marked) or rows.stamp is None:
            self.writes.doubt(user_id)
        else:
            self.writes.note(user_id, rows.stamp, began=began)
        return rows


def _is_undone(error: BaseException) -> bool:
    """Return whether the write had no effect for certain: cancelled, or with an unreadable answer, it may have."""
    certain = isinstance(error, DataAccessError) and not isinstance(error, OutcomeUnknownError)
    return certain and type(error) is not DataAccessError
