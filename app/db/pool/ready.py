"""A pool for callers that do not wait."""

from app.db.driver.retry import Retry
from app.db.pool.connection import PooledConnection
from app.db.pool.holder import Holder
from app.db.pool.pool import Connect, Pool
from app.db.target.settings import DatabaseSettings


class ReadyPool(Pool):
    """Also hands out what is free at this moment; connecting is tried once, and what fails is not retried."""

    def __init__(self, connect: Connect, settings: DatabaseSettings, *, pooled: bool = False) -> None:
        super().__init__(connect, settings, pooled=pooled)
        self._retry = Retry(settings, tries=1)
        self._start_anew()

    def take(self) -> PooledConnection | None:
        """Return a connection that needs no check, None where none is free; `release` or `discard` must follow."""
        connection = self._idle.last if not self._closed and self._home.is_here() else None
        if connection is None or not self._liveness.needs_no_check(connection):
            return None
        self._idle.pop()
        connection.holder = Holder()
        self._in_use[connection.driver] = connection
        return connection
