"""Work that is finished although its caller is cancelled, and statements that end on the server with their caller."""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any, Final, TypeVar

Value = TypeVar("Value")

_CLOSE_SECONDS: Final = 2.0
"""How long the server may take; then only the socket is closed."""
_REPEAT_SECONDS: Final = 0.2


async def uninterrupted(work: Awaitable[Value]) -> Value:
    """Return what `work` returns. A caller that is cancelled in the meantime gets the cancellation after the work."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():  # a cancel scope may cancel again and again
            with suppress(asyncio.CancelledError):
                await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # retrieved: no caller is left to tell
        raise


async def cancel_and_close(driver: Any) -> None:
    """Cancel the statement that the server runs for `driver`, then close it, within two seconds; raises nothing.

    asyncpg sends one cancel request. A busy server that gets it before it begins the statement ignores it, as the
    protocol says, and would run the statement to its end: the request is repeated.
    """
    closing = asyncio.ensure_future(driver.close(timeout=_CLOSE_SECONDS))
    while not (await asyncio.wait([closing], timeout=_REPEAT_SECONDS))[0]:
        driver._cancel_current_command(asyncio.get_running_loop().create_future())  # noqa: SLF001 - it has no other
    if closing.exception() is not None:
        driver.terminate()
