"""From settings to a pool and an engine: how connections are made and named."""

import logging
from functools import partial
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from app.db.driver.connect import connect
from app.db.driver.retry import Retry
from app.db.engine.dialect import NAME, LeanDialect
from app.db.engine.dialect import register as register_dialect
from app.db.engine.facade import PoolFacade
from app.db.engine.listeners import Advise, add_advice, attach
from app.db.pool.pool import Pool
from app.db.target.settings import DatabaseSettings
from app.db.target.url import ConnectionTarget
from app.db.telemetry.execution import Reports

_log = logging.getLogger(__name__)


def create_pool(settings: DatabaseSettings) -> Pool:
    """Return a pool of at most `pool_size` connections; opens none. Raises `ConfigurationError`."""
    target = _checked(settings.target())
    return Pool(partial(connect, settings, target), settings, pooled=target.pooled)


def create_pooled_engine(
    settings: DatabaseSettings, pool: Pool, reports: Reports, advise: Advise, **how: Any
) -> AsyncEngine:
    """Return an engine whose connections are those of `pool`, and whose statements are reported.

    `advise` returns what removes the cause of the server's refusal, for its SQLSTATE and text, or None. `how` has the
    `name` of another dialect, derived from this one, and its arguments.
    """

    def check_out() -> Any:
        dialect = engine.dialect
        assert isinstance(dialect, LeanDialect)
        return dialect.check_out()

    facade = PoolFacade(check_out, pool)
    engine = _create(settings, pool=facade, layers_pool=pool, reports=reports, pooled=pool.pooled, **how)
    add_advice(engine.sync_engine, advise)
    return engine


def create_engine(settings: DatabaseSettings, *, direct: bool = False) -> AsyncEngine:
    """Return an engine that connects by itself, with `direct` to the server behind a pooler; opens no connection.

    Raises `ConfigurationError`.
    """
    target = _checked(settings.direct_target() if direct else settings.target())
    connecting = partial(Retry(settings).connecting, partial(connect, settings, target))
    return _create(settings, pooled=target.pooled, async_creator=connecting, poolclass=NullPool)


def _create(settings: DatabaseSettings, *, name: str = NAME, **how: Any) -> AsyncEngine:
    register_dialect()
    how |= {"row_level_security": settings.row_level_security, "sharded": settings.sharded}
    engine = create_async_engine(
        f"{name.replace('.', '+')}://", echo=settings.echo, hide_parameters=not settings.echo_parameters, **how
    )
    attach(engine.sync_engine, settings, how.get("layers_pool"))
    return engine


def _checked(target: ConnectionTarget) -> ConnectionTarget:
    target.tls.context()  # what is wrong with its files is said now
    for note in target.notes:
        _log.warning("%s", note)
    return target
