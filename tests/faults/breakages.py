"""What is broken while a call is made; each returns what the call came to."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import psutil
from sqlalchemy import text

from tests.faults.conftest import Lab

Call = Callable[[], Awaitable[str]]
Breakage = Callable[[Lab, str, Call], Awaitable[str]]


@dataclass(frozen=True)
class Fault:
    """A row of the matrix: what the four kinds of call come to, and how many rows each writing one may leave."""

    row: int
    name: str
    breakage: Breakage
    outcomes: tuple[str, str, str, str]


async def ended_while_idle(lab: Lab, kind: str, call: Call) -> str:
    """Every session is ended by the server, and the client has heard of it."""
    await lab.end_sessions()
    return await call()


async def restarted(lab: Lab, kind: str, call: Call) -> str:
    """Restart the server in order, then as after a crash."""
    await asyncio.to_thread(lab.server.restart, mode="fast")
    await asyncio.to_thread(lab.server.restart, mode="immediate")
    return await call()


async def ended_in_mid_statement(lab: Lab, kind: str, call: Call) -> str:
    """End the session while its statement waits for a lock."""
    async with lab.tasks_locked():
        under_way = asyncio.ensure_future(call())
        await asyncio.sleep(0.2)
        await lab.end_sessions()
    return await under_way


async def reply_lost(lab: Lab, kind: str, call: Call) -> str:
    """Lose the answer to what the server did, or committed."""
    lab.proxy.lose_reply_to = {"read": "SELECT", "transaction": "COMMIT;"}.get(kind, "INSERT")
    return await call()


async def reset_while_it_works(lab: Lab, kind: str, call: Call) -> str:
    """Reset the connection while the statement waits for a lock; the server goes on and does it."""
    async with lab.tasks_locked():
        under_way = asyncio.ensure_future(call())
        await asyncio.sleep(0.2)
        lab.proxy.reset()
        await asyncio.sleep(0.1)
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
    """Everything is asleep, and a first connect takes a second."""
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
    """Return a breakage: for `seconds` new connections are answered with an error."""

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
    """Nothing passes any more on the connections that there are, and nobody says so."""
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
    """Each direction takes 20 ms: the call costs its round trips, and no more."""
    lab.proxy.delay_seconds = 0.02
    lab.proxy.round_trips = 0
    try:
        outcome = await call()
    finally:
        lab.proxy.delay_seconds = 0
    # Its own, two at most to prepare them, and the ping after the pause before.
    assert lab.proxy.round_trips <= {"transaction": 3}.get(kind, 1) + 3
    return outcome


async def exhausted(lab: Lab, kind: str, call: Call) -> str:
    """Others hold all connections for longer than the pool's timeout."""
    sleep = text("select pg_sleep(1)")
    holding = [asyncio.ensure_future(lab.db.execute(sleep)) for _ in range(5)]
    await asyncio.sleep(0.1)
    outcome = await call()
    await asyncio.gather(*holding)
    return outcome


async def read_only(lab: Lab, kind: str, call: Call) -> str:
    """Make the connections that there are read-only, as after a failover."""
    demoted = [lab.db.execute(text("set default_transaction_read_only = on")) for _ in range(5)]
    await asyncio.gather(*demoted)
    return await call()


async def altered(lab: Lab, kind: str, call: Call) -> str:
    """Another process adds and widens columns under prepared statements."""
    await call()
    await lab.admin.execute(text("alter table task add column note text, alter column title type text"))
    try:
        return await call()
    finally:
        await lab.admin.execute(text("alter table task drop column note, alter column title type varchar(200)"))


async def frozen(lab: Lab, kind: str, call: Call) -> str:
    """Stop all sessions of the server for a second."""
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
        await asyncio.sleep(0.2)
        under_way.cancel()
        return await under_way


async def _reconnect_admin(lab: Lab) -> None:
    await lab.admin.execute(text("select 1"), repeatable=True)
