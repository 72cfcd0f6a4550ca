"""When and how often a call is retried; the table in `app.db.driver.sqlstates` says whether it may be."""

import asyncio
import itertools
import logging
import math
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

import backoff

from app.db.driver.sqlstates import may_connect_soon
from app.db.errors import DataAccessError, PoolTimeoutError, UnavailableError
from app.db.target.settings import DatabaseSettings

if TYPE_CHECKING:
    from backoff.types import Details

Value = TypeVar("Value")
Call = Callable[[], Awaitable[Value]]
_log = logging.getLogger(__name__)

# Full jitter, doubling from 0.1 s to 1 s: a server that returns is noticed within a second, and a pool of 20 that waits
# for it connects about 40 times a second.
_FIRST_SECONDS = 0.1
_LONGEST_SECONDS = 1.0

# A migration that got no lock lets the traffic that queued behind it pass, and can afford to wait.
_LOCK_REFUSED = {"55P03", "40P01"}
_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 15.0

retry_number: ContextVar[int] = ContextVar("retry_number", default=0)
"""How often the current call was retried; 0 is the first attempt."""
call_deadline: ContextVar[float] = ContextVar("call_deadline", default=math.inf)
"""The time (monotonic) by which the current call must have a connection; set while the call is retried."""


class Retry:
    """Exponential backoff with full jitter, limited in time, and to `tries` if given; each retry is logged."""

    def __init__(self, settings: DatabaseSettings, *, tries: int | None = None) -> None:
        self._seconds = settings.retry_seconds
        self._tries = tries

    async def connecting(self, connect: Call[Value]) -> Value:
        """Connect, and retry transient failures until the deadline; nothing has been sent yet.

        Raises `UnavailableError` at the deadline, and immediately any error that retrying does not fix.
        """
        last: list[Exception] = []
        try:
            async with asyncio.timeout(self._seconds):
                return await self._repeated(connect, may_connect_soon, seen=last, seconds=self._seconds)()
        except TimeoutError as deadline:
            cause = last[-1] if last else deadline
            raise no_connection(f"{self._seconds:g} s", cause) from cause

    async def while_wanted(self, connect: Call[Value], is_wanted_after: Callable[[Exception], bool]) -> Value | None:
        """Connect, and retry transient failures while a connection is wanted; return None when it no longer is.

        Raises immediately any error that retrying does not fix.
        """
        gave_up = False

        def may_help(error: Exception) -> bool:
            nonlocal gave_up
            gave_up = may_connect_soon(error) and not is_wanted_after(error)
            return may_connect_soon(error) and not gave_up

        try:
            return await self._repeated(connect, may_help)()
        except DataAccessError:
            if gave_up:
                return None
            raise

    async def after(self, error: DataAccessError, run: Call[Value], *, began: float) -> Value:
        """Retry a unit of work that began at `began` (monotonic) and failed with `error`, if that may help.

        Its connecting was retried already. Raises `error` immediately if retrying does not help.
        """
        deadline = began + self._seconds
        remaining = deadline - time.monotonic()
        if remaining <= 0 or not _running_again_may_help(error):
            raise error
        _log.warning("attempt 1 failed, retrying at once: %s", error)
        token = call_deadline.set(deadline)
        try:
            return await self._repeated(run, _running_again_may_help, seconds=remaining)()
        finally:
            call_deadline.reset(token)

    def _repeated(
        self,
        call: Call[Value],
        may_help: Callable[[Exception], bool],
        *,
        seen: list[Exception] | None = None,
        seconds: float | None = None,
    ) -> Call[Value]:
        def note(details: "Details") -> None:
            error: Any = details.get("exception")
            if seen is not None:
                seen.append(error)
            _log.warning("attempt %d failed, retrying in %.2f s: %s", details["tries"], details.get("wait", 0), error)

        numbers = itertools.count(retry_number.get() + 1)

        async def target() -> Value:
            token = retry_number.set(next(numbers))
            try:
                return await call()
            finally:
                retry_number.reset(token)

        repeated: Call[Value] = backoff.on_exception(
            backoff.expo,
            DataAccessError,
            factor=_FIRST_SECONDS,
            max_value=_LONGEST_SECONDS,
            jitter=backoff.full_jitter,
            max_tries=self._tries,
            max_time=seconds,
            giveup=lambda error: not may_help(error),
            on_backoff=note,
            logger=None,
        )(target)
        return repeated


def no_connection(waited: str, cause: BaseException | None, *, crowd: str = "") -> UnavailableError:
    """Return the error for a caller that got no connection in time; `cause` is why the last attempt failed."""
    if not isinstance(cause, DataAccessError):
        return UnavailableError(f"no connection within {waited}: no answer in time{crowd}")
    message = f"no connection within {waited}: {cause.args[0]}{crowd}"
    return UnavailableError(message, sqlstate=cause.sqlstate, advice=cause.advice)


def _running_again_may_help(error: Exception) -> bool:
    # A caller that got no free connection sheds load instead, and connecting is retried where it happens.
    return (
        isinstance(error, DataAccessError)
        and error.retryable
        and not isinstance(error, (PoolTimeoutError, UnavailableError))
    )


async def until_unlocked(run: Call[Value], *, seconds: float) -> Value:
    """Run work that the server undoes when it gets no lock, and retry it until it succeeds or `seconds` have passed.

    The statements that queued behind it run in the pauses, of up to 15 s. Raises the last error.
    """

    def note(details: "Details") -> None:
        _log.warning("no lock, retrying in %.1f s: %s", details.get("wait", 0), details.get("exception"))

    async def target() -> Value:
        return await run()

    return await backoff.on_exception(
        backoff.expo,
        DataAccessError,
        factor=_FIRST_PAUSE_SECONDS,
        max_value=_LONGEST_PAUSE_SECONDS,
        jitter=backoff.full_jitter,
        max_time=seconds,
        giveup=lambda error: error.sqlstate not in _LOCK_REFUSED,
        on_backoff=note,
        logger=None,
    )(target)()
