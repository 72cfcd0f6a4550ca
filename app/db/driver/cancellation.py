"""Closing a connection on which something may still run: what a caller went away from ends on the server, too."""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any, Final, TypeVar

Value = TypeVar("Value")

HANG_UP_SECONDS: Final = 2.0
"""How long the server may take; then the socket is closed, and what runs there ends by itself."""
_REPEAT_SECONDS: Final = 0.2


async def undisturbed(work: Awaitable[Value]) -> Value:
    """Return what `work` returns. A caller that is cancelled meanwhile hears of it only when the work is done."""
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


async def hang_up(driver: Any) -> None:
    """End what the server runs for `driver` and close it, within two seconds; raises nothing.

    The driver's own way cancels once. A busy server may hear that before it begins the statement, ignores it as the
    protocol says, and would run the statement to its end.
    """
    closing = asyncio.ensure_future(driver.close(timeout=HANG_UP_SECONDS))
    while not (await asyncio.wait([closing], timeout=_REPEAT_SECONDS))[0]:
        driver._cancel_current_command(asyncio.get_running_loop().create_future())  # noqa: SLF001 - it has no other
    if closing.exception() is not None:
        driver.terminate()
