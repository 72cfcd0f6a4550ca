"""From settings to an engine: how connections are made, pooled and named."""

from typing import Any

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import Pool

from app.db.dialect import register as register_dialect
from app.db.errors import translate_connect
from app.db.events import attach
from app.db.pool import FairPool
from app.db.retry import Retry
from app.db.settings import DatabaseSettings


def create_engine(settings: DatabaseSettings, *, poolclass: type[Pool] | None = None) -> AsyncEngine:
    """Return an engine of at most `pool_size` connections (or with the pool given); opens none."""
    target = settings.target()
    register_dialect()

    async def connect() -> Any:
        try:
            return await asyncpg.connect(
                host=target.host,
                port=target.port,
                user=target.user,
                password=target.password,
                database=target.database,
                ssl=target.ssl,
                timeout=settings.connect_timeout_seconds,
                command_timeout=settings.command_timeout_seconds,
                server_settings={"application_name": settings.application_name},
            )
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise translate_connect(error) from error

    retry = Retry(settings)
    engine = create_async_engine(
        "postgresql+asyncpg_lean://",
        async_creator=lambda: retry.connecting(connect),
        **({"poolclass": poolclass} if poolclass else {"poolclass": FairPool, "settings": settings}),
        echo=settings.echo,
        hide_parameters=not settings.echo_parameters,
    )
    attach(engine.sync_engine, settings)
    return engine
