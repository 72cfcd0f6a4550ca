"""The connection that a migration uses."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.db.engine.facade import PoolFacade
from app.db.engine.factory import create_engine
from app.db.target.settings import DatabaseSettings

Source = DatabaseSettings | AsyncEngine
_LIMIT_LOCK_WAITS: Final = text("select set_config('lock_timeout', :limit, true)")


@asynccontextmanager
async def connected(source: Source) -> AsyncIterator[AsyncConnection]:
    """Connect to the direct host, past any pooler, without the client's timeout: an index may take hours.

    An engine that is not ours is used unchanged.
    """
    settings = settings_of(source)
    if settings is None:
        assert isinstance(source, AsyncEngine)
        async with source.connect() as connection:
            yield connection
        return
    name = f"{settings.application_name} migrate"
    settings = settings.model_copy(update={"command_timeout_seconds": None, "application_name": name})
    async with directly_connected(settings) as connection:
        yield connection


@asynccontextmanager
async def directly_connected(settings: DatabaseSettings) -> AsyncIterator[AsyncConnection]:
    """Connect to the direct host, past any pooler, as the settings say."""
    engine = create_engine(settings, direct=True)
    try:
        async with engine.connect() as connection:
            yield connection
    finally:
        await engine.dispose()


async def limit_lock_waits(connection: AsyncConnection, settings: DatabaseSettings) -> None:
    """Have the transaction wait for each lock no longer than a revision does, and traffic behind it neither."""
    limit = f"{settings.migration_lock_timeout_seconds * 1000:.0f}"
    await connection.execute(_LIMIT_LOCK_WAITS, {"limit": limit})


def settings_of(source: Source | Connection) -> DatabaseSettings | None:
    """Return the settings behind an engine or connection of ours; None where there are none."""
    if isinstance(source, DatabaseSettings):
        return source
    pool: Any = source.engine.pool if isinstance(source, Connection) else source.pool
    return pool.settings if isinstance(pool, PoolFacade) else None
