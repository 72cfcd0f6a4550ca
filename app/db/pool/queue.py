"""The callers that queue for a connection."""

import asyncio
import copy
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from app.db.errors import DataAccessError
from app.db.pool.connection import PooledConnection
from app.db.pool.holder import Holder

# A check of the whole queue, a microsecond for each caller, takes no more than a tenth of the time.
_SECONDS_BETWEEN_CHECKS_PER_CALLER: Final = 0.000_01
# So late a check means that the loop was blocked: no connection could be handed out. Callers get that time back, once,
# and no more of it than a pool that works needs to serve them.
_BLOCKED_SECONDS: Final = 0.1
_MOST_SECONDS_BACK: Final = 1.0


class Waiter:
    """One caller in the queue; `future` becomes its connection or its error."""

    __slots__ = ("deadline", "future", "holder")

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.holder = Holder()
        """Holds the connection later; until then its `since` is when the caller began to queue."""
        self.future: asyncio.Future[PooledConnection] = asyncio.get_running_loop().create_future()

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
    """First come, first served, as long as each caller's patience lasts: one timer looks after all of them."""

    def __init__(self, patience: Callable[[Waiter], float], timeout_error: Callable[[Waiter], DataAccessError]) -> None:
        self._waiters: OrderedDict[Waiter, None] = OrderedDict()
        self._patience = patience
        """For how many seconds a caller is not to be looked after; none are left when it has waited long enough."""
        self._timeout_error = timeout_error
        self._timer: asyncio.TimerHandle | None = None
        self._next_check = math.inf
        self._gives_time_back = False
        """Whether the last check found that the loop had been blocked."""

    def __len__(self) -> int:
        return len(self._waiters)

    def join(self, waiter: Waiter, *, patience_seconds: float) -> None:
        """Add the caller at the end."""
        self._waiters[waiter] = None
        self._check_after(patience_seconds)

    def leave(self, waiter: Waiter) -> None:
        """Remove the caller, served or not."""
        self._waiters.pop(waiter, None)
        if not self._waiters:
            self._stop_checking()
            self._gives_time_back = False

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

    def _check_after(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        when = loop.time() + seconds
        if when < self._next_check:
            self._stop_checking()
            self._next_check, self._timer = when, loop.call_at(when, self._check)

    def _stop_checking(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._next_check, self._timer = math.inf, None

    def _check(self) -> None:
        late = asyncio.get_running_loop().time() - self._next_check
        self._stop_checking()
        self._gives_time_back = late > _BLOCKED_SECONDS and not self._gives_time_back
        if self._gives_time_back:
            self._check_after(min(late, _MOST_SECONDS_BACK))
            return
        pause = len(self._waiters) * _SECONDS_BETWEEN_CHECKS_PER_CALLER
        for waiter in list(self._waiters):
            seconds = self._patience(waiter)
            if seconds > 0:
                self._check_after(max(seconds, pause))
            elif not waiter.future.done():
                self._refuse(waiter)

    def _refuse(self, waiter: Waiter) -> None:
        try:
            error: Exception = self._timeout_error(waiter)
        except Exception as failure:  # noqa: BLE001 - the caller must hear something, and those after it, too
            error = failure
        waiter.future.set_exception(error)
        self.leave(waiter)


def _copied(error: Exception) -> Exception:
    if not isinstance(error, DataAccessError):
        return error
    copied = copy.copy(error)
    copied.__cause__ = error.__cause__
    return copied
