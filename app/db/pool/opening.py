"""New connections for a pool, opened apart from the callers that queue for them."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Any, Final

from app.db.driver.retry import Retry
from app.db.driver.sqlstates import is_out_of_connections
from app.db.pool.connection import PooledConnection
from app.db.pool.home import Home

_CROWDED_SECONDS: Final = 5.0
# A pool whose callers queue gives up connections of this age, one at a time, and opens others: a process that has none,
# on a server that has no more, gets its turn within its deadline. Sooner where the server is known to have no more.
_TURN_SECONDS: Final = 10.0
_TURN_WHEN_CROWDED_SECONDS: Final = 5.0
_BETWEEN_TURNS_SECONDS: Final = 0.25
_YIELD_SECONDS: Final = 0.1
_YIELD_WHEN_CROWDED_SECONDS: Final = 1.0
"""A process without a connection asks at least so often: it gets what was given up before those that have some ask."""


class Opening:
    """As many attempts to connect as callers lack a connection, and no more than the pool has room for.

    A caller takes what comes first: a new connection, or one that another caller returns. Where the server has no room
    for another connection, one attempt at a time is made, and the callers share the connections that there are.
    """

    def __init__(
        self,
        home: Home,
        connect: Callable[[], Awaitable[Any]],
        retry: Retry,
        *,
        wanted: Callable[[], int],
        connected: Callable[[], int],
        on_opened: Callable[[PooledConnection], None],
        on_failed: Callable[[Exception], None],
    ) -> None:
        self._home = home
        self._connect = connect
        self._retry = retry
        self._wanted = wanted
        self._connected = connected
        self._on_opened = on_opened
        self._on_failed = on_failed
        self._attempts: set[asyncio.Task[None]] = set()
        self._refused_at = -_CROWDED_SECONDS
        self._not_before = 0.0
        self._gave_up_at = -_BETWEEN_TURNS_SECONDS
        self._timer: asyncio.TimerHandle | None = None
        self.opened_at = 0.0
        """When the last connection was opened."""
        self.last_error: Exception | None = None
        """Why the last attempt failed; None once one has succeeded."""

    def __len__(self) -> int:
        return len(self._attempts)

    @property
    def is_crowded(self) -> bool:
        """Whether the server had no room for another connection a moment ago."""
        return time.monotonic() - self._refused_at < _CROWDED_SECONDS

    def is_others_turn(self, connection: PooledConnection, *, queueing: bool) -> bool:
        """Whether the connection is to be left to other processes as it comes back."""
        crowded = self.is_crowded
        if not (crowded or queueing) or not self._connected():
            return False
        turn = _TURN_WHEN_CROWDED_SECONDS if crowded else _TURN_SECONDS
        is_old = connection.age_seconds() >= turn * connection.lifetime_share
        return is_old and time.monotonic() - self._gave_up_at >= _BETWEEN_TURNS_SECONDS

    def start(self) -> None:
        """Begin as many attempts as are wanted and not yet under way."""
        loop = self._home.loop
        pause = self._pause()
        if pause > 0:
            self._timer = self._timer or loop.call_later(pause, self._start_after_pause)
            return
        for _ in range(self._limit() - len(self._attempts)):
            # In a context of its own: what traces the caller does not trace a connection that others may use.
            self._attempts.add(loop.create_task(self._attempt(), context=Context()))

    def give_up_one(self) -> None:
        """Leave a connection that was just closed to another process for a moment, then start again."""
        self._gave_up_at = time.monotonic()
        self._yield_to_others()

    async def stop(self) -> None:
        """Give up every attempt."""
        if self._timer is not None:
            self._timer.cancel()
        attempts = list(self._attempts)
        for attempt in attempts:
            attempt.cancel()
        await asyncio.gather(*attempts, return_exceptions=True)

    def _start_after_pause(self) -> None:
        self._timer = None
        self.start()

    def _pause(self) -> float:
        """Return for how many seconds no attempt begins; a pool without connections does not wait for others."""
        return self._not_before - time.monotonic() if self._connected() else 0.0

    def _yield_to_others(self) -> None:
        if self._pause() <= 0:
            seconds = _YIELD_WHEN_CROWDED_SECONDS if self.is_crowded else _YIELD_SECONDS
            self._not_before = time.monotonic() + seconds
        self.start()

    def _limit(self) -> int:
        return min(self._wanted(), 1) if self.is_crowded else self._wanted()

    async def _attempt(self) -> None:
        began, failure, driver = time.monotonic(), None, None
        try:
            driver = await self._retry.while_wanted(self._connect, self._is_wanted_after)
        except Exception as error:  # noqa: BLE001 - whatever it is, the callers in the queue must hear of it
            failure = self.last_error = error
        finally:
            self._attempts.remove(_this_task())
        if failure is not None:
            self._on_failed(failure)
        elif driver is not None:
            self.last_error, self.opened_at = None, time.monotonic()
            self._on_opened(PooledConnection(driver, opening_seconds=self.opened_at - began))
            self.start()

    def _is_wanted_after(self, error: Exception) -> bool:
        self.last_error = error
        if is_out_of_connections(error):
            self._refused_at = time.monotonic()
            if self._connected():
                self._yield_to_others()
                return False
        return len(self._attempts) <= self._limit()


def _this_task() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None
    return task
