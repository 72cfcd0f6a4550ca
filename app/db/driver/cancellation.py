"""Finish work although its caller is cancelled, and end a cancelled caller's statement on the server."""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any, Final, TypeVar

Value = TypeVar("Value")

_CLOSE_SECONDS: Final = 2.0
"""How long the server may take to close the connection; after that only the socket is closed."""
_REPEAT_SECONDS: Final = 0.2


async def uninterrupted(work: Awaitable[Value]) -> Value:
    """Return what `work` returns. If the caller is cancelled meanwhile, raise the cancellation after the work."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():  # a cancel scope may cancel repeatedly
            with suppress(asyncio.CancelledError):
                await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # retrieved: no caller is left to tell
        raise


async def cancel_and_close(driver: Any) -> None:
    """Cancel the statement that the server runs for `driver`, then close the connection; raises nothing.

    It takes at most two seconds. asyncpg sends one cancel request. A busy server that receives it before the statement
    begins ignores it, as the protocol allows, and would run the statement to its end: the request is sent repeatedly.
    """
    closing = asyncio.ensure_future(driver.close(timeout=_CLOSE_SECONDS))
    while not (await asyncio.wait([closing], timeout=_REPEAT_SECONDS))[0]:
        driver._cancel_current_command(asyncio.get_running_loop().create_future())  # noqa: SLF001 - asyncpg has no public method
    if closing.exception() is not None:
        driver.terminate()
