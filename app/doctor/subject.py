"""The database under examination, and how the checks reach it."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from sqlalchemy import RowMapping, Table, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import Database, DatabaseSettings
from app.db.driver.connect import connect
from app.db.driver.retry import Retry
from app.db.models import metadata
from app.db.target.url import ConnectionTarget
from app.doctor.findings import Finding
from app.doctor.measuring.round_trips import RoundTrips

_TRIES: Final = 3
_STATEMENT_SECONDS: Final = 10
_COMMAND_SECONDS: Final = 15
_LOCK_SECONDS: Final = 1
OUR_TABLES: Final = """
ours as (
  select pg_class.oid, relname, relowner, relacl from pg_class join pg_catalog.unnest(cast(:tables as text[])) as name
  on pg_class.oid = cast(to_regclass(quote_ident(name)) as oid)
)"""
"""The part of a WITH clause that finds the tables named in `:tables` as the role sees them."""
EXISTING: Final = f"with {OUR_TABLES} select cast(relname as text) from ours"  # noqa: S608 - constants
"""The names of those tables."""
# Whether each table exists, the role may read it, and no lock keeps it out.
_READABLE: Final = """
select bool_and(coalesce(pg_catalog.has_table_privilege(oid, 'select'), false)
  and not exists (select from pg_locks where relation = oid and mode = 'AccessExclusiveLock'
    and database = (select oid from pg_database where datname = current_database())))
from pg_catalog.unnest(cast(:names as text[])) as name
cross join lateral (select cast(to_regclass(quote_ident(name)) as oid) as oid) as ours"""


@dataclass
class Subject:
    """One database under examination."""

    settings: DatabaseSettings
    """The application's settings."""
    target: ConnectionTarget
    instances: int
    write: bool
    db: Database
    """The doctor's own database: a small pool, few retries, and safe behind an undeclared pooler."""
    trips: RoundTrips
    """The count over every connection of `db`."""
    driver: Any
    """A connection of asyncpg, for what SQLAlchemy does not show."""
    tls: ssl.SSLObject | None
    """The TLS session of `driver`."""
    first_connect_seconds: float
    behind_pooler: bool
    """Whether server sessions are shared, as measured; the URL may say otherwise."""
    on_neon: bool
    """Whether the server reports that it is Neon's: its host may be an address or a custom name."""
    session: AsyncSession
    """The session for the checks' reads: the server refuses writes in it and ends long statements."""
    findings: list[Finding] = field(default_factory=list)
    """The findings so far."""

    async def rows(self, statement: str, **parameters: Any) -> Sequence[RowMapping]:
        """Return the rows of a SELECT."""
        return (await self.session.execute(text(statement), parameters)).mappings().all()

    async def value(self, statement: str, **parameters: Any) -> Any:
        """Return the one value of a SELECT."""
        return (await self.session.execute(text(statement), parameters)).scalar_one()

    async def pause(self) -> None:
        """End the transaction before long work; the next read begins another."""
        await self.session.rollback()

    async def is_readable(self) -> bool:
        """Return whether our tables can be read now; the checks of revision, access and locks report why not."""
        return bool(await self.value(_READABLE, names=table_names()))


Check = Callable[[Subject], Awaitable[list[Finding]]]
Checks = Mapping[str, Check]
"""Checks by the name under which a failure to run is reported."""


def our_tables() -> list[Table]:
    """Return the tables of the models, in dependency order."""
    return metadata.sorted_tables


def table_names() -> list[str]:
    """Return the names of our tables."""
    return [table.name for table in our_tables()]


def patient(settings: DatabaseSettings) -> DatabaseSettings:
    """Return the settings for the doctor: with its application name and short waits."""
    return settings.model_copy(
        update={
            "application_name": f"{settings.application_name} doctor",
            "pool_size": 2,
            "command_timeout_seconds": _COMMAND_SECONDS,
            "statement_timeout_seconds": _STATEMENT_SECONDS,
            "lock_timeout_seconds": _LOCK_SECONDS,
            "echo": False,
            "replica_url": None,  # the checks are about the primary
        }
    )


async def open_driver(settings: DatabaseSettings, target: ConnectionTarget) -> Any:
    """Return a new asyncpg connection that keeps no prepared statements, so that it works behind any pooler."""
    settings = patient(settings)
    return await Retry(settings, tries=_TRIES).connecting(partial(connect, settings, target.but(pooled=True)))


@asynccontextmanager
async def drivers(settings: DatabaseSettings, target: ConnectionTarget, count: int) -> AsyncIterator[list[Any]]:
    """Yield several connections, and close them at the end."""
    opened: list[Any] = []
    try:
        for _ in range(count):
            opened.append(await open_driver(settings, target))  # noqa: PERF401 - connections opened before a failure are closed
        yield opened
    finally:
        for driver in opened:
            driver.terminate()
