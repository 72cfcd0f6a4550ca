"""When and how often a call is repeated; what may be is said by the table in `app.db.errors`."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any, TypeVar

import backoff
from backoff.types import Details

from app.db.errors import DataAccessError, PoolTimeoutError, UnavailableError
from app.db.settings import DatabaseSettings

Value = TypeVar("Value")
Call = Callable[[], Awaitable[Value]]
_log = logging.getLogger(__name__)

# Full jitter from 0.1 s, doubling, to 1 s: a server that is back is noticed within a second, and a pool of 20 that
# waits for it asks about 40 times a second.
_FIRST_SECONDS = 0.1
_LONGEST_SECONDS = 1.0

queued_seconds: ContextVar[float] = ContextVar("queued_seconds", default=0.0)
"""How long the call under way has waited in the pool's line."""


class Retry:
    """Exponential backoff with full jitter, bounded in tries and in time; each try is logged."""

    def __init__(self, settings: DatabaseSettings) -> None:
        self._seconds = settings.retry_seconds
        self._tries = settings.retry_tries

    async def connecting(self, connect: Call[Value]) -> Value:
        """Connect, again as long as nobody answers, within the deadline; nothing has been sent yet.

        The time spent in the pool's line counts, but who comes out of it late still has a second.
        Raises `UnavailableError` at the deadline, and at once what trying again cannot mend.
        """
        last: list[Exception] = []
        seconds = max(self._seconds - queued_seconds.get(), _LONGEST_SECONDS)
        try:
            async with asyncio.timeout(seconds):
                return await self._repeated(connect, _connecting_may_help, last, seconds)()
        except TimeoutError as deadline:
            cause = last[-1] if last else deadline
            raise UnavailableError(f"no connection within {self._seconds:g} s: {cause}") from cause

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

        async def target() -> Value:
            return await call()

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


def _connecting_may_help(error: Exception) -> bool:
    return isinstance(error, UnavailableError)


def _repeating_may_help(error: Exception) -> bool:
    # Who found no free connection sheds load instead, and connecting has a deadline of its own.
    return (
        isinstance(error, DataAccessError)
        and error.retryable
        and not isinstance(error, (PoolTimeoutError, UnavailableError))
    )
