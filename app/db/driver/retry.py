"""When and how often a call is repeated; what may be is said by the table in `app.db.errors`."""

import asyncio
import itertools
import logging
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any, TypeVar

import backoff
from backoff.types import Details

from app.db.driver.sqlstates import may_connect_soon
from app.db.errors import DataAccessError, PoolTimeoutError, UnavailableError
from app.db.target.settings import DatabaseSettings

Value = TypeVar("Value")
Call = Callable[[], Awaitable[Value]]
_log = logging.getLogger(__name__)

# Full jitter from 0.1 s, doubling, to 1 s: a server that is back is noticed within a second, and a pool of 20 that
# waits for it asks about 40 times a second.
_FIRST_SECONDS = 0.1
_LONGEST_SECONDS = 1.0

# A migration that got no lock lets the traffic pass that queued behind it, and has time.
_LOCK_REFUSED = {"55P03", "40P01"}
_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 15.0

retry_number: ContextVar[int] = ContextVar("retry_number", default=0)
"""How often the call under way was repeated before; 0 is the first time."""


class Retry:
    """Exponential backoff with full jitter, bounded in tries and in time; each try is logged."""

    def __init__(self, settings: DatabaseSettings) -> None:
        self._seconds = settings.retry_seconds
        self._tries = settings.retry_tries

    async def connecting(self, connect: Call[Value], *, queued_seconds: float = 0.0) -> Value:
        """Connect, again as long as nobody answers, within the deadline; nothing has been sent yet.

        The time that the caller has queued for the pool counts, but it still has a second afterwards.
        Raises `UnavailableError` at the deadline, and at once what trying again cannot mend.
        """
        last: list[Exception] = []
        seconds = max(self._seconds - queued_seconds, _LONGEST_SECONDS)
        try:
            async with asyncio.timeout(seconds):
                return await self._repeated(connect, may_connect_soon, last, seconds)()
        except TimeoutError as deadline:
            raise _too_late(self._seconds, last[-1] if last else deadline) from (last[-1] if last else deadline)

    async def after(self, error: DataAccessError, run: Call[Value], *, began: float) -> Value:
        """Run a unit of work again that began at `began` (monotonic) and failed with `error`, if that may help.

        Its own connecting was retried already. Raises `error` at once where repeating cannot help.
        """
        remaining = self._seconds - (time.monotonic() - began)
        if remaining <= 0 or not _repeating_may_help(error):
            raise error
        _log.warning("try 1 failed, again at once: %s", error)
        return await self._repeated(run, _repeating_may_help, [], remaining)()

    def _repeated(
        self, call: Call[Value], may_help: Callable[[Exception], bool], seen: list[Exception], seconds: float
    ) -> Call[Value]:
        def note(details: Details) -> None:
            error: Any = details.get("exception")
            seen.append(error)
            _log.warning("try %d failed, again in %.2f s: %s", details["tries"], details.get("wait", 0), error)

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


def _too_late(seconds: float, cause: Exception) -> UnavailableError:
    words = f"no connection within {seconds:g} s: "
    if not isinstance(cause, DataAccessError):
        return UnavailableError(words + "no answer in time")
    return UnavailableError(f"{words}{cause.args[0]}", sqlstate=cause.sqlstate, advice=cause.advice)


def _repeating_may_help(error: Exception) -> bool:
    # Who found no free connection sheds load instead, and connecting has a deadline of its own.
    return (
        isinstance(error, DataAccessError)
        and error.retryable
        and not isinstance(error, (PoolTimeoutError, UnavailableError))
    )


async def until_unlocked(run: Call[Value], *, seconds: float) -> Value:
    """Run what the server undoes when it gets no lock, again until it does or `seconds` have passed.

    Those who queued behind it go on in the pauses, up to a quarter of a minute. Raises the last error.
    """

    def note(details: Details) -> None:
        _log.warning("no lock, again in %.1f s: %s", details.get("wait", 0), details.get("exception"))

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
