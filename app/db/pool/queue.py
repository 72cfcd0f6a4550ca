"""The callers that queue for a connection."""

import asyncio
import copy
import time
from collections import OrderedDict

from app.db.errors import DataAccessError
from app.db.pool.connection import PooledConnection
from app.db.pool.holder import Holder


class Waiter:
    """One caller in the queue; `future` becomes its connection or its error."""

    __slots__ = ("deadline", "future", "holder", "timer")

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.holder = Holder()
        """Holds the connection later; until then its `since` is when the caller began to queue."""
        self.future: asyncio.Future[PooledConnection] = asyncio.get_running_loop().create_future()
        self.timer: asyncio.TimerHandle | None = None

    def give(self, connection: PooledConnection) -> None:
        """Let the caller hold the connection, and note how long it waited, and what for."""
        now = time.monotonic()
        waited = now - self.holder.since
        self.holder.connecting_seconds = min(waited, connection.opening_seconds)
        self.holder.queued_seconds = waited - self.holder.connecting_seconds
        self.holder.since = self.holder.ended = now
        connection.holder = self.holder
        self.future.set_result(connection)

    @property
    def connection(self) -> PooledConnection | None:
        """What the caller was given, if it was."""
        done = self.future.done() and not self.future.cancelled() and self.future.exception() is None
        return self.future.result() if done else None


class Queue:
    """First come, first served."""

    def __init__(self) -> None:
        self._waiters: OrderedDict[Waiter, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._waiters)

    def join(self, waiter: Waiter) -> None:
        """Add the caller at the end."""
        self._waiters[waiter] = None

    def leave(self, waiter: Waiter) -> None:
        """Remove the caller, served or not."""
        self._waiters.pop(waiter, None)
        if waiter.timer is not None:
            waiter.timer.cancel()

    def take_first(self) -> Waiter | None:
        """Take the first caller that still waits out of the queue; None if there is none."""
        while self._waiters:
            waiter, _ = self._waiters.popitem(last=False)
            if not waiter.future.done():
                return waiter
        return None

    def refuse_all(self, error: Exception) -> None:
        """Give the error to every caller, each its own: raised twice, one would collect the frames of both."""
        while (waiter := self.take_first()) is not None:
            waiter.future.set_exception(_copied(error))


def _copied(error: Exception) -> Exception:
    if not isinstance(error, DataAccessError):
        return error
    copied = copy.copy(error)
    copied.__cause__ = error.__cause__
    return copied
