"""The database that is examined, and how the checks reach it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

from sqlalchemy import RowMapping, Table, text

from app.db import Database, DatabaseSettings
from app.db.connect import connect
from app.db.models import metadata
from app.db.retry import Retry
from app.db.url import ConnectionTarget
from app.db.wire import RoundTrips
from app.doctor.findings import Finding

_TRIES: Final = 3
_PATIENCE_SECONDS: Final = 30
_ALL_THERE: Final = "select bool_and(to_regclass(name) is not null) from unnest(cast(:names as text[])) as name"


@dataclass
class Subject:
    """One database under examination."""

    settings: DatabaseSettings
    """As the application has them."""
    target: ConnectionTarget
    instances: int
    write: bool
    db: Database
    """The doctor's own: a small pool, few retries."""
    trips: RoundTrips
    """Counts on every connection of `db`."""
    driver: Any
    """A connection of asyncpg, for what only the driver shows."""
    first_connect_seconds: float
    behind_pooler: bool
    """Whether sessions are shared, as measured; the URL may say otherwise."""
    findings: list[Finding] = field(default_factory=list)
    """What was found so far."""

    async def rows(self, statement: str, **parameters: Any) -> Sequence[RowMapping]:
        """Return the rows of a SELECT."""
        return (await self.db.execute(text(statement), parameters)).mappings().all()

    async def value(self, statement: str, **parameters: Any) -> Any:
        """Return the one value of a SELECT."""
        return (await self.db.execute(text(statement), parameters)).scalar_one()

    async def has_tables(self) -> bool:
        """Whether the tables are there at all: without them there is only one thing to say."""
        return bool(await self.value(_ALL_THERE, names=[table.name for table in our_tables()]))


Check = Callable[[Subject], Awaitable[list[Finding]]]
Checks = Mapping[str, Check]
"""Checks by the name under which it is told that one could not look."""


def our_tables() -> list[Table]:
    """Return the tables of the models, in their order."""
    return metadata.sorted_tables


def patient(settings: DatabaseSettings) -> DatabaseSettings:
    """Return the settings as the doctor uses them: named, with few retries, and no statement that hangs for ever."""
    return settings.model_copy(
        update={
            "application_name": f"{settings.application_name} doctor",
            "pool_size": 4,
            "retry_tries": _TRIES,
            "command_timeout_seconds": min(settings.command_timeout_seconds or _PATIENCE_SECONDS, _PATIENCE_SECONDS),
            "echo": False,
        }
    )


async def open_driver(settings: DatabaseSettings, target: ConnectionTarget) -> Any:
    """Return a new connection of the driver that keeps no statements, so that it works behind any pooler."""
    settings = patient(settings)
    return await Retry(settings).connecting(partial(connect, settings, replace(target, pooled=True)))


@asynccontextmanager
async def drivers(settings: DatabaseSettings, target: ConnectionTarget, count: int) -> AsyncIterator[list[Any]]:
    """Give several connections at once, and close them."""
    opened: list[Any] = []
    try:
        for _ in range(count):
            opened.append(await open_driver(settings, target))  # noqa: PERF401 - those before a failure are closed
        yield opened
    finally:
        for driver in opened:
            driver.terminate()
