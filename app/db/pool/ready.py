"""A pool for callers that do not wait."""

from app.db.pool.connection import PooledConnection
from app.db.pool.holder import Holder
from app.db.pool.pool import Pool


class ReadyPool(Pool):
    """Also hands out what is free at this moment."""

    def take(self) -> PooledConnection | None:
        """Return a connection that needs no check, None where none is free; `release` or `discard` must follow."""
        connection = self._idle.last if not self._closed and self._home.is_here() else None
        if connection is None or not self._liveness.needs_no_check(connection):
            return None
        self._idle.pop()
        connection.holder = Holder()
        self._in_use[connection.driver] = connection
        return connection
