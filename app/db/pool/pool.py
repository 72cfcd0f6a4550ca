"""The pool: one fair line in front, a look at each connection as it is taken out, and a note of who holds it."""

import asyncio
import logging
import os
import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy.pool import ConnectionPoolEntry, Pool
from sqlalchemy.util import await_only, greenlet_spawn

from app.db.driver.cancellation import hang_up, undisturbed
from app.db.driver.retry import queued_seconds
from app.db.driver.sqlstates import DRIVER_ERRORS
from app.db.errors import ConfigurationError, PoolTimeoutError
from app.db.pool.holder import Holder
from app.db.target.settings import DatabaseSettings

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PoolStatus:
    """What the pool is doing at this moment."""

    size: int
    in_use: int
    idle: int
    waiting: int
    longest_hold_seconds: float


class FairPool(Pool):
    """At most `pool_size` connections, the last one returned handed out first; who finds none waits in line.

    SQLAlchemy's QueuePool loses a wake-up when connecting fails (FAULTS); here one semaphore is all one can wait on.
    """

    _is_asyncio = True

    def __init__(self, creator: Any, settings: DatabaseSettings, **more: Any) -> None:
        super().__init__(creator, recycle=round(settings.pool_recycle_seconds), **more)
        self._settings = settings
        self.timeouts = 0
        """How many callers have waited in vain."""
        self._home: tuple[int, asyncio.AbstractEventLoop] | None = None
        self._start_anew()

    def _start_anew(self) -> None:
        self._slots = asyncio.Semaphore(self._settings.pool_size)
        self._idle: list[tuple[ConnectionPoolEntry, float]] = []
        self._holders: dict[ConnectionPoolEntry, Holder] = {}
        self._waiting = 0
        self._disposed = False
        self._watch: asyncio.TimerHandle | None = None

    def current_status(self) -> PoolStatus:
        """Return the figures of this moment."""
        idle, holders = list(self._idle), list(self._holders.values())  # copied: a reader of metrics is another thread
        connected = sum(_is_open(record.driver_connection) for record, _ in idle)
        longest = max((holder.held_seconds for holder in holders), default=0.0)
        return PoolStatus(self._settings.pool_size, len(holders), connected, self._waiting, longest)

    def status(self) -> str:
        """Return the same as text, as SQLAlchemy's pools do."""
        return str(self.current_status())

    def recreate(self) -> "FairPool":
        """Return an empty pool with the same settings."""
        return FairPool(
            self._creator,
            self._settings,
            echo=self.echo,
            logging_name=self._orig_logging_name,
            reset_on_return=self._reset_on_return,
            _dispatch=self.dispatch,
            dialect=self._dialect,
        )

    def dispose(self) -> None:
        """Close the connections that are idle, and those in use as they come back."""
        self._disposed = True
        if self._watch:
            self._watch.cancel()
        idle: list[Any] = [record.driver_connection for record, _ in self._idle]
        self._idle.clear()
        await_only(self._say_goodbye([driver for driver in idle if driver is not None]))

    async def take(self) -> ConnectionPoolEntry:
        """Wait in line and take a connection out, alive, for one statement; `give_back` must follow."""
        record = await self._take_in_turn()
        self._holders[record].running = True
        if self._needs_connecting(record):
            try:
                await greenlet_spawn(record.get_connection)  # type: ignore[attr-defined]  # the class behind has it
            except BaseException:
                self.give_back(record)
                raise
        return record

    def give_back(self, record: ConnectionPoolEntry) -> None:
        """Let the next caller have the connection."""
        if self._holders.pop(record, None):  # else it was taken out before a fork, or in a loop that is gone
            driver: Any = record.driver_connection
            if self._disposed and _is_open(driver):
                driver.terminate()
            self._idle.append((record, time.monotonic()))
            self._slots.release()

    def replace_all(self) -> None:
        """Have every connection of this moment replaced before it is used again."""
        self._invalidate_time = time.time()

    def _do_get(self) -> ConnectionPoolEntry:
        return await_only(self._take_in_turn())

    _do_return_conn = give_back

    async def _take_in_turn(self) -> ConnectionPoolEntry:
        self._stay_home()
        asked = time.monotonic()
        await (self._wait_in_line() if self._slots.locked() else self._slots.acquire())
        queued_seconds.set(time.monotonic() - asked)
        try:
            record = await self._take_out()
        except BaseException:
            self._slots.release()
            raise
        self._holders[record] = holder = Holder()
        if record.record_info is not None:
            record.record_info["holder"] = holder
        self._keep_watch()
        return record

    async def _take_out(self) -> ConnectionPoolEntry:
        if not self._idle:
            return await greenlet_spawn(self._create_connection)
        record, returned = self._idle.pop()
        try:
            await self._invalidate_if_dead(record, idle_seconds=time.monotonic() - returned)
        except BaseException:
            self._idle.append((record, returned))
            raise
        return record

    async def _invalidate_if_dead(self, record: ConnectionPoolEntry, *, idle_seconds: float) -> None:
        driver: Any = record.driver_connection
        if driver is not None and not await self._is_alive(driver, idle_seconds=idle_seconds):
            _log.info("replacing a connection that died while it was idle")
            driver.terminate()
            await greenlet_spawn(record.invalidate)  # it connects again when it is asked for its connection

    def _needs_connecting(self, record: Any) -> bool:
        # What SQLAlchemy's record asks itself, without the greenlet that it would need to connect.
        oldest = max(time.time() - self._recycle, self._invalidate_time)
        return record.dbapi_connection is None or record.starttime <= oldest

    async def _is_alive(self, driver: Any, *, idle_seconds: float) -> bool:
        if not _is_open(driver):
            return False
        return idle_seconds < self._settings.ping_after_idle_seconds or await self._answers(driver)

    async def _answers(self, driver: Any) -> bool:
        try:
            await driver.execute("select 1", timeout=self._settings.ping_timeout_seconds)
        except DRIVER_ERRORS:
            return False
        except asyncio.CancelledError:
            await undisturbed(hang_up(driver))  # nobody knows whether the answer is still to come
            raise
        return True

    async def _say_goodbye(self, drivers: list[Any]) -> None:
        """Close all at once: one by one, a network that is gone would cost a timeout for each."""
        closing = (driver.close(timeout=self._settings.ping_timeout_seconds) for driver in drivers)
        for driver, error in zip(drivers, await asyncio.gather(*closing, return_exceptions=True), strict=True):
            if error is not None:
                driver.terminate()

    async def _wait_in_line(self) -> None:
        self._waiting += 1
        try:
            async with asyncio.timeout(self._settings.pool_timeout_seconds):
                await self._slots.acquire()
        except TimeoutError:
            self.timeouts += 1
            raise PoolTimeoutError(self._who_holds()) from None
        finally:
            self._waiting -= 1

    def _who_holds(self) -> str:
        holders = sorted(self._holders.values(), key=lambda holder: -holder.held_seconds)
        longest = ", ".join(f"{holder.held_seconds:.1f} s by {holder.place()}" for holder in holders[:3])
        return (
            f"no connection came free within {self._settings.pool_timeout_seconds:g} s: "
            f"{len(holders)} of {self._settings.pool_size} in use, {self._waiting} waiting; held longest: {longest}"
        )

    def _stay_home(self) -> None:
        here = (os.getpid(), asyncio.get_running_loop())
        if self._home == here:
            return
        if self._home is not None and self._home[0] == here[0] and not self._home[1].is_closed():
            raise ConfigurationError("this Database is in use in another event loop: make one Database for each loop")
        if self._home is not None and self._home[0] != here[0]:
            self._leave_to_parent()
        self._start_anew()  # the connections of a loop that is closed are dead: nothing is lost
        self._home = here

    def _leave_to_parent(self) -> None:
        """After a fork, cut the child off its parent's sockets: forgetting a connection would say goodbye on it."""
        records = [record for record, _ in self._idle] + list(self._holders)
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a file descriptor is what is wanted
            for record in records:
                driver: Any = record.driver_connection
                if _is_open(driver):
                    os.dup2(nowhere.fileno(), driver._transport.get_extra_info("socket").fileno())  # noqa: SLF001

    def _keep_watch(self) -> None:
        if self._watch is None:
            seconds = self._settings.idle_transaction_warning_seconds
            self._watch = asyncio.get_running_loop().call_later(seconds, self._look)

    def _look(self) -> None:
        self._watch = None
        for record, holder in self._holders.items():
            driver: Any = record.driver_connection
            silent = holder.silent_seconds
            if silent < self._settings.idle_transaction_warning_seconds or holder.warned or driver is None:
                continue
            holder.warned = True
            _log.warning("a connection has been held for %.1f s without a statement by %s", silent, holder.place())
        if self._holders:
            self._keep_watch()


def _is_open(driver: Any) -> bool:
    return driver is not None and not driver.is_closed()
