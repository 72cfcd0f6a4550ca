"""Whether a connection that was idle can still be used."""

import asyncio
import logging
import time

from app.db.driver.cancellation import cancel_and_close, uninterrupted
from app.db.driver.sqlstates import DRIVER_ERRORS
from app.db.pool.connection import PooledConnection
from app.db.target.settings import DatabaseSettings

_log = logging.getLogger(__name__)


class Liveness:
    """Knows which connections are too old, and asks the server about those that were idle for long."""

    def __init__(self, settings: DatabaseSettings) -> None:
        self._ping_after_seconds = settings.ping_after_idle_seconds
        self._ping_timeout_seconds = settings.ping_timeout_seconds
        self._oldest_seconds = settings.pool_recycle_seconds
        self._outdated_before = 0.0

    def outdate_all(self) -> None:
        """Have every connection of this moment taken for too old."""
        self._outdated_before = time.monotonic()

    def is_outdated(self, connection: PooledConnection) -> bool:
        """Whether the connection is too old. Those that were opened together do not become so together."""
        oldest = self._oldest_seconds * connection.lifetime_share
        return connection.age_seconds() >= oldest or connection.opened_at <= self._outdated_before

    def needs_no_check(self, connection: PooledConnection) -> bool:
        """Whether the connection can be used without asking the server."""
        fresh = connection.is_open and connection.idle_seconds() < self._ping_after_seconds
        return fresh and not self.is_outdated(connection)

    async def is_alive(self, connection: PooledConnection) -> bool:
        """Whether the connection can be used; costs a round trip if it was idle for long."""
        if self.needs_no_check(connection):
            return True
        if self.is_outdated(connection):
            return False
        if connection.is_open and await self._answers(connection):
            return True
        _log.info("replacing a connection that ended while it was idle")
        return False

    async def close(self, connection: PooledConnection) -> None:
        """Close the connection; wait for the server no longer than for a ping."""
        try:
            await connection.driver.close(timeout=self._ping_timeout_seconds)
        except DRIVER_ERRORS:
            connection.driver.terminate()

    async def _answers(self, connection: PooledConnection) -> bool:
        try:
            await connection.driver.execute("select 1", timeout=self._ping_timeout_seconds)
        except DRIVER_ERRORS:
            return False
        except asyncio.CancelledError:
            await uninterrupted(cancel_and_close(connection.driver))  # the answer may still be on its way
            raise
        return True
