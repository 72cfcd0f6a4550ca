"""The connection that a migration uses."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.pool import NullPool

from app.db.engine.facade import PoolFacade
from app.db.engine.factory import create_engine
from app.db.target.settings import DatabaseSettings

Source = DatabaseSettings | AsyncEngine


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
    engine = create_engine(settings, poolclass=NullPool, direct=True)
    try:
        async with engine.connect() as connection:
            yield connection
    finally:
        await engine.dispose()


def settings_of(source: Source | Connection) -> DatabaseSettings | None:
    """Return the settings behind an engine or connection of ours; None where there are none."""
    if isinstance(source, DatabaseSettings):
        return source
    pool: Any = source.engine.pool if isinstance(source, Connection) else source.pool
    return pool.settings if isinstance(pool, PoolFacade) else None
