"""The pool: one fair queue, a check of each connection as it is taken out, and a note of who holds it."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from app.db.driver.cancellation import hang_up, undisturbed
from app.db.driver.sqlstates import DRIVER_ERRORS
from app.db.errors import ClosedError, PoolTimeoutError
from app.db.pool.connection import PooledConnection
from app.db.pool.holder import Holder
from app.db.pool.home import Home
from app.db.pool.status import PoolStatus
from app.db.pool.watch import IdleTransactionWatch
from app.db.target.settings import DatabaseSettings

_log = logging.getLogger(__name__)
Connect = Callable[[float], Awaitable[Any]]
"""Return a new asyncpg connection; the argument is how many seconds the caller has queued already."""


class Pool:
    """At most `pool_size` connections, the last one returned handed out first; callers queue when none is free.

    It belongs to the event loop and the process that use it first, and starts anew where these are gone. A closed pool
    serves the callers that queue already and refuses new ones.
    """

    def __init__(self, connect: Connect, settings: DatabaseSettings, *, pooled: bool = False) -> None:
        self.pooled = pooled
        """Whether the connections go through a transaction pooler."""
        self._connect = connect
        self.settings = settings
        self.on_connect: list[Callable[[Any], Awaitable[None]]] = []
        """Called with each new asyncpg connection before it is used; an error refuses the connection."""
        self.timeouts = 0
        """How many callers have queued in vain."""
        self._home = Home()
        self._closed = False
        self._replace_before = 0.0
        self._start_anew()

    def _start_anew(self) -> None:
        self._slots = asyncio.Semaphore(self.settings.pool_size)
        self._idle: list[PooledConnection] = []
        self._in_use: dict[Any, PooledConnection] = {}
        self._waiting = 0
        self._watch = IdleTransactionWatch(self._in_use, self.settings.idle_transaction_warning_seconds)

    async def acquire(self) -> PooledConnection:
        """Queue for a connection and return it, alive; `release` or `discard` must follow.

        Raises `PoolTimeoutError`, `UnavailableError`, `ConfigurationError`, or `ClosedError` after `close`.
        """
        if self._closed:
            raise ClosedError("this Database is closed: make a new one")
        if not self._home.is_here() and self._home.move_here(self._connections()):
            self._start_anew()
        began = time.monotonic()
        await (self._queue() if self._slots.locked() else self._slots.acquire())
        queued = time.monotonic()
        try:
            connection = await self._take_out(queued - began)
        except BaseException:
            self._slots.release()
            raise
        connection.holder = Holder(queued_seconds=queued - began, connecting_seconds=time.monotonic() - queued)
        self._in_use[connection.driver] = connection
        self._watch.start()
        return connection

    def release(self, connection: PooledConnection) -> None:
        """Let the next caller have the connection."""
        if self._in_use.pop(connection.driver, None) is None:
            return  # it was taken out before a fork, or in a loop that is gone
        if self._closed:
            connection.driver.terminate()
        if connection.is_open:
            connection.returned_at = time.monotonic()
            self._idle.append(connection)
        self._slots.release()

    def discard(self, connection: PooledConnection) -> None:
        """Close the connection without waiting for the server, and let the next caller open another."""
        connection.driver.terminate()
        self.release(connection)

    def find(self, driver: Any) -> PooledConnection | None:
        """Return the connection in use that has this asyncpg connection; None where its loop or process is gone."""
        return None if self._home.is_gone() else self._in_use.get(driver)

    def replace_all(self) -> None:
        """Have every connection of this moment replaced before it is used again."""
        self._replace_before = time.monotonic()

    def status(self) -> PoolStatus:
        """Return the figures of this moment; another thread may ask."""
        idle, in_use = list(self._idle), list(self._in_use.values())
        return PoolStatus(
            size=self.settings.pool_size,
            in_use=len(in_use),
            idle=sum(connection.is_open for connection in idle),
            waiting=self._waiting,
            longest_hold_seconds=max((connection.holder.held_seconds for connection in in_use), default=0.0),
        )

    async def close(self) -> None:
        """Close the idle connections now, and those in use as they come back."""
        self._closed = True
        self._watch.stop()
        await self.close_idle()

    async def close_idle(self) -> None:
        """Close the idle connections, all at once: one by one, a dead network would cost a timeout for each."""
        idle, self._idle = self._idle, []
        if self._home.is_here():  # elsewhere they are dead, or another process's
            await asyncio.gather(*(self._close(connection) for connection in idle))

    async def _take_out(self, queued_seconds: float) -> PooledConnection:
        while self._idle:
            connection = self._idle.pop()
            if not self._is_outdated(connection):
                if await self._is_alive(connection):
                    return connection
                _log.info("replacing a connection that died while it was idle")
                connection.driver.terminate()
            else:
                await self._close(connection)
        return await self._open(queued_seconds)

    async def _open(self, queued_seconds: float) -> PooledConnection:
        driver = await self._connect(queued_seconds)
        try:
            for prepare in self.on_connect:
                await prepare(driver)
        except BaseException:
            driver.terminate()
            raise
        return PooledConnection(driver)

    def _is_outdated(self, connection: PooledConnection) -> bool:
        oldest = self.settings.pool_recycle_seconds
        return connection.age_seconds() >= oldest or connection.opened_at <= self._replace_before

    async def _is_alive(self, connection: PooledConnection) -> bool:
        if not connection.is_open:
            return False
        if connection.idle_seconds() < self.settings.ping_after_idle_seconds:
            return True
        try:
            await connection.driver.execute("select 1", timeout=self.settings.ping_timeout_seconds)
        except DRIVER_ERRORS:
            return False
        except asyncio.CancelledError:
            await undisturbed(hang_up(connection.driver))  # the answer may still be on its way
            raise
        return True

    async def _close(self, connection: PooledConnection) -> None:
        try:
            await connection.driver.close(timeout=self.settings.ping_timeout_seconds)
        except DRIVER_ERRORS:
            connection.driver.terminate()

    async def _queue(self) -> None:
        self._waiting += 1
        try:
            async with asyncio.timeout(self.settings.pool_timeout_seconds):
                await self._slots.acquire()
        except TimeoutError:
            self.timeouts += 1
            raise PoolTimeoutError(self._exhausted()) from None
        finally:
            self._waiting -= 1

    def _exhausted(self) -> str:
        holders = sorted((c.holder for c in self._in_use.values()), key=lambda holder: -holder.held_seconds)
        longest = ", ".join(f"{holder.held_seconds:.1f} s by {holder.place()}" for holder in holders[:3])
        return (
            f"no connection came free within {self.settings.pool_timeout_seconds:g} s: "
            f"{len(holders)} of {self.settings.pool_size} in use, {self._waiting} waiting; held longest: {longest}"
        )

    def _connections(self) -> list[PooledConnection]:
        return [*self._idle, *self._in_use.values()]
