"""Break something while a call runs; each function returns the outcome of the call."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import psutil
from sqlalchemy import text

from tests.faults.conftest import Lab
from tests.support.waiting import until_locked

Call = Callable[[], Awaitable[str]]
Breakage = Callable[[Lab, str, Call], Awaitable[str]]


@dataclass(frozen=True)
class Fault:
    """A row of the matrix: the outcome of each of the four kinds of call, and how many rows each write may leave."""

    row: int
    name: str
    breakage: Breakage
    outcomes: tuple[str, str, str, str]


async def ended_while_idle(lab: Lab, kind: str, call: Call) -> str:
    """Have the server close every connection, and let the client see it."""
    await lab.end_sessions()
    return await call()


async def restarted(lab: Lab, kind: str, call: Call) -> str:
    """Restart the server cleanly, then as after a crash."""
    await asyncio.to_thread(lab.server.restart, mode="fast")
    await asyncio.to_thread(lab.server.restart, mode="immediate")
    return await call()


async def ended_in_mid_statement(lab: Lab, kind: str, call: Call) -> str:
    """Terminate the connection while its statement waits for a lock."""
    async with lab.tasks_locked():
        under_way = asyncio.ensure_future(call())
        await until_locked(lab.admin)
        await lab.end_sessions()
    return await under_way


async def reply_lost(lab: Lab, kind: str, call: Call) -> str:
    """Lose the reply to what the server executed or committed."""
    lab.proxy.lose_reply_to = {"read": "SELECT", "transaction": "COMMIT;"}.get(kind, "INSERT")
    return await call()


async def reset_while_it_works(lab: Lab, kind: str, call: Call) -> str:
    """Reset the connection while the statement waits for a lock; the server still executes it."""
    async with lab.tasks_locked():
        under_way = asyncio.ensure_future(call())
        await until_locked(lab.admin)
        await lab.reset()
    return await under_way


async def away(lab: Lab, kind: str, call: Call) -> str:
    """Stop the server for longer than the deadline."""
    await asyncio.to_thread(lab.server.stop)
    try:
        return await call()
    finally:
        await asyncio.to_thread(lab.server.start)
        await _reconnect_admin(lab)


async def cold_start(lab: Lab, kind: str, call: Call) -> str:
    """Suspend the server, so that the first connect takes a second."""
    lab.proxy.late_seconds = 1
    await lab.reset()
    try:
        return await call()
    finally:
        lab.proxy.late_seconds = 0


async def refused_then_healthy(lab: Lab, kind: str, call: Call) -> str:
    """Refuse connections for half a second."""
    lab.proxy.refusing = True
    await lab.reset()
    asyncio.get_running_loop().call_later(0.5, setattr, lab.proxy, "refusing", False)
    return await call()


def answered_with(sqlstate: str, words: str, *, seconds: float) -> Breakage:
    """Return a breakage that answers new connections with an error for `seconds`."""

    async def breakage(lab: Lab, kind: str, call: Call) -> str:
        lab.proxy.startup_error = (sqlstate, words)
        await lab.reset()
        healed = asyncio.get_running_loop().call_later(seconds, setattr, lab.proxy, "startup_error", None)
        connects = lab.proxy.connects
        try:
            outcome = await call()
        finally:
            healed.cancel()
            lab.proxy.startup_error = None
        assert lab.proxy.connects - connects <= (1 if outcome == "ConfigurationError" else 20)
        return outcome

    return breakage


async def half_open(lab: Lab, kind: str, call: Call) -> str:
    """Open connections carry nothing more, and neither side is told."""
    await asyncio.sleep(0.1)  # idle for longer than the limit
    lab.proxy.swallow()
    return await call()


async def black_hole(lab: Lab, kind: str, call: Call) -> str:
    """Never answer new connections."""
    lab.proxy.black_hole = True
    await lab.reset()
    try:
        return await call()
    finally:
        lab.proxy.black_hole = False


async def slow_link(lab: Lab, kind: str, call: Call) -> str:
    """Delay each direction by 20 ms: the call costs its round trips and no more."""
    lab.proxy.delay_seconds = 0.02
    lab.proxy.round_trips = 0
    try:
        outcome = await call()
    finally:
        lab.proxy.delay_seconds = 0
    # Its own round trips, at most two to prepare statements, and the ping after the pause.
    assert lab.proxy.round_trips <= {"transaction": 3}.get(kind, 1) + 3
    return outcome


async def exhausted(lab: Lab, kind: str, call: Call) -> str:
    """Other callers hold all connections for longer than the pool's timeout."""
    async with AsyncExitStack() as held:
        for _ in range(lab.db.settings.pool_size):
            session = await held.enter_async_context(lab.db.transaction())
            await session.execute(text("select 1"))
        return await call()


async def read_only(lab: Lab, kind: str, call: Call) -> str:
    """Make the open connections read-only, as after a failover."""
    demoted = [lab.db.execute(text("set default_transaction_read_only = on")) for _ in range(5)]
    await asyncio.gather(*demoted)
    return await call()


async def altered(lab: Lab, kind: str, call: Call) -> str:
    """Add and widen columns from another process while statements are prepared."""
    await call()
    await lab.admin.execute(text("alter table task add column note text, alter column title type text"))
    try:
        return await call()
    finally:
        await lab.admin.execute(text("alter table task drop column note, alter column title type varchar(200)"))


async def frozen(lab: Lab, kind: str, call: Call) -> str:
    """Freeze the server's side of every connection for a second."""
    for pid in _sessions(lab):
        os.kill(pid, signal.SIGSTOP)
    asyncio.get_running_loop().call_later(1, _thaw, lab)
    return await call()


def _sessions(lab: Lab) -> list[int]:
    return [child.pid for child in psutil.Process(lab.server.pid).children() if "postgres postgres" in child.name()]


def _thaw(lab: Lab) -> None:
    for pid in _sessions(lab):
        os.kill(pid, signal.SIGCONT)


async def cancelled(lab: Lab, kind: str, call: Call) -> str:
    """Cancel the caller while its statement waits for a lock."""
    async with lab.tasks_locked():
        under_way = asyncio.ensure_future(call())
        await until_locked(lab.admin)
        under_way.cancel()
        return await under_way


async def _reconnect_admin(lab: Lab) -> None:
    await lab.admin.execute(text("select 1"), repeatable=True)
