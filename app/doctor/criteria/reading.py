"""The success criteria that can be checked without writing."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from sqlalchemy import text

from app.db import Database
from app.db.engine.translation import translating
from app.doctor.connection.capacity import free_connections
from app.doctor.findings import Broken, Level, require
from app.doctor.subject import Subject

_TLS: Final = ("tls.version", "tls.certificate")
_SESSIONS: Final = 20
_MORE: Final = 10
_READ: Final = text("select 1")
_SLOW_READ: Final = text("select 1 from (select pg_catalog.pg_sleep(0.05)) as waited")
_MOMENT_SECONDS: Final = 0.02


async def tables_match(subject: Subject) -> str:
    """Sum up the findings on revision, drift, indexes, constraints and triggers."""
    found = (each for each in subject.findings if each.group == "schema")
    bad = sorted({each.check for each in found if each.level >= Level.WARNING})
    if bad:
        raise Broken(f"see {', '.join(bad)}", "Follow the advice there.")
    return "columns, types and defaults were compared, other objects by name only (--write compares them in full)"


async def encrypted(subject: Subject) -> str:
    """Sum up the findings on TLS version and certificate; the worse one decides."""
    found = [each for each in subject.findings if each.check in _TLS]
    worst = max(found, key=lambda each: each.level)
    if worst.level is not Level.OK:
        raise Broken(f"see {worst.check}", worst.advice, level=worst.level)
    return f"see {' and '.join(each.check for each in found)}"


async def sessions_at_once(subject: Subject) -> str:
    """Run more callers than connections on a pool of the application's size, limited to 20."""
    size, free = min(subject.settings.pool_size, _SESSIONS), await free_connections(subject)
    if size * subject.instances < _SESSIONS:
        found = f"{subject.instances} x pool of {size}"
        raise Broken(found, f"Raise DATABASE_POOL_SIZE or --instances: {_SESSIONS} in all.", level=Level.WARNING)
    if free < size and not subject.behind_pooler:
        raise Broken(f"not tested, because only {free} connections are free", "See capacity.in_use.")
    async with Database(subject.db.settings.model_copy(update={"pool_size": size})) as db:
        together = asyncio.Event()
        callers = [asyncio.create_task(_hold_until(together, db)) for _ in range(size + _MORE)]
        await asyncio.wait([asyncio.create_task(_all_there(db)), *callers], return_when=asyncio.FIRST_COMPLETED)
        status = db.pool_status()
        together.set()
        await asyncio.gather(*callers)
    require(status.in_use == size, f"only {status.in_use} of {size} sessions were open at once")
    return f"of {size + _MORE} callers {status.in_use} had a session, {status.waiting} were queued, and all succeeded"


async def _hold_until(together: asyncio.Event, db: Database) -> None:
    with translating():
        async with db.engine.connect() as connection:
            await together.wait()
            await connection.execute(_READ)


async def _all_there(db: Database) -> None:
    """Return when every caller has a connection or is queued, or when that takes too long."""
    until = time.monotonic() + db.settings.connect_timeout_seconds
    while time.monotonic() < until:
        status = db.pool_status()
        if (status.in_use, status.waiting) == (status.size, _MORE):
            return
        await asyncio.sleep(_MOMENT_SECONDS)


def _noting(opened: list[Any]) -> Callable[[Any], Awaitable[None]]:
    async def note(driver: Any) -> None:
        opened.append(driver)

    return note


async def connections_are_retried(subject: Subject) -> str:
    """Cut an idle connection, and one with a read in progress: both calls must succeed."""
    opened: list[Any] = []
    async with Database(subject.db.settings) as db:
        db.pool.on_connect.append(_noting(opened))
        await db.execute(_READ, repeatable=True)
        _cut(opened)
        await db.execute(_READ, repeatable=True)
        call = asyncio.create_task(db.execute(_SLOW_READ, repeatable=True))
        await asyncio.sleep(_MOMENT_SECONDS)
        _cut(opened)
        await call
    return f"two connections were cut, one of them during a read; {len(opened)} were opened, and no call failed"


def _cut(opened: list[Any]) -> None:
    opened[-1].terminate()  # immediately, as a network failure would
