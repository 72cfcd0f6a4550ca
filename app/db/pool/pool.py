"""The pool: one fair queue, a check of each connection as it is taken out, and a note of who holds it."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from app.db.driver.retry import Retry, call_deadline, no_connection
from app.db.driver.sqlstates import DRIVER_ERRORS, translate_connect
from app.db.errors import ClosedError, ConfigurationError, DataAccessError, PoolTimeoutError
from app.db.pool.connection import PooledConnection
from app.db.pool.holder import Holder
from app.db.pool.home import Home
from app.db.pool.idle import IdleConnections
from app.db.pool.liveness import Liveness
from app.db.pool.opening import Opening
from app.db.pool.queue import Queue, Waiter
from app.db.pool.status import PoolStatus
from app.db.pool.watch import IdleTransactionWatch
from app.db.target.settings import DatabaseSettings

Connect = Callable[[], Awaitable[Any]]
"""Return a new asyncpg connection, in one attempt."""

_RECHECK_SECONDS: Final = 1.0
_LEAST_SECONDS: Final = 1.0


class Pool:
    """At most `pool_size` connections, the last one returned handed out first; callers queue when none is free.

    It belongs to the event loop and the process that use it first, and starts anew where these are gone. A closed pool
    serves the callers that queue already and refuses new ones.
    """

    def __init__(self, connect: Connect, settings: DatabaseSettings, *, pooled: bool = False) -> None:
        self.pooled = pooled
        """Whether the connections go through a transaction pooler."""
        self.settings = settings
        self.on_connect: list[Callable[[Any], Awaitable[None]]] = []
        """Called with each new asyncpg connection before it is used; an error refuses the connection."""
        self.timeouts = 0
        """How many callers have queued without getting a connection."""
        self._queue_limit_seconds = settings.pool_timeout_seconds or math.inf
        self._connect = connect
        self._retry = Retry(settings)
        self._home = Home()
        self._closed = False
        self._liveness = Liveness(settings)
        self._start_anew()

    def _start_anew(self) -> None:
        self._in_use: dict[Any, PooledConnection] = {}
        self._queue = Queue(self._patience, self._timeout_error)
        self._idle = IdleConnections(
            self._home,
            limit_seconds=self.settings.pool_idle_seconds,
            may_close=lambda: self._connected > self.settings.pool_min_size,
        )
        self._opening = Opening(
            self._home,
            self._open,
            self._retry,
            wanted=self._wanted,
            connected=lambda: self._connected,
            on_opened=self._hand_over,
            on_failed=self._refuse_queue,
        )
        self._watch = IdleTransactionWatch(self._in_use, self.settings.idle_transaction_warning_seconds)

    async def acquire(self) -> PooledConnection:
        """Return a connection that is alive, after queueing for it if need be; `release` or `discard` must follow.

        Raises `PoolTimeoutError`, `UnavailableError`, `ConfigurationError`, or `ClosedError` after `close`.
        """
        if self._closed:
            raise ClosedError("this Database is closed: make a new one")
        if not self._home.is_here() and self._home.move_here(self._belongings()):
            self._start_anew()
        while (connection := self._idle.pop()) is not None:
            connection.holder = Holder()
            self._in_use[connection.driver] = connection
            if await self._is_alive(connection):
                self._watch.start()
                return connection
        return await self._wait()

    def release(self, connection: PooledConnection) -> None:
        """Let the next caller have the connection."""
        if self._in_use.pop(connection.driver, None) is None or self._home.is_gone():
            return  # it was taken out before a fork, or in a loop that is gone
        connection.holder.task = None  # an idle connection must not keep a task, with its result, in memory
        if self._is_others_turn(connection):
            connection.driver.terminate()
            self._opening.give_up_one()
        elif self._liveness.is_outdated(connection) or not connection.is_clean:
            connection.driver.terminate()
            self._opening.start()
        else:
            self._hand_over(connection)

    def discard(self, connection: PooledConnection) -> None:
        """Close the connection without waiting for the server, and let the next caller open another."""
        connection.driver.terminate()
        self.release(connection)

    def find(self, driver: Any) -> PooledConnection | None:
        """Return the connection in use that has this asyncpg connection; None where its loop or process is gone."""
        return None if self._home.is_gone() else self._in_use.get(driver)

    def replace_all(self) -> None:
        """Have every connection of this moment replaced before it is used again."""
        self._liveness.outdate_all()

    def status(self) -> PoolStatus:
        """Return the figures of this moment; another thread may ask."""
        connecting, error = len(self._opening), self._opening.last_error
        return PoolStatus(
            size=self.settings.pool_size,
            in_use=len(self._in_use),
            idle=sum(connection.is_open for connection in self._idle.snapshot()),
            connecting=connecting,
            waiting=max(len(self._queue) - connecting, 0),
            last_error=None if error is None else str(error),
        )

    async def close(self) -> None:
        """Close the idle connections now, and those in use as they come back."""
        self._closed = True
        self._watch.stop()
        if not len(self._queue) and self._home.is_here():
            await self._opening.stop()
        await self.close_idle()

    async def close_idle(self) -> None:
        """Close the idle connections, all at once: one by one, a dead network would cost a timeout for each."""
        idle = self._idle.take_all()
        if self._home.is_here():  # elsewhere they are dead, or another process's
            await asyncio.gather(*(self._liveness.close(connection) for connection in idle))

    @property
    def _connected(self) -> int:
        return len(self._idle) + len(self._in_use)

    def _wanted(self) -> int:
        """Return how many attempts to connect there should be."""
        return min(len(self._queue), self.settings.pool_size - self._connected)

    async def _wait(self) -> PooledConnection:
        self._refuse_beyond_limit()
        now = time.monotonic()
        # A call that is retried just before its deadline still has a second, which is enough for a working pool.
        waiter = Waiter(min(now + self.settings.retry_seconds, max(call_deadline.get(), now + _LEAST_SECONDS)))
        try:
            self._queue.join(waiter, patience_seconds=min(self._queue_limit_seconds, waiter.deadline - now))
            if self._connected < self.settings.pool_size:
                self._opening.start()
            connection = await waiter.future
        except BaseException:
            if waiter.connection is not None:  # cancelled just as it was served
                self.release(waiter.connection)
            raise
        finally:
            self._queue.leave(waiter)
        self._watch.start()
        return connection

    def _hand_over(self, connection: PooledConnection) -> None:
        """Give the connection to the caller that has queued longest, or keep it."""
        waiter = self._queue.take_first()
        if waiter is not None:
            self._in_use[connection.driver] = connection
            waiter.give(connection)
        elif self._closed:
            connection.driver.terminate()
        else:
            self._idle.push(connection)
        connection.opening_seconds = 0.0

    def _refuse_queue(self, error: Exception) -> None:
        """Tell every caller in the queue at once that connecting failed, unless there are connections to share."""
        if not self._connected:
            self._queue.refuse_all(error)

    def _patience(self, waiter: Waiter) -> float:
        """Return for how many seconds a caller waits on: as long as connections are opened, until its deadline."""
        since = max(waiter.holder.since, self._opening.opened_at)
        limit = min(since + self._queue_limit_seconds, waiter.deadline)
        return min((waiter.deadline if self._is_waking else limit) - time.monotonic(), _RECHECK_SECONDS)

    @property
    def _is_waking(self) -> bool:
        return len(self._opening) > 0 and not (self._opening.is_crowded and self._connected)

    def _timeout_error(self, waiter: Waiter) -> DataAccessError:
        seconds, status = f"{waiter.holder.held_seconds:.3g} s", self.status()
        if not self._connected:
            cause = self._opening.last_error
            error = no_connection(seconds, cause, crowd=f" ({status.connecting} connecting, {status.waiting} waiting)")
            error.__cause__ = cause
            return error
        self.timeouts += 1
        holders = [connection.holder for connection in self._in_use.values()]
        return PoolTimeoutError(f"no connection came free within {seconds}: {status.in_words(holders)}")

    def _refuse_beyond_limit(self) -> None:
        limit, room = self.settings.pool_max_waiting, self.settings.pool_size - self._connected
        if limit is not None and len(self._queue) - room >= limit:
            self.timeouts += 1
            raise PoolTimeoutError(
                f"{limit} callers queue for a connection already, as many as DATABASE_POOL_MAX_WAITING allows"
            )

    def _is_others_turn(self, connection: PooledConnection) -> bool:
        return not self.pooled and self._opening.is_others_turn(connection, queueing=len(self._queue) > 0)

    async def _is_alive(self, connection: PooledConnection) -> bool:
        try:
            if await self._liveness.is_alive(connection):
                return True
        except BaseException:
            self.discard(connection)
            raise
        self.discard(connection)
        # Those that have been idle as long have probably ended too, and each would cost its caller a timeout.
        self._idle.close_idle_for(self.settings.ping_after_idle_seconds)
        return False

    async def _open(self) -> Any:
        driver = await self._connect()
        try:
            for prepare in self.on_connect:
                await prepare(driver)
        except BaseException as error:
            driver.terminate()
            if isinstance(error, Exception) and not isinstance(error, DataAccessError):
                raise _not_prepared(error) from error
            raise
        return driver

    def _belongings(self) -> list[object]:
        return [self._opening, *self._idle.snapshot(), *self._in_use.values()]


def _not_prepared(error: Exception) -> DataAccessError:
    """Return the error for a connection that a function of `on_connect` refused; no caller's statement was sent."""
    if isinstance(error, DRIVER_ERRORS):
        return translate_connect(error, "a function of on_connect")
    return ConfigurationError(f"a function of on_connect failed: {type(error).__name__}")
