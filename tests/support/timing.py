"""Times that depend on the code, and not on what else the machine does."""

import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

_DELAYS_SECONDS: Final = [0.05 * 2**doubled for doubled in range(7)]


async def fastest_seconds(call: Callable[[], Awaitable[object]], *, times: int) -> float:
    """Return the time of the fastest of several calls: the load of the machine only adds to it."""
    return min([await _seconds(call) for _ in range(times)])


async def _seconds(call: Callable[[], Awaitable[object]]) -> float:
    began = time.perf_counter()
    await call()
    return time.perf_counter() - began


async def contains_delays(expected: int, call: Callable[[float], Awaitable[object]]) -> bool:
    """Return whether a call, which is given the length of a delay, takes so many of them, neither fewer nor more.

    The delay is doubled until load adds less than one: one too many grows with it, load does not.
    """
    for delay in _DELAYS_SECONDS:
        delays = await fastest_seconds(partial(call, delay), times=3) / delay
        if not expected <= delays:
            return False
        if delays < expected + 1:
            return True
    return False
