"""From settings to an engine: how connections are made, pooled and named."""

import logging
from functools import partial

from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import Pool

from app.db.driver.connect import connect
from app.db.driver.retry import Retry
from app.db.engine.dialect import register as register_dialect
from app.db.engine.listeners import attach
from app.db.pool.pool import FairPool
from app.db.target.settings import DatabaseSettings
from app.db.telemetry.execution import observe

_log = logging.getLogger(__name__)


def create_engine(
    settings: DatabaseSettings, *, poolclass: type[Pool] | None = None, direct: bool = False
) -> AsyncEngine:
    """Return an engine of at most `pool_size` connections (or with the pool given); opens none.

    With `direct` it goes to the server behind a pooler. Raises `ConfigurationError`.
    """
    target = settings.direct_target() if direct else settings.target()
    target.tls.context()  # what is wrong with its files is said now
    for note in target.notes:
        _log.warning("%s", note)
    register_dialect()
    engine = create_async_engine(
        "postgresql+asyncpg_lean://",
        pooled=target.pooled,
        async_creator=partial(Retry(settings).connecting, partial(connect, settings, target)),
        **({"poolclass": poolclass} if poolclass else {"poolclass": FairPool, "settings": settings}),
        echo=settings.echo,
        hide_parameters=not settings.echo_parameters,
    )
    attach(engine.sync_engine, settings)
    observe(engine.sync_engine, settings)
    return engine
