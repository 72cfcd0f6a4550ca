"""The connections of a pool that are not in use."""

import asyncio
import time
from collections.abc import Callable

from app.db.pool.connection import PooledConnection
from app.db.pool.home import Home


class IdleConnections:
    """A stack: the connection returned last is taken first, and those at the bottom age until a timer closes them.

    The timer sends Terminate, closes the socket, and runs no query: it neither keeps a server awake nor wakes one.
    """

    def __init__(self, home: Home, *, limit_seconds: float, may_close: Callable[[], bool]) -> None:
        self._home = home
        self._limit_seconds = limit_seconds
        self._may_close = may_close
        """Whether the pool has more connections than it is to keep."""
        self._stack: list[PooledConnection] = []
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._stack)

    def push(self, connection: PooledConnection) -> None:
        """Keep the connection until it is taken or has been idle for the limit."""
        connection.returned_at = time.monotonic()
        self._stack.append(connection)
        if self._timer is None:
            self._start_timer(self._limit_seconds)

    def pop(self) -> PooledConnection | None:
        """Take the connection that was returned last; None if there is none."""
        return self._stack.pop() if self._stack else None

    @property
    def last(self) -> PooledConnection | None:
        """The connection that `pop` would take."""
        return self._stack[-1] if self._stack else None

    def snapshot(self) -> list[PooledConnection]:
        """Return the connections of this moment; another thread may ask."""
        return list(self._stack)

    def take_all(self) -> list[PooledConnection]:
        """Take all of them, and stop the timer."""
        taken, self._stack = self._stack, []
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        return taken

    def close_idle_for(self, seconds: float) -> None:
        """Close those that have been idle for so long."""
        while self._stack and self._stack[0].idle_seconds() >= seconds:
            self._stack.pop(0).driver.terminate()

    def _start_timer(self, seconds: float) -> None:
        self._timer = self._home.loop.call_later(seconds, self._close_expired)

    def _close_expired(self) -> None:
        self._timer = None
        self._stack = [connection for connection in self._stack if connection.is_open]
        while self._stack and self._may_close():
            remaining = self._limit_seconds - self._stack[0].idle_seconds()
            if remaining > 0:
                self._start_timer(remaining)
                return
            self._stack.pop(0).driver.terminate()
