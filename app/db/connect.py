"""One connection to the target."""

import ssl
from typing import Any

import asyncpg

from app.db.errors import DRIVER_ERRORS, ConfigurationError, translate_connect
from app.db.settings import DatabaseSettings
from app.db.tls import explain_failure
from app.db.url import ConnectionTarget


async def connect(settings: DatabaseSettings, target: ConnectionTarget) -> Any:
    """Return a new asyncpg connection; raises `UnavailableError` or `ConfigurationError`, naming the place.

    Everything that asyncpg would take from PG* variables or ~/.pgpass is given: only DATABASE_* counts.
    """
    attempts = {
        "prefer": (target.tls.context(), None),
        "allow": (None, target.tls.context()),
    }.get(target.tls.mode, (target.tls.context(),))
    for tls in attempts[:-1]:
        try:
            return await _connect(settings, target, tls)
        except DRIVER_ERRORS:
            continue
    try:
        return await _connect(settings, target, attempts[-1])
    except ssl.SSLError as error:  # an OSError, but waiting does not mend it
        raise ConfigurationError(f"{target}: {explain_failure(error)}") from error
    except DRIVER_ERRORS as error:
        raise translate_connect(error, str(target)) from error


async def _connect(settings: DatabaseSettings, target: ConnectionTarget, tls: ssl.SSLContext | None) -> Any:
    return await asyncpg.connect(
        host=list(target.hosts),
        port=list(target.ports),
        user=target.user,
        password=target.password or "",
        database=target.database,
        ssl=tls or False,
        direct_tls=target.tls.direct,
        target_session_attrs=target.target_session_attrs,
        krbsrvname="postgres",
        gsslib="gssapi",
        timeout=target.connect_timeout_seconds or settings.connect_timeout_seconds,
        command_timeout=settings.command_timeout_seconds,
        statement_cache_size=0 if target.pooled else _STATEMENT_CACHE_SIZE,
        server_settings={"application_name": settings.application_name, **target.server_settings},
    )


_STATEMENT_CACHE_SIZE = 100
