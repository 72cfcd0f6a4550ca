"""Waiting for what a test needs to have happened, instead of for as long as that usually takes."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import text

from app.db import Database

LIMIT_SECONDS: Final = 240
"""The limit of every wait: against a hang, not against a slow machine."""
_BETWEEN_SECONDS: Final = 0.01

_ACTIVITY: Final = "from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"


async def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition is true."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while not condition():  # noqa: ASYNC110 - what changes it does not notify
            await asyncio.sleep(_BETWEEN_SECONDS)


async def until_true(db: Database, sql: str, **parameters: Any) -> None:
    """Wait until a query returns a true value."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while not (await db.execute(text(sql), parameters)).scalar_one():  # noqa: ASYNC110 - the server does not notify
            await asyncio.sleep(_BETWEEN_SECONDS)


async def until_locked(db: Database, *, application: str = "%", count: int = 1, seconds: float = 0) -> None:
    """Wait until `count` statements of an application wait for a lock, for `seconds`, in the database of `db`."""
    if (await db.execute(text("select to_regclass('pg_catalog.citus_lock_waits') is not null"))).scalar_one():
        # They wait on the workers, whose sessions have other names.
        await until_true(db, "select count(distinct waiting_gpid) >= :count from citus_lock_waits", count=count)
        return
    waiting = f"select count(*) >= :count {_ACTIVITY} and wait_event_type = 'Lock' and application_name like :name"
    waiting += " and clock_timestamp() - query_start >= make_interval(secs => :seconds)"
    await until_true(db, waiting, name=application, count=count, seconds=seconds)


async def until_active(db: Database, statement: str, *, count: int = 1) -> None:
    """Wait until the server runs `count` statements that are like `statement`, in the database of `db`."""
    running = f"select count(*) >= :count {_ACTIVITY} and state = 'active' and query like :statement"
    await until_true(db, running, statement=statement, count=count)


async def until_gone(db: Database, application: str) -> None:
    """Wait until the server has no connection of an application."""
    await until_true(db, "select count(*) = 0 from pg_stat_activity where application_name = :name", name=application)
